# SPDX-License-Identifier: GPL-3.0-or-later
"""The body of a mannequin as numbers: landmarks, and tapered capsules around them, one or more a bone.

Everything is in metres in Blender's axes: z up, facing -Y, the left side at +X, standing on z = 0.
Proportions are fractions of the height, after common artists' canons (about 7.5 heads).
"""

from __future__ import annotations

from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class Capsule:
    """A tapered capsule from a to b (3,), radii ra and rb, its axes stretched by `stretch` (3,).

    part: the role of the bone that it belongs to. blend: how softly it joins the others (metres).
    """

    part: str
    a: np.ndarray
    b: np.ndarray
    ra: float
    rb: float
    stretch: np.ndarray = field(default_factory=lambda: np.ones(3))
    blend: float = 0.02

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Signed distances (...) of points (..., 3), exact where stretch is one."""
        p, along = (points - self.a) / self.stretch, (self.b - self.a) / self.stretch
        length2 = max(float(along @ along), 1e-12)
        projected = p @ along
        t = np.clip(projected / length2, 0.0, 1.0)
        apart2 = np.einsum("...i,...i", p, p) - t * (2 * projected - t * length2)
        radius = self.ra + (self.rb - self.ra) * t
        return (np.sqrt(np.maximum(apart2, 0.0)) - radius) * float(self.stretch.min())

    def bounds(self, margin: float) -> tuple[np.ndarray, np.ndarray]:
        """The corners of a box that holds the capsule and `margin` metres around it."""
        reach = np.maximum(self.ra, self.rb) * self.stretch + margin
        return np.minimum(self.a, self.b) - reach, np.maximum(self.a, self.b) + reach


@dataclass(frozen=True)
class Disc:
    """A gap in the shells at a joint: the slab of half width `half` across `axis`, out to `radius`."""

    centre: np.ndarray
    axis: np.ndarray
    half: float
    radius: float

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Signed distances (...) of points (..., 3), negative within the gap."""
        offset = points - self.centre
        across = np.abs(offset @ self.axis) - self.half
        return np.maximum(across, np.sqrt((offset * offset).sum(-1)) - self.radius)


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
