# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's rigs: humanoids built from numbers, and descriptions of real ones from files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..kinematics import forward_kinematics
from ..retarget import RigDescription
from ..retarget.source import SourceActor
from ..rotations import quat_from_axis_angle
from ..skeleton import SMPL22
from ..take import Take

MIXAMO = {
    "pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck",
    "head": "Head",
    **{
        f"{s}_{joint}": side + name
        for s, side in (("l", "Left"), ("r", "Right"))
        for joint, name in {
            "collar": "Shoulder", "shoulder": "Arm", "elbow": "ForeArm", "wrist": "Hand",
            "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase",
        }.items()
    },
}  # fmt: skip
_Y_UP_FROM_Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
_SOLE = 0.02


def proportions(scale: float = 1.0, arms: float = 1.0, legs: float = 1.0, width: float = 1.0) -> np.ndarray:
    """SMPL's rest offsets (22, 3) with other proportions; `arms` and `legs` scale these limbs' lengths,
    `width` the distance of shoulders and hips from the middle."""
    out = SMPL22.offsets.copy()
    for name in ("elbow", "wrist"):
        out[[SMPL22.index(f"{s}_{name}") for s in ("l", "r")]] *= arms
    for name in ("knee", "ankle"):
        out[[SMPL22.index(f"{s}_{name}") for s in ("l", "r")]] *= legs
    for name in ("hip", "collar", "shoulder"):
        out[[SMPL22.index(f"{s}_{name}") for s in ("l", "r")], 0] *= width
    return scale * out


def humanoid(
    name: str, offsets: np.ndarray, arm_drop: float = 0.0, sole: float | None = None
) -> RigDescription:
    """A rig with Mixamo's names on these rest offsets (22, 3), its arms `arm_drop` degrees below level at
    rest, standing on z = 0 in an armature that is z up. sole: metres from its toe joints down, None: a foot's
    of its size."""
    if sole is None:
        sole = _SOLE * offsets[10, 1] / SMPL22.offsets[10, 1]
    local = np.tile(np.array([1.0, 0.0, 0.0, 0.0]), (22, 1))
    for side, sign in (("l", -1.0), ("r", 1.0)):
        angle = np.asarray(sign * np.radians(arm_drop))
        local[SMPL22.index(f"{side}_shoulder")] = quat_from_axis_angle(np.array([0.0, 0.0, 1.0]), angle)
    heads, _ = forward_kinematics(np.zeros(3), local, SMPL22.parents, offsets)
    heads = heads + np.array([0.0, sole - heads[:, 1].min(), 0.0])
    heads = heads @ _Y_UP_FROM_Z_UP[:3, :3]
    matrices, lengths = np.tile(np.eye(4), (22, 1, 1)), np.zeros(22)
    for joint in range(22):
        children = np.flatnonzero(SMPL22.parents == joint)
        child = {0: SMPL22.index("spine1"), SMPL22.index("spine3"): SMPL22.index("neck")}.get(
            joint, int(children[0]) if len(children) else -1
        )
        parent = int(SMPL22.parents[joint])
        vector = heads[child] - heads[joint] if child >= 0 else 0.6 * (heads[joint] - heads[parent])
        lengths[joint] = np.linalg.norm(vector)
        y = vector / lengths[joint]
        x = np.cross(y, [0.3, 0.5, 0.8])
        x /= np.linalg.norm(x)
        matrices[joint, :3, :3], matrices[joint, :3, 3] = np.stack([x, y, np.cross(x, y)], -1), heads[joint]
    bones = [MIXAMO[joint] for joint in SMPL22.names]
    return RigDescription(name, bones, SMPL22.parents, matrices, lengths, _Y_UP_FROM_Z_UP)


def built_rigs() -> dict[str, RigDescription]:
    """The humanoids of the benchmark by name."""
    return {
        "same": humanoid("same", proportions()),
        "0.6": humanoid("0.6", proportions(0.6), 45.0),
        "0.8": humanoid("0.8", proportions(0.8), 45.0),
        "1.0 A-pose": humanoid("1.0 A-pose", proportions(), 45.0),
        "1.25": humanoid("1.25", proportions(1.25)),
        "1.3": humanoid("1.3", proportions(1.3)),
        "long arms": humanoid("long arms", proportions(arms=1.25), 45.0),
        "short legs": humanoid("short legs", proportions(legs=0.75), 45.0),
        "wide": humanoid("wide", proportions(width=1.35), 45.0),
    }


OWN = "own"
"""Name of a rig of the proportions of the take's own person."""

PAIRS: tuple[tuple[str, str], ...] = (
    (OWN, OWN),
    ("1.0 A-pose", "0.8"),
    ("1.25", "1.0 A-pose"),
    ("0.6", "1.0 A-pose"),
    ("1.3", "0.6"),
    ("long arms", "short legs"),
    ("wide", "1.0 A-pose"),
)
"""Pairs of built rigs for A and B."""


def own_rig(take: Take, actor: int) -> RigDescription:
    """A rig of the proportions of a take's person, number 0 or 1."""
    source = SourceActor.from_motion(take.actors[actor])
    return humanoid(OWN, source.rest_offsets, sole=source.toe_height)


def described_rigs(folder: Path) -> dict[str, RigDescription]:
    """Rigs saved as JSON (`RigDescription.to_dict`) in a folder, by file name. Raises RigError, OSError."""
    return {
        path.stem: RigDescription.from_dict(json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(folder.glob("*.json"))
    }
