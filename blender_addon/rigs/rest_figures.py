# SPDX-License-Identifier: GPL-3.0-or-later
"""Stick figures of rest poses: the take's, the character's, and the character brought into the take's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intermoe_engine.retarget import BoneMapping, RigDescription, RigKinematics
from intermoe_engine.retarget.alignment import (
    RestPose,
    alignments,
    rest_frames,
    source_rest_pose,
    target_rest_pose,
)
from intermoe_engine.retarget.mapping import SIDES
from intermoe_engine.skeleton import SMPL22

_LIMBS = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")
_SPACING = 0.3
"""Room for one figure beside the next: a share of the height from ankles to shoulders, and of the arms."""
_TICK = 0.12
MIDDLE, LEFT, RIGHT, BEND = range(4)


@dataclass(frozen=True)
class Figure:
    """label: what it shows. lines (L, 2, 3): sticks from joint to joint, Blender's world. kinds (L,): MIDDLE,
    LEFT, RIGHT, or BEND for the way an elbow or knee closes. place (3,): above its head."""

    label: str
    lines: np.ndarray
    kinds: np.ndarray
    place: np.ndarray


def rest_figures(
    rig: RigDescription, mapping: BoneMapping, matrix_world: np.ndarray, offsets: np.ndarray = SMPL22.offsets
) -> list[Figure]:
    """The take's T-pose as large as the character, its rest pose in its place, and it in the T-pose.

    They stand side by side along the character's left, on one floor. matrix_world (4, 4): of the armature,
    Blender's axes. offsets (22, 3): the take's. Raises RigError where the mapping lacks a required bone.
    """
    mapping = mapping.checked(rig)
    rest = target_rest_pose(rig, mapping)
    source = source_rest_pose(offsets)
    # Rotations of the take are since a T-pose along left, up and forward: here the character's own.
    turned = {
        rig.index[bone]: rest.body @ rotation for bone, rotation in alignments(rig, mapping, offsets).items()
    }
    posed = RigKinematics(rig, mapping.followers).pose(1, {b: turn[None] for b, turn in turned.items()})
    moved = _with_joints(rig, mapping, rest, posed.heads[0], turned)
    scale = _leg(rest) / _leg(source)
    model = RestPose({slot: rest.body @ (scale * place) for slot, place in source.joints.items()}, rest.body)
    size = _height(rest)
    reach = max(_reach(pose) for pose in (model, rest, moved))
    step = rest.body[:, 0] * (size * _SPACING + reach)
    floor = min(rest.joints[f"{s}_ankle"] @ rest.body[:, 1] for s in SIDES)
    figures = []
    for label, pose, beside in (
        ("Take's T-pose", model, 1.0),
        ("Rest pose", rest, 0.0),
        ("Rest pose in the T-pose", moved, -1.0),
    ):
        figures.append(_figure(label, _standing(pose, rest, beside * step, floor), matrix_world, size))
    return figures


def _with_joints(
    rig: RigDescription,
    mapping: BoneMapping,
    rest: RestPose,
    heads: np.ndarray,
    turned: dict[int, np.ndarray],
) -> RestPose:
    """The rest pose's joints and marks, carried along by posed bones."""
    joints = {}
    for slot, place in rest.joints.items():
        name = mapping.anchors.get(slot) or mapping.bone_for(slot)
        if name is not None:
            joints[slot] = heads[rig.index[name]]
        elif slot.endswith(("_fingers", "_toe_tip")):
            side = slot[0]
            base = mapping.bone_for(f"{side}_wrist" if slot.endswith("fingers") else f"{side}_foot")
            base = base or mapping.bone_for(f"{side}_ankle")
            if base is not None:
                bone = rig.index[base]
                turn = turned[bone] @ rig.rest_rotations[bone].T
                joints[slot] = heads[bone] + turn @ (place - rig.heads[bone])
    return RestPose(joints, rest.body)


def _standing(pose: RestPose, rest: RestPose, beside: np.ndarray, floor: float) -> RestPose:
    """A pose moved under the rest pose's hips, onto its floor, and aside."""
    up = rest.body[:, 1]
    lowest = min(pose.joints[f"{s}_ankle"] @ up for s in SIDES)
    offset = _hips(rest) - _hips(pose)
    offset = offset - (offset @ up) * up + (floor - lowest) * up + beside
    return RestPose({slot: place + offset for slot, place in pose.joints.items()}, pose.body)


def _figure(label: str, pose: RestPose, matrix_world: np.ndarray, size: float) -> Figure:
    joints = pose.joints
    chains: list[tuple[int, list[str]]] = [(MIDDLE, ["pelvis", "spine", "spine1", "neck", "head"])]
    for side, kind in (("l", LEFT), ("r", RIGHT)):
        chains.append((kind, [f"{side}_{n}" for n in ("collar", "shoulder", "elbow", "wrist", "fingers")]))
        foot = f"{side}_foot" if f"{side}_foot" in joints else f"{side}_toe_tip"
        chains.append((kind, ["pelvis", f"{side}_hip", f"{side}_knee", f"{side}_ankle", foot]))
    lines, kinds = [], []
    for kind, chain in chains:
        known = [slot for slot in chain if slot in joints]
        for first, second in zip(known[:-1], known[1:], strict=True):
            lines.append((joints[first], joints[second]))
            kinds.append(kind)
    shoulders = [joints[f"{s}_shoulder"] for s in SIDES]
    top = joints.get("neck", sum(shoulders) / 2)
    lines += [(top, joints.get(f"{s}_collar", joints[f"{s}_shoulder"])) for s in SIDES]
    kinds += [MIDDLE, MIDDLE]
    frames = rest_frames(pose)
    for side in SIDES:
        for _, joint, _ in _LIMBS:
            slot = f"{side}_{joint}"
            lines.append((joints[slot], joints[slot] + _TICK * size * frames[slot][:, 1]))
            kinds.append(BEND)
    head = joints.get("head", top)
    place = head + 0.35 * size * pose.body[:, 1]
    turn, origin = matrix_world[:3, :3], matrix_world[:3, 3]
    return Figure(label, np.array(lines) @ turn.T + origin, np.array(kinds), turn @ place + origin)


def _hips(pose: RestPose) -> np.ndarray:
    return (pose.joints["l_hip"] + pose.joints["r_hip"]) / 2


def _leg(pose: RestPose) -> float:
    joints = pose.joints
    return float(
        sum(
            np.linalg.norm(joints[f"{s}_{b}"] - joints[f"{s}_{a}"])
            for s in SIDES
            for a, b in (("hip", "knee"), ("knee", "ankle"))
        )
    )


def _height(pose: RestPose) -> float:
    up = pose.body[:, 1]
    return float((pose.joints["l_shoulder"] - pose.joints["l_ankle"]) @ up)


def _reach(pose: RestPose) -> float:
    """How far the arms reach to both sides."""
    left = pose.body[:, 0]
    along = [joint @ left for joint in pose.joints.values()]
    return float(max(along) - min(along)) / 2
