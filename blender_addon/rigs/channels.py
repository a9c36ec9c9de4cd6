# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations as Blender's animation channels: quaternion, axis-angle or any Euler order, without jumps."""

from __future__ import annotations

import numpy as np

from intermoe_engine.rotations import quat_continuous, quat_log, quat_normalize, quat_to_matrix


def rotation_channels(mode: str, rotations: np.ndarray) -> tuple[str, np.ndarray]:
    """The property to key for a bone of rotation mode `mode`, and its values over time.

    rotations: (T, 4) unit quaternions (w, x, y, z). Returns ("rotation_quaternion", (T, 4)),
    ("rotation_axis_angle", (T, 4) angle first) or ("rotation_euler", (T, 3) radians), continuous in time.
    """
    rotations = quat_continuous(quat_normalize(np.asarray(rotations, dtype=float)))
    if mode == "QUATERNION":
        return "rotation_quaternion", rotations
    if mode == "AXIS_ANGLE":
        return "rotation_axis_angle", _axis_angle(rotations)
    return "rotation_euler", quat_to_euler(rotations, mode)


def quat_to_euler(rotations: np.ndarray, order: str) -> np.ndarray:
    """Euler angles (T, 3), stored x, y, z, of unit quaternions (T, 4), continuous along time.

    order as Blender names it: in "XYZ" x turns first. Of the two triples that give one rotation, each frame
    takes the one nearer to the frame before; full turns are unwrapped; at gimbal lock, where only the sum
    of the first and last angle is known, the last one is taken from the frames around.
    """
    i, j, k = ("XYZ".index(axis) for axis in order)
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    m = quat_to_matrix(rotations)
    free = np.hypot(m[:, i, i], m[:, j, i]) > 1e-4
    frames = np.arange(len(m))
    if free.any():
        angles = _undo_last(m[free], np.arctan2(sign * m[free, j, i], m[free, i, i]), (i, j, k), sign)
        other = angles * (1, -1, 1) + np.pi
        # the two families are mirror images, so "stay" and "change over" cost the same from either of them
        change = _step(angles[:-1], other[1:]) < _step(angles[:-1], angles[1:])
        start = _step(other[:1], 0.0) < _step(angles[:1], 0.0)
        use_other = np.cumsum(np.concatenate([start, change])) % 2 == 1
        last = np.unwrap(np.where(use_other, other[:, 2], angles[:, 2]))
        last = np.interp(frames, frames[free], last)
    else:
        last = np.zeros(len(m))
    angles = np.unwrap(_undo_last(m, last, (i, j, k), sign), axis=0)
    angles -= 2 * np.pi * np.round(angles[:1] / (2 * np.pi))
    result = np.empty_like(angles)
    result[:, [i, j, k]] = angles
    return result


def _undo_last(m: np.ndarray, last: np.ndarray, axes: tuple[int, int, int], sign: float) -> np.ndarray:
    """First, middle and last angle (T, 3), given the last. Well defined in gimbal lock too: what is left of
    the matrix after the last turn is undone is the middle turn after the first."""
    i, j, k = axes
    cos, sin = np.cos(last)[:, None], sign * np.sin(last)[:, None]
    row_i = cos * m[:, i] + sin * m[:, j]
    row_j = cos * m[:, j] - sin * m[:, i]
    middle = np.arctan2(-sign * m[:, k, i], row_i[:, i])
    first = np.arctan2(-sign * row_j[:, k], row_j[:, j])
    return np.stack([first, middle, last], axis=-1)


def _step(a: np.ndarray, b: np.ndarray | float) -> np.ndarray:
    """The summed size of the shortest turns between angle triples."""
    return np.abs((a - b + np.pi) % (2 * np.pi) - np.pi).sum(axis=-1)


def _axis_angle(rotations: np.ndarray) -> np.ndarray:
    """(T, 4) angle, x, y, z of continuous unit quaternions; the axis stays on one side of the sphere."""
    vectors = quat_log(rotations)
    angle = np.linalg.norm(vectors, axis=-1)
    axis = np.divide(vectors, angle[:, None], out=np.zeros_like(vectors), where=angle[:, None] > 1e-9)
    known = angle > 1e-9
    if not known.any():
        axis[:] = (0.0, 1.0, 0.0)
    else:  # a frame without rotation borrows the axis of the nearest earlier (or first) frame that has one
        frames = np.arange(len(axis))
        source = np.maximum.accumulate(np.where(known, frames, -1))
        axis = axis[np.where(source < 0, np.argmax(known), source)]
    flips = np.cumsum(np.concatenate([[0], (axis[1:] * axis[:-1]).sum(-1) < 0])) % 2 == 1
    axis = np.where(flips[:, None], -axis, axis)
    angle = np.unwrap(np.where(flips, -angle, angle))
    return np.concatenate([angle[:, None], axis], axis=-1)
