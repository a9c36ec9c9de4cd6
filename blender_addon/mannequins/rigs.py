# SPDX-License-Identifier: GPL-3.0-or-later
"""The bones of the mannequins: Mixamo's names and tree, and those of Rigify's basic human metarig."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shape import FINGERS


@dataclass(frozen=True)
class Bone:
    """One bone at rest: head and tail (3,) metres in armature space; z_axis: where its local z points.

    parts: the parts of the body that it moves; none for a bone that holds no skin.
    """

    name: str
    parent: str | None
    head: np.ndarray
    tail: np.ndarray
    z_axis: tuple[float, float, float]
    parts: tuple[str, ...] = ()


_FRONT, _BACK, _UP = (0.0, -1.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def mixamo_bones(p: dict[str, np.ndarray], height: float) -> list[Bone]:
    """Mixamo's skeleton around the landmarks `p`, fingers and toe tips included."""
    names = {"hand": "Hand", "clavicle": "Shoulder", "upper_arm": "Arm", "forearm": "ForeArm"}
    bones: list[Bone] = []

    def add(name, parent, head, tail, z_axis, *parts):
        parent = None if parent is None else "mixamorig:" + parent
        bones.append(Bone("mixamorig:" + name, parent, head, tail, z_axis, parts))

    add("Hips", None, p["pelvis"], p["spine1"], _FRONT, "pelvis")
    add("Spine", "Hips", p["spine1"], p["spine2"], _FRONT, "spine1")
    add("Spine1", "Spine", p["spine2"], p["spine3"], _FRONT, "spine2")
    add("Spine2", "Spine1", p["spine3"], p["neck"], _FRONT, "spine3")
    add("Neck", "Spine2", p["neck"], p["head"], _FRONT, "neck", "neck2")
    add("Head", "Neck", p["head"], p["crown"], _FRONT, "head")
    add("HeadTop_End", "Head", p["crown"], p["crown"] + (0, 0, 0.1 * height), _FRONT)
    for s, side in (("l_", "Left"), ("r_", "Right")):
        for parent, part, head, tail in (
            ("Spine2", "clavicle", "clavicle", "shoulder"),
            (side + "Shoulder", "upper_arm", "shoulder", "elbow"),
            (side + "Arm", "forearm", "elbow", "wrist"),
            (side + "ForeArm", "hand", "wrist", "middle1"),
        ):
            add(side + names[part], parent, p[s + head], p[s + tail], _BACK, s + part)
        for finger in FINGERS:
            chain = [side + "Hand"] + [f"{side}Hand{finger.capitalize()}{i}" for i in (1, 2, 3)]
            for i in (1, 2, 3):
                head, tail = p[f"{s}{finger}{i}"], p[f"{s}{finger}{i + 1}"]
                add(chain[i], chain[i - 1], head, tail, _UP, f"{s}{finger}{i}")
        add(side + "UpLeg", "Hips", p[s + "hip"], p[s + "knee"], _FRONT, s + "thigh")
        add(side + "Leg", side + "UpLeg", p[s + "knee"], p[s + "ankle"], _FRONT, s + "shin")
        add(side + "Foot", side + "Leg", p[s + "ankle"], p[s + "ball"], _UP, s + "foot")
        add(side + "ToeBase", side + "Foot", p[s + "ball"], p[s + "toe"], _UP, s + "toe")
        tip = p[s + "toe"] + (p[s + "toe"] - p[s + "ball"])
        add(side + "Toe_End", side + "ToeBase", p[s + "toe"], tip, _UP)
    return bones


def rigify_bones(p: dict[str, np.ndarray], height: float) -> list[Bone]:
    """Rigify's basic human metarig around the landmarks `p`, with the finger bones of the full one."""
    bones: list[Bone] = []

    def add(name, parent, head, tail, z_axis, *parts):
        bones.append(Bone(name, parent, head, tail, z_axis, parts))

    names = ["spine"] + [f"spine.{i:03d}" for i in range(1, 7)]
    parts = ("pelvis", "spine1", "spine2", "spine3", "neck", "neck2", "head")
    ends = [*parts, "crown"]
    for i, part in enumerate(parts):
        add(names[i], names[i - 1] if i else None, p[ends[i]], p[ends[i + 1]], _FRONT, part)
    for s, side, x in (("l_", ".L", 1), ("r_", ".R", -1)):
        hip_bone = p["pelvis"] + height * np.array([0.045 * x, -0.045, 0.045])
        add("pelvis" + side, "spine", p["pelvis"], hip_bone, _FRONT)
        chest = p["spine3"] + height * np.array([0.045 * x, -0.02, 0.01])
        add("breast" + side, "spine.003", chest, chest + height * np.array([0, -0.06, 0]), _UP)
        for name, parent, head, tail in (
            ("shoulder", "spine.003", "clavicle", "shoulder"),
            ("upper_arm", "shoulder" + side, "shoulder", "elbow"),
            ("forearm", "upper_arm" + side, "elbow", "wrist"),
            ("hand", "forearm" + side, "wrist", "middle1"),
        ):
            part = "clavicle" if name == "shoulder" else name
            add(name + side, parent, p[s + head], p[s + tail], _BACK, s + part)
        for finger in FINGERS:
            base = "thumb" if finger == "thumb" else "f_" + finger
            chain = ["hand" + side] + [f"{base}.{i:02d}{side}" for i in (1, 2, 3)]
            for i in (1, 2, 3):
                head, tail = p[f"{s}{finger}{i}"], p[f"{s}{finger}{i + 1}"]
                add(chain[i], chain[i - 1], head, tail, _BACK, f"{s}{finger}{i}")
        add("thigh" + side, "spine", p[s + "hip"], p[s + "knee"], _FRONT, s + "thigh")
        add("shin" + side, "thigh" + side, p[s + "knee"], p[s + "ankle"], _FRONT, s + "shin")
        add("foot" + side, "shin" + side, p[s + "ankle"], p[s + "ball"], _UP, s + "foot")
        add("toe" + side, "foot" + side, p[s + "ball"], p[s + "toe"], _UP, s + "toe")
        heel = p[s + "ankle"] * (1, 1, 0)
        across = height * np.array([0.02 * x, 0, 0])
        add("heel.02" + side, "foot" + side, heel - across, heel + across, _UP)
    return bones
