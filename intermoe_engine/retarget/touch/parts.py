# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a body that can touch: capsules between points that every humanoid has.

A body is 18 points (joint positions, finger tips, the crown of the head). The ends of each capsule are fixed
weighted sums of these points, so that one table fits any skeleton, and so that the ends are linear in the
points. Radii are those of the reference adult (SMPL's skeleton with a leg of 0.805 m).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...skeleton import SMPL22

POINTS = (
    *(f"{side}_{name}" for name in ("hip", "knee", "ankle", "toe") for side in ("l", "r")),
    *(f"{side}_{name}" for name in ("shoulder", "elbow", "wrist", "tip") for side in ("l", "r")),
    "head",
    "crown",
)
"""Names of a body's points: "toe" is SMPL's foot joint, "tip" the finger tips, "head" SMPL's head joint."""

HAND_TO_FOREARM = 0.70
"""Length of a slightly curled hand, wrist to finger tips, as a share of the forearm."""
CROWN_TO_TRUNK = 0.29
"""Head joint to crown as a share of the distance from between the hips to between the shoulders."""


@dataclass(frozen=True)
class Part:
    """A capsule of the body.

    name: "l_hand", "chest" …; label: what an animator calls it, without the side. start, end (18,): weights
    of POINTS that give the capsule's ends. radius: metres on the reference adult. trunk: whether the girth
    of the trunk, rather than of the limbs, scales the radius. joint: SMPL joint whose rotation it follows.
    swing (18,): weights of the direction that says how the part is turned.
    """

    name: str
    label: str
    start: np.ndarray
    end: np.ndarray
    radius: float
    trunk: bool
    joint: int
    swing: np.ndarray


def _weights(**points: float) -> np.ndarray:
    out = np.zeros(len(POINTS))
    for name, weight in points.items():
        out[POINTS.index(name)] = weight
    return out


def _limb(side: str, label: str, first: str, second: str, radius: float, joint: str) -> Part:
    start, end = _weights(**{f"{side}_{first}": 1.0}), _weights(**{f"{side}_{second}": 1.0})
    name = f"{side}_{label.replace(' ', '_')}"
    return Part(name, label, start, end, radius, False, SMPL22.index(f"{side}_{joint}"), end - start)


def _across_trunk(label: str, height: float, half_width: float, radius: float, joint: str) -> Part:
    """A level capsule: `height` up from the hips to the shoulders, half_width in half shoulder widths."""
    low = _weights(l_hip=0.5, r_hip=0.5)
    high = _weights(l_shoulder=0.5, r_shoulder=0.5)
    aside = _weights(l_shoulder=0.5, r_shoulder=-0.5) * half_width
    centre = (1 - height) * low + height * high
    return Part(label, label, centre + aside, centre - aside, radius, True, SMPL22.index(joint), high - low)


def _parts() -> tuple[Part, ...]:
    out = []
    for side in ("l", "r"):
        out += [
            _limb(side, "hand", "wrist", "tip", 0.024, "wrist"),
            _limb(side, "forearm", "elbow", "wrist", 0.036, "elbow"),
            _limb(side, "upper arm", "shoulder", "elbow", 0.046, "shoulder"),
            _limb(side, "thigh", "hip", "knee", 0.072, "hip"),
            _limb(side, "shin", "knee", "ankle", 0.048, "knee"),
            _limb(side, "foot", "ankle", "toe", 0.036, "ankle"),
        ]
    rise = _weights(l_shoulder=0.025, r_shoulder=0.025, l_hip=-0.025, r_hip=-0.025)
    left, right = _weights(l_hip=0.95, r_hip=0.05) + rise, _weights(l_hip=0.05, r_hip=0.95) + rise
    skull, crown = _weights(head=0.70, crown=0.30), _weights(head=0.42, crown=0.58)
    return (
        *out,
        Part("hips", "hips", left, right, 0.105, True, SMPL22.index("pelvis"), left - right),
        _across_trunk("belly", 0.42, 0.22, 0.105, "spine2"),
        _across_trunk("chest", 0.79, 0.36, 0.110, "spine3"),
        Part("head", "head", skull, crown, 0.088, True, SMPL22.index("head"), crown - skull),
    )


PARTS = _parts()
"""All parts, in a fixed order."""
INDEX = {part.name: i for i, part in enumerate(PARTS)}
HANDS = ("l_hand", "r_hand")
TRUNK = ("hips", "belly", "chest")
FEET = ("l_foot", "r_foot")
STARTS = np.stack([part.start for part in PARTS])
ENDS = np.stack([part.end for part in PARTS])
SWINGS = np.stack([part.swing for part in PARTS])
JOINTS = np.array([part.joint for part in PARTS])
RADII = np.array([part.radius for part in PARTS])
IS_TRUNK = np.array([part.trunk for part in PARTS])


def mirrored(name: str) -> str:
    """The part of the other side ("l_hand" for "r_hand"), or the part itself."""
    return {"l_": "r_", "r_": "l_"}.get(name[:2], name[:2]) + name[2:]
