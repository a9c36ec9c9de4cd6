# SPDX-License-Identifier: GPL-3.0-or-later
"""Analytic inverse kinematics of a limb of two bones, over all frames at once."""

from __future__ import annotations

import numpy as np

_SURE = (np.radians(4.0), np.radians(14.0))
"""The bend over which the limb's own plane takes over from its hinge axis."""
_MET = 1e-6


def solve_limb(
    start: np.ndarray, middle: np.ndarray, end: np.ndarray, goal: np.ndarray, hinge: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (T, 3, 3) to put before the upper and the lower bone so that `end` reaches `goal`.

    start, middle, end (T, 3): shoulder, elbow, wrist (or hip, knee, ankle) as they are. goal (T, 3); one
    out of reach is approached along the line to it. hinge (T, 3): the joint's axis, cross(upper, lower) of
    a limb bent the right way; it rules where the limb is straight or bent the wrong way. Frames whose
    goal is met already stay as they are. Law of cosines; the bend plane keeps the limb's swivel.
    """
    upper, lower = middle - start, end - middle
    length_a, length_b = _norm(upper), _norm(lower)
    upper, lower = upper / np.maximum(length_a, 1e-9), lower / np.maximum(length_b, 1e-9)
    to_goal = goal - start
    distance = _norm(to_goal)
    line = np.where(distance > 1e-9, to_goal / np.maximum(distance, 1e-9), _unit(end - start))
    longest = (length_a + length_b) * (1 - 1e-6)
    shortest = np.abs(length_a - length_b) * 1.001 + 1e-6
    distance = np.clip(distance, shortest, longest)

    axis = _bend_axis(upper, lower, hinge)
    normal = _perpendicular(axis, line)
    cos_a = (length_a**2 + distance**2 - length_b**2) / np.maximum(2 * length_a * distance, 1e-12)
    cos_a = np.clip(cos_a, -1.0, 1.0)
    side = np.cross(line, normal)  # where the middle joint lies off the line
    new_upper = cos_a * line + np.sqrt(1 - cos_a**2) * side
    new_lower = _unit(distance * line - length_a * new_upper)
    first = _turn(upper, axis, new_upper, normal)
    second = _turn(lower, axis, new_lower, normal)
    met = (_norm(goal - end) < _MET)[..., None]
    return np.where(met, np.eye(3), first), np.where(met, np.eye(3), second)


def _bend_axis(upper: np.ndarray, lower: np.ndarray, hinge: np.ndarray) -> np.ndarray:
    cross = np.cross(upper, lower)
    sine = _norm(cross)
    angle = np.arctan2(sine, np.sum(upper * lower, axis=-1, keepdims=True))
    weight = np.clip((angle - _SURE[0]) / (_SURE[1] - _SURE[0]), 0.0, 1.0)
    seen = cross / np.maximum(sine, 1e-12)
    right_way = np.sum(seen * hinge, axis=-1, keepdims=True) > 0
    weight = np.where(right_way, weight, 0.0)
    return _unit((1 - weight) * _unit(hinge) + weight * seen)


def _turn(old: np.ndarray, old_axis: np.ndarray, new: np.ndarray, new_axis: np.ndarray) -> np.ndarray:
    return _frame(new, new_axis) @ np.swapaxes(_frame(old, old_axis), -1, -2)


def _frame(direction: np.ndarray, axis: np.ndarray) -> np.ndarray:
    normal = _perpendicular(axis, direction)
    return np.stack([direction, normal, np.cross(direction, normal)], axis=-1)


def _perpendicular(v: np.ndarray, direction: np.ndarray) -> np.ndarray:
    flat = v - np.sum(v * direction, axis=-1, keepdims=True) * direction
    # A hinge along the limb leaves the plane open: any direction at a right angle serves.
    helper = np.where(np.abs(direction[..., :1]) < 0.9, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]))
    return _unit(np.where(_norm(flat) > 1e-6, flat, np.cross(direction, helper)))


def _norm(v: np.ndarray) -> np.ndarray:
    return np.linalg.norm(v, axis=-1, keepdims=True)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(_norm(v), 1e-12)
