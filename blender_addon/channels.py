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
    of the first and last angle is known, the last one follows its neighbours.
    """
    i, j, k = ("XYZ".index(axis) for axis in order)
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    m = quat_to_matrix(rotations)
    middle = np.arctan2(-sign * m[:, k, i], np.hypot(m[:, i, i], m[:, j, i]))
    last = np.arctan2(sign * m[:, j, i], m[:, i, i])
    free = np.cos(middle) > 1e-4
    if not free.all() and free.any():
        frames = np.arange(len(m))
        last = np.where(free, last, np.interp(frames, frames[free], np.unwrap(last[free])))
    elif not free.any():
        last = np.zeros_like(last)
    # undo the last turn; what then acts on axis j is the first turn alone, well defined even in gimbal lock
    row = sign * -np.sin(last)[:, None] * m[:, i, :] + np.cos(last)[:, None] * m[:, j, :]
    first = np.arctan2(-sign * row[:, k], row[:, j])

    angles = np.stack([first, middle, last], axis=-1)
    other = np.stack([first + np.pi, np.pi - middle, last + np.pi], axis=-1)
    # the two families are mirror images, so "stay" and "change over" cost the same from either of them
    change = _step(angles[:-1], other[1:]) < _step(angles[:-1], angles[1:])
    start = _step(other[:1], 0.0) < _step(angles[:1], 0.0)
    use_other = np.cumsum(np.concatenate([start, change])) % 2 == 1
    chosen = np.unwrap(np.where(use_other[:, None], other, angles), axis=0)
    chosen -= 2 * np.pi * np.round(chosen[:1] / (2 * np.pi))
    result = np.empty_like(chosen)
    result[:, [i, j, k]] = chosen
    return result


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
