# SPDX-License-Identifier: GPL-3.0-or-later
"""The build of a mannequin as numbers: its proportions, and the landmarks that follow from them.

Everything is in metres in Blender's axes: z up, facing -Y, the left side at +X, standing on z = 0.
Proportions are fractions of the height, after common artists' canons (about 7.5 heads).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FINGERS = ("thumb", "index", "middle", "ring", "pinky")


@dataclass(frozen=True)
class Build:
    """What sets one mannequin apart. Lengths as fractions of the height; arm_drop in degrees below level."""

    height: float
    arm_drop: float
    shoulder: float = 0.105
    hip: float = 0.053
    chest: float = 1.0
    waist: float = 1.0
    pelvis: float = 1.0
    limb: float = 1.0
    head: float = 1.0


def landmarks(build: Build) -> dict[str, np.ndarray]:
    """Joint positions (3,) by name; "l_" and "r_" for the sides."""
    h = build.height
    drop = np.radians(build.arm_drop)
    points = {
        "pelvis": (0, 0.0, 0.550),
        "spine1": (0, -0.002, 0.605),
        "spine2": (0, 0.000, 0.665),
        "spine3": (0, 0.006, 0.735),
        "neck": (0, 0.014, 0.828),
        "neck2": (0, 0.008, 0.855),
        "head": (0, 0.002, 0.880),
        "crown": (0, -0.002, 1.0),
        "hip": (build.hip, 0.002, 0.520),
        "knee": (build.hip + 0.002, -0.006, 0.284),
        "ankle": (build.hip + 0.003, 0.014, 0.050),
        "ball": (build.hip + 0.007, -0.066, 0.014),
        "toe": (build.hip + 0.009, -0.108, 0.013),
        "clavicle": (0.014, 0.000, 0.808),
        "shoulder": (build.shoulder, 0.014, 0.806),
    }
    out = {name: np.array(p, dtype=float) * h for name, p in points.items()}
    arm = np.array([np.cos(drop), 0.0, -np.sin(drop)])
    back = np.array([0.0, 1.0, 0.0])
    out["elbow"] = out["shoulder"] + h * (0.158 * arm + 0.006 * back)
    out["wrist"] = out["elbow"] + h * (0.142 * arm - 0.010 * back)
    _hand(out, arm, h)
    sides = {}
    for name, point in out.items():
        if name in _CENTRAL:
            sides[name] = point
        else:
            sides["l_" + name] = point
            sides["r_" + name] = point * (-1, 1, 1)
    return sides


_CENTRAL = ("pelvis", "spine1", "spine2", "spine3", "neck", "neck2", "head", "crown")


def _hand(out: dict[str, np.ndarray], arm: np.ndarray, h: float) -> None:
    """Adds four points a finger, relaxed: the palm faces down (T-pose) or in, the thumb points forward."""
    front = np.array([0.0, -1.0, 0.0])
    palm = np.cross(arm, front)  # the side that the fingers close towards
    palm = palm if palm[2] < 0 else -palm
    along = arm + 0.04 * front
    along = along / np.linalg.norm(along)
    rows = {
        "index": (0.0165, 0.051, 0.90),
        "middle": (0.0055, 0.053, 1.0),
        "ring": (-0.0055, 0.050, 0.93),
        "pinky": (-0.0155, 0.046, 0.74),
    }
    for name, (side, reach, size) in rows.items():
        spread = 0.35 * side * 10 * front
        point = out["wrist"] + h * (reach * along + side * front)
        out[name + "1"] = point
        for joint, (length, curl) in enumerate(((0.024, 12), (0.016, 26), (0.013, 38)), start=2):
            angle = np.radians(curl)
            step = np.cos(angle) * along + np.sin(angle) * palm + 0.4 * spread
            point = point + h * length * size * step / np.linalg.norm(step)
            out[f"{name}{joint}"] = point
    point = out["wrist"] + h * (0.012 * along + 0.013 * front + 0.004 * palm)
    out["thumb1"] = point
    for joint, (length, mix) in enumerate(((0.026, 0.75), (0.019, 1.2), (0.015, 1.6)), start=2):
        step = mix * along + 0.85 * front + 0.35 * palm
        point = point + h * length * step / np.linalg.norm(step)
        out[f"thumb{joint}"] = point
