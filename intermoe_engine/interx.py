# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion as the published Inter-X models read it: 55 SMPL-X joints × 12 numbers a person and frame.

A joint's 12 numbers: position 3, velocity 3 (position[t+1] − position[t]), local rotation 6 (the root's is
global). The rotation's six numbers are the first two ROWS of the matrix, the order of PyTorch3D; InterHuman's
are the first two columns. Joints: SMPL's 22, jaw, two eyes, 15 of the left hand and 15 of the right. Metres,
y up, in the clip's own directions; no number says where the floor is or which feet stand on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .representation import DecodedMotion, FeatureLayout, foot_contacts
from .rotations import Array, matrix_to_quat
from .skeleton import CONTACT_JOINTS, SMPL22

JOINTS, NUMBERS = 55, 12
POSITION, VELOCITY, ROTATION = slice(0, 3), slice(3, 6), slice(6, 12)
INTERX = FeatureLayout("interx", JOINTS * NUMBERS, True)

# The floor is where the lowest foot is in the lowest few frames; the very lowest is often an outlier.
_FLOOR_PERCENTILE = 5.0
_EPS = 1e-12


@dataclass(frozen=True)
class InterxMotion:
    """Features taken apart: positions and velocities (..., T, 55, 3), rotations (..., T, 55, 4) local."""

    positions: Array
    velocities: Array
    rotations: Array


def motion_from_interx(features: Array) -> InterxMotion:
    """Features (..., T, 55, 12) taken apart. Raises ValueError where the last axes are others."""
    features = np.asarray(features, dtype=np.float64)
    if features.shape[-2:] != (JOINTS, NUMBERS):
        raise ValueError(f"layout interx has {JOINTS} × {NUMBERS} numbers, got {features.shape[-2:]}")
    rows = features[..., ROTATION].reshape(*features.shape[:-1], 2, 3)
    x = rows[..., 0, :] / np.maximum(np.linalg.norm(rows[..., 0, :], axis=-1, keepdims=True), _EPS)
    y = rows[..., 1, :] - np.sum(x * rows[..., 1, :], axis=-1, keepdims=True) * x
    y = y / np.maximum(np.linalg.norm(y, axis=-1, keepdims=True), _EPS)
    matrices = np.stack([x, y, np.cross(x, y)], axis=-2)
    return InterxMotion(features[..., POSITION], features[..., VELOCITY], matrix_to_quat(matrices))


def bodies_from_interx(features: Array, fps: float = 30.0) -> list[DecodedMotion]:
    """The 22 body joints of both people, (2, T, 660), on one floor at y = 0, without hands and face.

    Contacts are found from heights and speeds by the published thresholds.
    """
    features = np.asarray(features)
    motion = motion_from_interx(features.reshape(*features.shape[:-1], JOINTS, NUMBERS))
    body = slice(0, len(SMPL22))
    positions = motion.positions[:, :, body].copy()
    lowest = positions[:, :, CONTACT_JOINTS, 1].min(axis=(0, 2))
    positions[..., 1] -= np.percentile(lowest, _FLOOR_PERCENTILE)
    contacts = foot_contacts(positions, fps)
    rotations, velocities = motion.rotations[:, :, body], motion.velocities[:, :, body]
    return [
        DecodedMotion(positions[p], velocities[p], rotations[p, :, 1:], contacts[p], rotations[p, :, 0])
        for p in range(len(positions))
    ]
