# SPDX-License-Identifier: GPL-3.0-or-later
"""Forward kinematics of a joint tree, vectorised over frames."""

from __future__ import annotations

import numpy as np

from .rotations import Array, quat_conjugate, quat_multiply, quat_rotate


def forward_kinematics(
    root_translation: Array, local_rotations: Array, parents: np.ndarray, offsets: Array
) -> tuple[Array, Array]:
    """Global positions (..., J, 3) in metres and global rotations (..., J, 4).

    root_translation (..., 3) is the position of joint 0; local_rotations (..., J, 4) are relative to the
    parent (joint 0: global); offsets (J, 3) are the rest positions relative to the parent. Parents come
    before their children; the root's parent is -1 and its offset is not used.
    """
    joints = len(parents)
    positions: list[Array] = [np.asarray(root_translation)] * joints
    rotations: list[Array] = [local_rotations[..., 0, :]] * joints
    for j in range(1, joints):
        p = int(parents[j])
        rotations[j] = quat_multiply(rotations[p], local_rotations[..., j, :])
        positions[j] = positions[p] + quat_rotate(rotations[p], offsets[j])
    return np.stack(positions, axis=-2), np.stack(rotations, axis=-2)


def rest_positions(parents: np.ndarray, offsets: Array) -> Array:
    """Joint positions (J, 3) at rest, joint 0 at the origin; arguments as of `forward_kinematics`."""
    offsets = np.asarray(offsets, dtype=float)
    positions = np.zeros_like(offsets)
    for j in range(1, len(parents)):
        positions[j] = positions[parents[j]] + offsets[j]
    return positions


def local_from_global(global_rotations: Array, parents: np.ndarray) -> Array:
    """Local rotations (..., J, 4) from global ones (..., J, 4)."""
    local = np.array(global_rotations)
    child = np.arange(1, len(parents))
    parent = np.asarray(parents)[1:]
    local[..., child, :] = quat_multiply(
        quat_conjugate(global_rotations[..., parent, :]), global_rotations[..., child, :]
    )
    return local
