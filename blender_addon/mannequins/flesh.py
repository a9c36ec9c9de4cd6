# SPDX-License-Identifier: GPL-3.0-or-later
"""The flesh of a mannequin: tapered capsules around its landmarks, one or more a bone, and gaps at joints."""

from __future__ import annotations

import numpy as np

from .primitives import Capsule, Disc
from .shape import FINGERS, Build


def body_capsules(build: Build, p: dict[str, np.ndarray]) -> list[Capsule]:
    """Torso, head, arms, legs and feet, without the hands."""
    h, limb = build.height, build.limb
    at = lambda x, y, z: np.array([x, y, z]) * h
    out: list[Capsule] = []

    def add(part, a, b, ra, rb, stretch=(1.0, 1.0, 1.0), blend=0.022):
        out.append(Capsule(part, a, b, ra * h, rb * h, np.array(stretch), blend * h))

    torso = build.chest
    add(
        "pelvis",
        at(-0.026 * build.pelvis, 0.006, 0.545),
        at(0.026 * build.pelvis, 0.006, 0.545),
        0.053,
        0.053,
        (1.0, 0.88, 0.95),
    )
    add(
        "spine1",
        at(-0.018, 0.0, 0.615),
        at(0.018, 0.0, 0.615),
        0.052 * build.waist,
        0.052 * build.waist,
        (1.0, 0.88, 1.0),
        0.04,
    )
    add(
        "spine2",
        at(-0.024 * torso, 0.004, 0.680),
        at(0.024 * torso, 0.004, 0.680),
        0.058,
        0.058,
        (torso, 0.92, 1.0),
        0.04,
    )
    add(
        "spine3",
        at(-0.036 * torso, 0.006, 0.750),
        at(0.036 * torso, 0.006, 0.750),
        0.060,
        0.060,
        (torso, 0.96, 0.98),
        0.04,
    )
    for x in (-1, 1):  # the breast muscles give the chest a front
        add(
            "spine3",
            at(0.030 * x * torso, -0.022, 0.752),
            at(0.048 * x * torso, -0.010, 0.770),
            0.035,
            0.030,
            blend=0.03,
        )
    add("neck", p["neck"] - at(0, 0, 0.010), p["neck2"], 0.031 * limb, 0.0285 * limb, blend=0.03)
    add("neck2", p["neck2"], p["head"] + at(0, -0.004, 0.012), 0.0285 * limb, 0.028 * limb, blend=0.012)
    scale = build.head
    add("head", at(0, 0.006, 0.944), at(0, -0.002, 0.947), 0.0495 * scale, 0.0495 * scale, (0.86, 1.05, 1.06))
    add(
        "head",
        at(0, -0.018, 0.925),
        at(0, -0.024, 0.896),
        0.036 * scale,
        0.024 * scale,
        (0.92, 1.0, 1.0),
        0.02,
    )
    for side in ("l_", "r_"):
        q = lambda name, s=side: p[s + name]
        x = 1 if side == "l_" else -1
        add(
            side + "clavicle",
            q("clavicle") + at(0.02 * x, 0.012, 0),
            q("shoulder") - at(0.02 * x, 0, 0.004),
            0.030,
            0.030 * limb,
            blend=0.035,
        )
        arm = q("elbow") - q("shoulder")
        add(
            side + "upper_arm",
            q("shoulder"),
            q("shoulder") + 0.35 * arm,
            0.0325 * limb,
            0.028 * limb,
            blend=0.02,
        )
        add(
            side + "upper_arm", q("shoulder") + 0.3 * arm, q("elbow"), 0.028 * limb, 0.0215 * limb, blend=0.01
        )
        lower = q("wrist") - q("elbow")
        add(side + "forearm", q("elbow"), q("elbow") + 0.3 * lower, 0.0215 * limb, 0.0245 * limb, blend=0.01)
        add(side + "forearm", q("elbow") + 0.3 * lower, q("wrist"), 0.0245 * limb, 0.0145 * limb, blend=0.01)
        leg = q("knee") - q("hip")
        add(
            side + "thigh",
            q("hip") + at(0.004 * x, 0.004, 0.012),
            q("hip") + 0.4 * leg,
            0.050 * limb,
            0.044 * limb,
            blend=0.02,
        )
        add(side + "thigh", q("hip") + 0.4 * leg, q("knee"), 0.044 * limb, 0.0300 * limb, blend=0.01)
        shin = q("ankle") - q("knee")
        calf = q("knee") + 0.32 * shin + at(0, 0.008, 0)
        add(side + "shin", q("knee"), calf, 0.0300 * limb, 0.0330 * limb, blend=0.01)
        add(side + "shin", calf, q("ankle"), 0.0330 * limb, 0.0195 * limb, blend=0.01)
        sole = lambda point, r: np.array([point[0], point[1], r * h])
        add(
            side + "foot", q("ankle"), sole(q("ankle") + at(0, 0.016, 0), 0.0215), 0.0195, 0.0215, blend=0.012
        )
        add(
            side + "foot",
            q("ankle") - at(0, 0.006, 0.010),
            sole(q("ball"), 0.019),
            0.021,
            0.0185,
            (1.15, 1, 1),
            0.016,
        )
        add(side + "toe", sole(q("ball"), 0.0165), sole(q("toe"), 0.014), 0.0165, 0.0125, (1.6, 1, 1), 0.012)
    return out


