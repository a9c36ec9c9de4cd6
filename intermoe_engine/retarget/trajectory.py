# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the pelvis goes: one horizontal scale for both people, each one's own legs for the height."""

from __future__ import annotations

import numpy as np

from .errors import RigError


def pair_scale(leg_ratios: tuple[float, float]) -> float:
    """The one scale of horizontal positions for a pair: the geometric mean of both leg ratios.

    A scale for each person would let them drift apart or into each other.
    """
    if min(leg_ratios) <= 0 or not np.isfinite(leg_ratios).all():
        raise RigError("A rig's legs have no length; check its bone mapping and its object scale.")
    return float(np.sqrt(leg_ratios[0] * leg_ratios[1]))


def pelvis_shift(
    anchor: np.ndarray,
    hip_middle: np.ndarray,
    source_pelvis: np.ndarray,
    source_hip_middle: np.ndarray,
    scale: float,
    leg_ratio: float,
    ankle_heights: tuple[float, float],
) -> np.ndarray:
    """What to add (T, 3) to an actor that stands at its rest place.

    anchor (T, 3): the point that is put at the source pelvis's ground position times `scale`. hip_middle
    (T, 3): between the hip joints; above the ankle it is raised to the source's height times leg_ratio.
    ankle_heights: of source and target, above the floor, so that flat feet and straight legs stay so.
    """
    shift = scale * source_pelvis - anchor
    source_ankle, target_ankle = ankle_heights
    height = target_ankle + leg_ratio * (source_hip_middle[:, 1] - source_ankle)
    shift[:, 1] = height - hip_middle[:, 1]
    return shift
