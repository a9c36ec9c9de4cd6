# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator sees in each person: feet, floor, tremor, bones, life.

Positions are (2, T, 22, 3) in metres, y up, the floor at y = 0.
"""

from __future__ import annotations

import numpy as np

from intermoe_engine.measures import bone_drift, low_toe_speeds
from intermoe_engine.representation import CONTACT_HEIGHT
from intermoe_engine.skeleton import CONTACT_JOINTS

TOES = (10, 11)
SKATE_METRES = 0.025
"""A foot skates where it moves further than this in 1/20 s near the floor (Karunratanakul et al. 2023)."""
_SKATE_SECONDS = 0.05
_SKATE_HEIGHT = 0.05
_FLOOR_TOLERANCE = 0.005
"""As in PhysDiff (Yuan et al. 2023)."""


def foot_slide(positions: np.ndarray, fps: float) -> float:
    """Mean ground speed in mm/s of the lower toe of each person while it is near its own floor.

    Nobody has to say when a foot stands, so feet that should stand and glide count (see `low_toe_speeds`).
    NaN for motions of one frame.
    """
    speeds = np.concatenate([low_toe_speeds(person[:, TOES], fps) for person in positions])
    return float(speeds.mean() * 1000) if len(speeds) else float("nan")


def contact_slide(positions: np.ndarray, fps: float) -> float:
    """Mean ground speed in mm/s of every foot joint (ankles and toes) that is low on both frames of a step.

    Low: below the published contact heights, 12 cm for ankles and 5 cm for toes. Swinging feet that pass
    low count too, so compare with real motion. NaN where no foot is low.
    """
    feet = positions[:, :, CONTACT_JOINTS]
    low = feet[..., 1] < np.array(CONTACT_HEIGHT)
    speed = np.linalg.norm(np.diff(feet[..., [0, 2]], axis=1), axis=-1) * fps
    both = low[:, 1:] & low[:, :-1]
    return float(speed[both].mean() * 1000) if both.any() else float("nan")


def skating_ratio(positions: np.ndarray, fps: float) -> float:
    """Share of steps (0..1) on which either toe is below 5 cm and faster than 0.5 m/s on the ground."""
    toes = positions[:, :, TOES]
    speed = np.linalg.norm(np.diff(toes[..., [0, 2]], axis=1), axis=-1) * fps
    low = (toes[..., 1] < _SKATE_HEIGHT)[:, 1:] & (toes[..., 1] < _SKATE_HEIGHT)[:, :-1]
    return float((low & (speed > SKATE_METRES / _SKATE_SECONDS)).any(axis=2).mean())


def floating(positions: np.ndarray) -> float:
    """Mean height in mm of each person's lowest joint above where a toe counts as on the floor (5 cm)."""
    lowest = positions[..., 1].min(axis=2)
    return float(np.maximum(lowest - CONTACT_HEIGHT[1], 0.0).mean() * 1000)


def penetration(positions: np.ndarray) -> float:
    """Mean depth in mm of each person's lowest joint under the floor, beyond 5 mm."""
    depth = -positions[..., 1].min(axis=2)
    return float(np.where(depth > _FLOOR_TOLERANCE, depth, 0.0).mean() * 1000)


def jerk(positions: np.ndarray, fps: float) -> float:
    """Mean length in m/s³ of the third derivative of all joints. NaN for fewer than four frames."""
    if positions.shape[1] < 4:
        return float("nan")
    return float(np.linalg.norm(np.diff(positions, n=3, axis=1), axis=-1).mean() * fps**3)


def joint_speeds(positions: np.ndarray, fps: float) -> np.ndarray:
    """Mean speed of each person's joints (2,) in m/s: 0 for a frozen person."""
    if positions.shape[1] < 2:
        return np.zeros(2)
    return np.linalg.norm(np.diff(positions, axis=1), axis=-1).mean(axis=(1, 2)) * fps


def body_speeds(positions: np.ndarray, fps: float) -> np.ndarray:
    """Mean speed (2,) in m/s of each person's joints about their own pelvis."""
    return joint_speeds(positions - positions[:, :, :1], fps)


def person_figures(positions: np.ndarray, fps: float) -> dict[str, float]:
    """All figures of this module for one motion, over both people."""
    speeds = joint_speeds(positions, fps)
    return {
        "foot_slide_mm_s": foot_slide(positions, fps),
        "contact_slide_mm_s": contact_slide(positions, fps),
        "skating_ratio": skating_ratio(positions, fps),
        "floating_mm": floating(positions),
        "penetration_mm": penetration(positions),
        "jerk_m_s3": jerk(positions, fps),
        "bone_drift_mm": bone_drift(positions) * 1000,
        "speed_a_m_s": float(speeds[0]),
        "speed_b_m_s": float(speeds[1]),
    }
