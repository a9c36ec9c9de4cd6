# SPDX-License-Identifier: GPL-3.0-or-later
"""Feet that stand stay put: leg inverse kinematics towards positions without slide."""

from __future__ import annotations

import numpy as np

from ..intervals import runs
from ..kinematics import forward_kinematics, local_from_global
from ..rotations import Array, quat_continuous, quat_multiply, quat_rotate
from ..skeleton import SMPL22
from ..take import ActorMotion
from ..two_bone import solve_two_bone
from .contacts import pivot_steps

# Time in which a foot glides from its decoded place to the locked one and back.
_BLEND_SECONDS = 0.2
# Metres that a foot may be moved. A foot that wants more is gliding on purpose, and is held less.
_MAX_SHIFT = 0.12
# The knee's own axis decides where the leg is straight, and nowhere else: a share of the bones' plane.
_HINGE_SHARE = 1e-4
_LEGS = (("l_hip", "l_knee", "l_ankle", "l_foot", 0), ("r_hip", "r_knee", "r_ankle", "r_foot", 2))


def lock_feet(actor: ActorMotion, planted: np.ndarray, fps: float) -> ActorMotion:
    """The actor with standing feet held still and no foot below the floor.

    planted bool (T, 4) as of `planted_feet`. The foot keeps its orientation; hip and knee follow by two-bone
    inverse kinematics, and everything above the hips stays as it is.
    """
    parents = SMPL22.parents
    _, rotations = forward_kinematics(
        actor.root_translation, actor.joint_rotations, parents, actor.rest_offsets
    )
    for hip_name, knee_name, ankle_name, toe_name, column in _LEGS:
        hip, knee, ankle, toe = (SMPL22.index(n) for n in (hip_name, knee_name, ankle_name, toe_name))
        place = actor.joint_positions
        shift = _shift(place[:, ankle], place[:, toe], planted[:, column], planted[:, column + 1], fps)
        hinge = quat_rotate(rotations[:, hip], np.array([1.0, 0.0, 0.0]))
        thigh, shin = place[:, knee] - place[:, hip], place[:, ankle] - place[:, knee]
        share = _HINGE_SHARE * np.linalg.norm(thigh, axis=-1) * np.linalg.norm(shin, axis=-1)
        turns = solve_two_bone(
            place[:, hip],
            place[:, knee],
            place[:, ankle],
            place[:, ankle] + shift,
            np.cross(thigh, shin) + share[:, None] * hinge,
        )
        for joint, turn in zip((hip, knee), turns, strict=True):
            rotations[:, joint] = quat_multiply(turn, rotations[:, joint])
    local = quat_continuous(local_from_global(rotations, parents))
    return ActorMotion.from_rotations(actor.root_translation, local, actor.foot_contacts, actor.rest_offsets)


def _shift(ankle: Array, toe: Array, ankle_stands: np.ndarray, toe_stands: np.ndarray, fps: float) -> Array:
    """How far one foot is to be moved (T, 3), continuous in time."""
    stands = ankle_stands | toe_stands
    shift = np.zeros_like(ankle)
    # Undoing the pivot's steps one after another keeps rolling from heel to toe smooth.
    steps = pivot_steps(ankle, toe, toe_stands)
    undone = -np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    for start, end in zip(*runs(stands), strict=True):
        held = undone[start:end] - undone[start:end].mean(axis=0)
        largest = np.linalg.norm(held, axis=-1).max()
        shift[start:end] = held * min(1.0, _MAX_SHIFT / max(largest, 1e-9))
    shift = _blend_between(shift, stands, max(int(round(_BLEND_SECONDS * fps)), 1))
    # Last, so that nothing above can push a foot through the floor again.
    lowest = np.minimum(ankle[:, 1], toe[:, 1]) + shift[:, 1]
    shift[:, 1] += np.maximum(-lowest, 0.0)
    return shift


def _blend_between(values: Array, fixed: np.ndarray, blend: int) -> Array:
    """`values` (T, 3) where `fixed`, zero far from it, eased from one to the other over `blend` frames."""
    if not fixed.any():
        return np.zeros_like(values)
    frames = np.arange(len(values))
    anchors = frames[fixed]
    after = np.searchsorted(anchors, frames)
    last = len(anchors) - 1
    to_next = np.where(after <= last, anchors[np.minimum(after, last)] - frames, len(values))
    to_last = np.where(after > 0, frames - anchors[np.maximum(after - 1, 0)], len(values))
    known = fixed | (np.minimum(to_next, to_last) >= blend)
    knots = frames[known]
    if len(knots) < 2:
        return np.where(known[:, None], values, values[knots[0]])
    right = np.clip(np.searchsorted(knots, frames), 1, len(knots) - 1)
    low, high = knots[right - 1], knots[right]
    s = np.clip((frames - low) / (high - low), 0.0, 1.0)
    s = (s * s * (3.0 - 2.0 * s))[:, None]
    source = np.where(fixed[:, None], values, 0.0)
    return source[low] * (1.0 - s) + source[high] * s
