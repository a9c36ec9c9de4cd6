# SPDX-License-Identifier: GPL-3.0-or-later
"""Analytic inverse kinematics of a limb of two bones, for all frames at once."""

from __future__ import annotations

import numpy as np

from .rotations import Array, cross, matrix_to_quat, quat_between, quat_rotate

# Bends between which a limb's own plane takes over from its hinge: a straighter limb's plane is noise.
_UNSURE, _SURE = np.radians(4.0), np.radians(14.0)
_MET = 1e-6


def solve_two_bone(
    start: Array, middle: Array, end: Array, goal: Array, axis: Array, straightest: float = 0.9995
) -> tuple[Array, Array]:
    """Rotations (T, 4), (T, 4) to put before the upper and the lower bone so that `end` reaches `goal`.

    start, middle, end (T, 3): hip, knee, ankle (or shoulder, elbow, wrist) as they are; goal (T, 3). axis
    (T, 3), of any length: what the middle joint turns about, as cross(upper, lower) of the limb bent the
    right way. It swings with the line from start to goal by the shortest arc, so that the limb keeps its
    swivel, and the new bend lies in the plane at a right angle to it. Goals out of reach are met in
    direction. straightest: the longest reach as a share of both lengths (at full stretch the smallest step
    of the goal makes the joint snap), unless the limb is straighter already. Frames whose goal is met stay
    as they are. Law of cosines.
    """
    upper, lower, whole, axis = middle - start, end - middle, end - start, _unit(axis)
    length_a, length_b, span = _norm(upper), _norm(lower), _norm(whole)
    upper, lower = upper / np.maximum(length_a, 1e-12), lower / np.maximum(length_b, 1e-12)
    to_goal = goal - start
    distance = _norm(to_goal)
    line = _unit(np.where(distance > 1e-9, to_goal, whole))
    longest = np.maximum(straightest * (length_a + length_b), np.minimum(span, length_a + length_b))
    distance = np.clip(distance, np.abs(length_a - length_b) + 1e-6, longest)

    normal = _perpendicular(quat_rotate(quat_between(whole, line), axis), line)
    cosine = (length_a**2 + distance**2 - length_b**2) / np.maximum(2 * length_a * distance, 1e-12)
    cosine = np.clip(cosine, -1.0, 1.0)
    # The middle joint lies off the line, on the side that the axis leaves open.
    new_upper = cosine * line + np.sqrt(1.0 - cosine**2) * cross(line, normal)
    new_lower = _unit(distance * line - length_a * new_upper)
    met = _norm(goal - end) < _MET
    identity = np.array([1.0, 0.0, 0.0, 0.0])
    first, second = (
        np.where(met, identity, matrix_to_quat(_frame(new, normal) @ np.swapaxes(_frame(old, axis), -1, -2)))
        for old, new in ((upper, new_upper), (lower, new_lower))
    )
    return first, second


def trusted_bend_axis(start: Array, middle: Array, end: Array, hinge: Array) -> Array:
    """The axis (T, 3) for `solve_two_bone`: the plane of the limb's own bend where that tells the truth.

    hinge (T, 3): the joint's axis, as cross(upper, lower) of a limb bent the right way; it rules where the
    limb is straight or bent the wrong way.
    """
    upper, lower, hinge = _unit(middle - start), _unit(end - middle), _unit(hinge)
    plane = cross(upper, lower)
    sine = _norm(plane)
    angle = np.arctan2(sine, np.sum(upper * lower, axis=-1, keepdims=True))
    plane = plane / np.maximum(sine, 1e-12)
    weight = np.clip((angle - _UNSURE) / (_SURE - _UNSURE), 0.0, 1.0)
    weight = np.where(np.sum(plane * hinge, axis=-1, keepdims=True) > 0, weight, 0.0)
    return _unit((1 - weight) * hinge + weight * plane)


def bend_axis_for_goal(start: Array, middle: Array, end: Array, goal: Array, hinge: Array) -> Array:
    """The axis (..., T, 3) for `solve_two_bone` by which a correction comes in without a jump.

    start, middle, end, hinge (T, 3) as of `trusted_bend_axis`; goal (..., T, 3). While the limb keeps its
    bend it keeps its own plane, however straight it is; as it bends or stretches by up to 12 degrees, the
    trusted axis takes over.
    """
    upper, lower = middle - start, end - middle
    a, b = _norm(upper), _norm(lower)
    plane = cross(upper, lower)
    sine = _norm(plane)
    own = np.where(sine > 1e-7 * a * b, plane / np.maximum(sine, 1e-15), _unit(hinge))
    trusted = trusted_bend_axis(start, middle, end, hinge)
    before, after = (_bend(a, b, _norm(point - start)) for point in (end, goal))
    share = np.clip(np.abs(after - before) / np.radians(12.0), 0.0, 1.0)
    share = share * share * (3 - 2 * share)
    # The plane turns about the limb's line: blended straight, opposite axes would flip halfway.
    line = _unit(end - start)
    own, trusted = _perpendicular(own, line), _perpendicular(trusted, line)
    sideways = cross(line, own)
    dots = [np.einsum("...i,...i", trusted, v)[..., None] for v in (sideways, own)]
    angle = share * np.arctan2(dots[0], dots[1])
    return np.cos(angle) * own + np.sin(angle) * sideways


def _bend(upper: Array, lower: Array, distance: Array) -> Array:
    """Angle by which a limb of two bones is bent when its ends are `distance` apart; 0 is straight."""
    cosine = (distance**2 - upper**2 - lower**2) / np.maximum(2 * upper * lower, 1e-12)
    return np.arccos(np.clip(cosine, -1.0, 1.0))


def _frame(direction: Array, axis: Array) -> Array:
    normal = _perpendicular(axis, direction)
    return np.stack([direction, normal, cross(direction, normal)], axis=-1)


def _perpendicular(v: Array, direction: Array) -> Array:
    flat = v - np.sum(v * direction, axis=-1, keepdims=True) * direction
    # An axis along the limb leaves the plane open: any direction at a right angle serves.
    helper = np.where(np.abs(direction[..., :1]) < 0.9, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]))
    return _unit(np.where(_norm(flat) > 1e-6, flat, cross(direction, helper)))


def _norm(v: Array) -> Array:
    return np.linalg.norm(v, axis=-1, keepdims=True)


def _unit(v: Array) -> Array:
    return v / np.maximum(_norm(v), 1e-12)
