# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion as the numbers that the model reads: InterHuman's 262 features, or 268 with the root's rotation.

One person, one frame: 22 global joint positions, 22 joint velocities (position[t+1] − position[t], per
frame), 21 local body rotations as 6D, 4 foot contact flags, and in our own layout `interhuman+root` the
root's global rotation as 6D behind them. Positions are in the pair's canonical frame: metres, y up,
person A at frame 0 at x = z = 0 facing +z. One rigid transform moves both people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .rotations import (
    Array,
    matrix_to_quat,
    matrix_to_sixd,
    quat_from_axis_angle,
    quat_multiply,
    quat_rotate,
    quat_to_matrix,
    sixd_to_matrix,
)
from .skeleton import CONTACT_JOINTS, SMPL22

JOINTS = 22
POSITIONS = slice(0, 66)
VELOCITIES = slice(66, 132)
ROTATIONS = slice(132, 258)
CONTACTS = slice(258, 262)
ROOT_ROTATION = slice(262, 268)

CONTACT_SQUARED_STEP = 0.001
"""Square metres a frame at 30 fps, below which a foot counts as still (the published, loose threshold)."""
CONTACT_HEIGHT = (0.12, 0.05, 0.12, 0.05)
"""Metres above the floor below which ankle, toe, ankle, toe count as on it."""


@dataclass(frozen=True)
class FeatureLayout:
    """How many numbers describe a person in a frame, and whether the root's rotation is among them."""

    name: str
    size: int
    has_root_rotation: bool


INTERHUMAN = FeatureLayout("interhuman", 262, False)
INTERHUMAN_ROOT = FeatureLayout("interhuman+root", 268, True)
LAYOUTS = {layout.name: layout for layout in (INTERHUMAN, INTERHUMAN_ROOT)}


@dataclass(frozen=True)
class DecodedMotion:
    """What features say, before any two of its statements are reconciled.

    positions (..., T, 22, 3), velocities (..., T, 22, 3), body_rotations (..., T, 21, 4) local quaternions
    of joints 1..21, contacts (..., T, 4) as decoded (not rounded), root_rotation (..., T, 4) or None.
    """

    positions: Array
    velocities: Array
    body_rotations: Array
    contacts: Array
    root_rotation: Array | None


def foot_contacts(positions: Array, fps: float = 30.0) -> Array:
    """Contact flags (..., T, 4), 0 or 1, of left ankle, left toe, right ankle, right toe.

    positions is (..., T, 22, 3) with the floor at y = 0; the published thresholds, with the step
    measured as if at 30 fps. The last frame repeats the one before.
    """
    feet = positions[..., CONTACT_JOINTS, :]
    step = np.diff(feet, axis=-3) * (fps / 30.0)
    squared = np.sum(step**2, axis=-1)
    still = np.concatenate([squared, squared[..., -1:, :]], axis=-2) < CONTACT_SQUARED_STEP
    low = feet[..., 1] < np.array(CONTACT_HEIGHT)
    return (still & low).astype(np.float32)


def features_from_motion(
    positions: Array, local_rotations: Array, contacts: Array, layout: FeatureLayout = INTERHUMAN_ROOT
) -> Array:
    """Features (..., T, F) float32 of canonical motion.

    positions (..., T, 22, 3); local_rotations (..., T, 22, 4), joint 0 global; contacts (..., T, 4).
    The last frame's velocity repeats the one before.
    """
    velocities = np.diff(positions, axis=-3)
    velocities = np.concatenate([velocities, velocities[..., -1:, :, :]], axis=-3)
    sixd = matrix_to_sixd(quat_to_matrix(local_rotations))
    lead = positions.shape[:-2]
    parts = [
        positions.reshape(*lead, 66),
        velocities.reshape(*lead, 66),
        sixd[..., 1:, :].reshape(*lead, 126),
        contacts,
    ]
    if layout.has_root_rotation:
        parts.append(sixd[..., 0, :])
    return np.concatenate(parts, axis=-1).astype(np.float32)


def motion_from_features(features: Array, layout: FeatureLayout) -> DecodedMotion:
    """Features (..., T, F) taken apart. Raises ValueError when F is not the layout's."""
    features = np.asarray(features, dtype=np.float64)
    if features.shape[-1] != layout.size:
        raise ValueError(f"layout {layout.name} has {layout.size} features, got {features.shape[-1]}")
    lead = features.shape[:-1]
    body = sixd_to_matrix(features[..., ROTATIONS].reshape(*lead, 21, 6))
    root = None
    if layout.has_root_rotation:
        root = matrix_to_quat(sixd_to_matrix(features[..., ROOT_ROTATION]))
    return DecodedMotion(
        positions=features[..., POSITIONS].reshape(*lead, JOINTS, 3),
        velocities=features[..., VELOCITIES].reshape(*lead, JOINTS, 3),
        body_rotations=matrix_to_quat(body),
        contacts=features[..., CONTACTS],
        root_rotation=root,
    )


def facing_direction(positions: Array) -> Array:
    """Horizontal unit vectors (..., 3) that people with joints (..., 22, 3) face: up × hip line."""
    across = positions[..., 2, :] - positions[..., 1, :]
    forward = np.cross(np.array([0.0, 1.0, 0.0]), across)
    return forward / np.maximum(np.linalg.norm(forward, axis=-1, keepdims=True), 1e-9)


def canonical_transform(positions_a: Array) -> tuple[Array, Array]:
    """The rigid transform into the pair's frame, from person A's joints (T, 22, 3).

    Returns (turn, shift): p → quat_rotate(turn, p) + shift puts A's pelvis of frame 0 at x = z = 0, facing
    +z. Heights stay. Both people must go through the same transform.
    """
    forward = facing_direction(positions_a[0])
    yaw = -np.arctan2(forward[0], forward[2])
    turn = quat_from_axis_angle(np.array([0.0, 1.0, 0.0]), np.array(yaw))
    shift = -quat_rotate(turn, positions_a[0, 0])
    shift[1] = 0.0
    return turn, shift


def move_rigidly(positions: Array, local_rotations: Array, turn: Array, shift: Array) -> tuple[Array, Array]:
    """Positions (..., J, 3) and local rotations (..., J, 4) of a person moved by one rigid transform."""
    rotations = np.array(local_rotations)
    rotations[..., 0, :] = quat_multiply(turn, rotations[..., 0, :])
    return quat_rotate(turn, positions) + shift, rotations


def mirror_motion(positions: Array, local_rotations: Array, contacts: Array) -> tuple[Array, Array, Array]:
    """The motion seen in a mirror at x = 0: left and right change places, captions must change too."""
    swap = SMPL22.mirror
    mirrored = positions[..., swap, :] * np.array([-1.0, 1.0, 1.0])
    rotations = local_rotations[..., swap, :] * np.array([1.0, 1.0, -1.0, -1.0])
    return mirrored, rotations, contacts[..., [2, 3, 0, 1]]
