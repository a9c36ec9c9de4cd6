# SPDX-License-Identifier: GPL-3.0-or-later
"""Analytic inverse kinematics of a limb of two bones, for all frames at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .rotations import Array, cross, matrix_to_quat, quat_between, quat_rotate

# Bends between which a limb's own plane takes over from its hinge: a straighter limb's plane is noise.
_UNSURE, _SURE = np.radians(4.0), np.radians(14.0)
_MET = 1e-6
_TRUST_TAKES = np.radians(12.0)


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

    start, middle, end, hinge (T, 3) as of `trusted_bend_axis`; goal (..., T, 3). See `Limb.bend_axis`.
    """
    return Limb.of(start, middle, end, hinge).bend_axis(_norm(goal - start))


@dataclass(frozen=True)
class Limb:
    """A limb of two bones as it is, ready for any number of goals; arrays (..., T, 3) and (..., T, 1).

    line: unit, from its start to its end. own: axis of its own bend, at a right angle to the line;
    sideways: line × own. to_trusted: radians about the line from its own axis to that of
    `trusted_bend_axis`. upper, lower: lengths; bend: radians, 0 is straight.
    """

    line: Array
    own: Array
    sideways: Array
    to_trusted: Array
    upper: Array
    lower: Array
    bend: Array

    @staticmethod
    def of(start: Array, middle: Array, end: Array, hinge: Array) -> Limb:
        """From joint positions and hinges (..., T, 3) as of `trusted_bend_axis`."""
        upper, lower = middle - start, end - middle
        a, b = _norm(upper), _norm(lower)
        plane = cross(upper, lower)
        sine = _norm(plane)
        own = np.where(sine > 1e-7 * a * b, plane / np.maximum(sine, 1e-15), _unit(hinge))
        line = _unit(end - start)
        own = _perpendicular(own, line)
        trusted = _perpendicular(trusted_bend_axis(start, middle, end, hinge), line)
        sideways = cross(line, own)
        angle = np.arctan2(_dot(trusted, sideways), _dot(trusted, own))
        return Limb(line, own, sideways, angle, a, b, _bend(a, b, _norm(end - start)))

    def bend_axis(self, distance: Array, swivel: Array | float = 0.0) -> Array:
        """The axis (..., T, 3), before the limb swings to its goal, for goals `distance` (..., T, 1) away.

        While the limb keeps its bend it keeps its own plane, however straight it is; as it bends or stretches
        by up to 12 degrees, the trusted axis takes over. It turns about the limb's line: blended straight,
        opposite axes would flip halfway. swivel: radians (..., T, 1) by which it is turned on.
        """
        share = np.clip(np.abs(_bend(self.upper, self.lower, distance) - self.bend) / _TRUST_TAKES, 0.0, 1.0)
        angle = share * share * (3 - 2 * share) * self.to_trusted + swivel
        return np.cos(angle) * self.own + np.sin(angle) * self.sideways

    def middle(self, goal: Array, swivel: Array | float = 0.0) -> Array:
        """The middle joint (..., T, 3), for an end at `goal` (..., T, 3), both seen from the limb's start; by
        the rule of `solve_two_bone` with the axis of `bend_axis`."""
        distance = _norm(goal)
        line = goal / np.maximum(distance, 1e-9)
        axis = self.bend_axis(distance, swivel)
        # The shortest arc from line to line, for an axis at a right angle to the first.
        both = self.line + line
        normal = axis - _dot(axis, line) / np.maximum(1 + _dot(self.line, line), 1e-6) * both
        upper, lower = self.upper, self.lower
        reach = np.clip(distance, np.abs(upper - lower) + 1e-6, upper + lower)
        along = np.clip((upper**2 + reach**2 - lower**2) / (2 * reach), -upper, upper)
        return along * line + np.sqrt(upper**2 - along**2) * cross(line, normal)


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


def _dot(a: Array, b: Array) -> Array:
    return np.einsum("...i,...i", a, b)[..., None]


def _norm(v: Array) -> Array:
    return np.sqrt(_dot(v, v))


def _unit(v: Array) -> Array:
    return v / np.maximum(_norm(v), 1e-12)
