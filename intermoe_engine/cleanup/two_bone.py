# SPDX-License-Identifier: GPL-3.0-or-later
"""Analytic inverse kinematics of a limb of two bones, for all frames at once."""

from __future__ import annotations

import numpy as np

from ..rotations import Array, quat_between, quat_multiply, quat_rotate

# A limb never gets fully straight: at full stretch the smallest shift of the target makes the joint snap.
_REACH = 0.9995


def solve_two_bone(
    root: Array,
    middle: Array,
    end: Array,
    target: Array,
    hinge: Array,
    root_rotation: Array,
    middle_rotation: Array,
) -> tuple[Array, Array]:
    """Global rotations (T, 4), (T, 4) of the first two joints that bring `end` to `target`.

    root, middle, end (T, 3): positions of hip, knee and ankle, say; target (T, 3); hinge (T, 3): the axis
    about which the middle joint bends (positive from first to second bone), which decides where the
    limb is straight; root_rotation, middle_rotation (T, 4): their global rotations. The bend plane turns
    with the limb by the shortest arc. Targets out of reach are met in direction, at full stretch.
    """
    first, second, whole = middle - root, end - middle, end - root
    first_length = np.linalg.norm(first, axis=-1)
    second_length = np.linalg.norm(second, axis=-1)
    swing = quat_between(whole, target - root)
    direction = _unit(target - root)

    # The hinge decides only where the bones' own plane is undefined.
    plane = np.cross(first, second) + 1e-4 * (first_length * second_length)[:, None] * hinge
    plane = quat_rotate(swing, plane)
    plane = _unit(plane - np.sum(plane * direction, axis=-1, keepdims=True) * direction)

    reach = np.linalg.norm(target - root, axis=-1)
    reach = np.clip(
        reach, np.abs(first_length - second_length) + 1e-6, (first_length + second_length) * _REACH
    )
    cosine = (first_length**2 + reach**2 - second_length**2) / (2 * first_length * reach)
    cosine = np.clip(cosine, -1.0, 1.0)[:, None]
    sine = np.sqrt(1.0 - cosine**2)
    new_first = first_length[:, None] * (cosine * direction - sine * np.cross(plane, direction))
    new_second = reach[:, None] * direction - new_first

    swung_root = quat_multiply(swing, root_rotation)
    swung_middle = quat_multiply(swing, middle_rotation)
    new_root = quat_multiply(quat_between(quat_rotate(swing, first), new_first), swung_root)
    new_middle = quat_multiply(quat_between(quat_rotate(swing, second), new_second), swung_middle)
    return new_root, new_middle


def _unit(v: Array) -> Array:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)
