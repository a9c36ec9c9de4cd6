# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a motion that mean the same wherever they are shown: scores, reports, the panel."""

from __future__ import annotations

import numpy as np

from .rotations import Array
from .skeleton import SMPL22

FLOOR_PERCENTILE = 10.0
NEAR_FLOOR = 0.03


def toe_floor(toes: Array) -> float:
    """Height in metres of a person's own floor: the 10th percentile over time of the lower toe joint.

    toes: (T, 2, 3) metres, y up, both toe joints of one person.
    """
    return float(np.percentile(toes[..., 1].min(axis=1), FLOOR_PERCENTILE))


def low_toe_speeds(toes: Array, fps: float, near: float = NEAR_FLOOR) -> Array:
    """Ground speeds in m/s (N,) of the lower toe on the frames on which it is near its own floor.

    toes: (T, 2, 3) metres, y up, both toe joints of one person. near: metres above `toe_floor`. Nobody has to
    say when a foot stands: a person who dances on the floor has one foot down nearly always, so feet that
    should stand and were not found standing count as well. N is at most T - 1.
    """
    if len(toes) < 2:
        return np.zeros(0)
    speed = np.linalg.norm(np.diff(toes[..., [0, 2]], axis=0), axis=-1) * fps
    lower = np.argmin(toes[:-1, :, 1], axis=1)[:, None]
    height = np.take_along_axis(toes[:-1, :, 1], lower, axis=1)[:, 0]
    return np.take_along_axis(speed, lower, axis=1)[height < toe_floor(toes) + near, 0]


def bone_drift(positions: Array) -> float:
    """Mean distance in metres of bone lengths from their median over time, over bones, frames and people.

    positions: (..., T, 22, 3) metres; 0 for bones of constant length.
    """
    lengths = np.linalg.norm(positions[..., 1:, :] - positions[..., SMPL22.parents[1:], :], axis=-1)
    return float(np.abs(lengths - np.median(lengths, axis=-2, keepdims=True)).mean())