def hand_capsules(build: Build, p: dict[str, np.ndarray], side: str) -> list[Capsule]:
    """One hand ("l_" or "r_") with its fingers, and a stub of wrist that the forearm hides."""
    h = build.height * (0.5 + 0.5 * build.limb)
    wrist = p[side + "wrist"]
    out = []
    for name in FINGERS[1:]:
        knuckle = p[f"{side}{name}1"]
        start = wrist + 0.18 * (knuckle - wrist)
        out.append(Capsule(side + "hand", start, knuckle, 0.0105 * h, 0.0085 * h, blend=0.010 * h))
    out.append(
        Capsule(
            side + "hand",
            wrist,
            wrist + 0.02 * (p[side + "middle1"] - wrist),
            0.013 * h,
            0.013 * h,
            blend=0.012 * h,
        )
    )
    for name in FINGERS:
        width = {"thumb": 0.0070, "pinky": 0.0049}.get(name, 0.0056) * h
        for joint in (1, 2, 3):
            a, b = p[f"{side}{name}{joint}"], p[f"{side}{name}{joint + 1}"]
            taper = 1 - 0.07 * (joint - 1)
            root = 1.25 if name == "thumb" and joint == 1 else 1.0
            soft = 0.010 if joint == 1 and name == "thumb" else 0.002
            out.append(
                Capsule(
                    f"{side}{name}{joint}", a, b, root * width * taper, width * (taper - 0.07), blend=soft * h
                )
            )
    return out


def joint_gaps(build: Build, p: dict[str, np.ndarray]) -> list[Disc]:
    """Where the shells leave the joints bare."""
    h, limb = build.height, build.limb
    at = lambda x, y, z: np.array([x, y, z]) * h
    out = []

    def add(centre, axis, half, radius):
        out.append(Disc(centre, axis / np.linalg.norm(axis), half * h, radius * h))

    up = np.array([0.0, 0.0, 1.0])
    add(at(0, 0, 0.607), up, 0.012, 0.12)
    add(at(0, 0.008, 0.852), at(0, -0.25, 1.0), 0.024, 0.058)
    for side in ("l_", "r_"):
        x = 1 if side == "l_" else -1
        shoulder, elbow, wrist = (p[side + n] for n in ("shoulder", "elbow", "wrist"))
        hip, knee, ankle, ball = (p[side + n] for n in ("hip", "knee", "ankle", "ball"))
        arm, lower = elbow - shoulder, wrist - elbow
        add(shoulder - at(0.010 * x, 0, 0.006), np.array([x, 0.0, 0.12]), 0.0075, 0.062 * limb)
        add(elbow, arm / np.linalg.norm(arm) + lower / np.linalg.norm(lower), 0.013, 0.045 * limb)
        add(wrist, lower, 0.009, 0.04)
        add(hip - at(0.0, 0, 0.012), np.array([0.62 * x, 0.0, -1.0]), 0.0075, 0.085)
        add(knee, knee - hip + (ankle - knee), 0.014, 0.052)
        add(ankle + at(0, 0, 0.008), up, 0.0085, 0.045)
        add(ball + at(0, 0.004, 0), np.array([0.0, 1.0, 0.0]), 0.004, 0.045)
    return out
