# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bone of a mapped skeleton carries each of SMPL's joints, and where in the bone the joint lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from intermoe_engine.retarget import BoneMapping, RigDescription
from intermoe_engine.retarget.alignment import RestPose
from intermoe_engine.rotations import Array
from intermoe_engine.skeleton import SMPL22

# SMPL's own proportions, used where a skeleton has no bone for a joint.
_PELVIS_ALONG_LUMBAR = 0.425  # of the way from the middle of the hip joints to the lowest spine joint
_PELVIS_ABOVE_HIPS = 0.105  # of the leg
_SPINE_ALONG_TRUNK = (0.22, 0.48, 0.59)  # of the way from pelvis to neck
_SPINE_ALONG_CHEST = (0.0, 0.33, 0.48)  # of the way from the lowest spine joint to the neck
_SPINE3_ALONG_UPPER = 0.25  # of the way from the upper of two spine bones to the neck
_NECK_ALONG_HEAD = 0.7  # of the way from spine3 to the head
_COLLAR_ALONG_SHOULDER = 0.4  # of the way from between the shoulders to one of them
_FOOT_LENGTH = 0.18  # from ankle to ball, of the leg


@dataclass(frozen=True)
class Carrier:
    """The bone that turns a joint, and the bone and the place at rest (3,) that mark it."""

    bone: int
    mark: int
    point: Array


def joint_carriers(rig: RigDescription, mapping: BoneMapping, rest: RestPose) -> list[Carrier]:
    """The carriers of SMPL's joints, in their order."""
    found: dict[str, Carrier] = {}

    def bone(slot: str) -> int:
        name = mapping.bone_for(slot)
        assert name is not None
        return rig.index[name]

    def put(joint: str, carrier: int, point: Array | None = None, mark: int | None = None) -> None:
        mark = carrier if mark is None else mark
        found[joint] = Carrier(carrier, mark, rig.heads[mark] if point is None else point)

    for s in ("l", "r"):
        for joint in ("hip", "knee", "ankle", "shoulder", "elbow"):
            slot = f"{s}_{joint}"
            if mapping.bone_for(slot) is not None:
                anchor = mapping.anchors.get(slot)
                put(slot, bone(slot), mark=None if anchor is None else rig.index[anchor])
    leg = _leg_length(rig, mapping)
    for s in ("l", "r"):
        if f"{s}_ankle" not in found:
            put(f"{s}_ankle", bone(f"{s}_knee"), rig.tails[bone(f"{s}_knee")])
        ankle = found[f"{s}_ankle"]
        if mapping.bone_for(f"{s}_foot") is not None:
            put(f"{s}_foot", bone(f"{s}_foot"))
        else:
            put(f"{s}_foot", ankle.bone, _ball(rig, ankle, rest, leg))
        if mapping.bone_for(f"{s}_wrist") is not None:
            put(f"{s}_wrist", bone(f"{s}_wrist"))
        else:
            put(f"{s}_wrist", bone(f"{s}_elbow"), rig.tails[bone(f"{s}_elbow")])
    _put_trunk(rig, mapping, rest, leg, found, put)
    return [found[name] for name in SMPL22.names]


def _put_trunk(
    rig: RigDescription,
    mapping: BoneMapping,
    rest: RestPose,
    leg: float,
    found: dict[str, Carrier],
    put: Callable[..., None],
) -> None:
    """Pelvis, spine, neck, head and collars: where the skeleton has them, else by SMPL's proportions."""
    up = rest.body[:, 1]
    pelvis = rig.index[str(mapping.bone_for("pelvis"))]
    spine = [rig.index[name] for name in mapping.bones_for("spine")]
    neck = [rig.index[name] for name in mapping.bones_for("neck")]
    top = spine[-1] if spine else pelvis
    hips = (found["l_hip"].point + found["r_hip"].point) / 2
    shoulders = (found["l_shoulder"].point + found["r_shoulder"].point) / 2
    put(
        "pelvis",
        pelvis,
        _pelvis_point(rig.heads[pelvis], hips, rig.heads[spine[0]] if spine else None, up, leg),
    )
    low = found["pelvis"].point if not spine else rig.heads[spine[0]]
    head_name = mapping.bone_for("head")
    if head_name is not None:
        head_point = rig.heads[rig.index[head_name]]
    else:
        head_point = rig.tails[neck[-1]] if neck else shoulders + 0.3 * (shoulders - low)
    if neck:
        neck_point = rig.heads[neck[0]]
    else:
        base = rig.heads[top] if spine else low + _SPINE_ALONG_TRUNK[2] * (shoulders - low)
        neck_point = base + _NECK_ALONG_HEAD * (head_point - base)
    if not spine:
        for joint, part in zip(("spine1", "spine2", "spine3"), _SPINE_ALONG_TRUNK, strict=True):
            put(joint, pelvis, low + part * (neck_point - low))
    elif len(spine) == 1:
        for joint, part in zip(("spine1", "spine2", "spine3"), _SPINE_ALONG_CHEST, strict=True):
            put(joint, top, low + part * (neck_point - low))
    elif len(spine) == 2:
        upper = rig.heads[top]
        put("spine1", spine[0])
        put("spine2", top)
        put("spine3", top, upper + _SPINE3_ALONG_UPPER * (neck_point - upper))
    else:
        put("spine1", spine[0])
        put("spine2", spine[len(spine) // 2])
        put("spine3", top)
    put("neck", neck[0] if neck else top, neck_point)
    if head_name is not None:
        put("head", rig.index[head_name])
    else:
        put("head", neck[-1] if neck else top, head_point)
    for s in ("l", "r"):
        collar = mapping.bone_for(f"{s}_collar")
        if collar is not None:
            put(f"{s}_collar", rig.index[collar])
        else:
            put(
                f"{s}_collar",
                top,
                shoulders + _COLLAR_ALONG_SHOULDER * (found[f"{s}_shoulder"].point - shoulders),
            )


def _pelvis_point(head: Array, hips: Array, spine: Array | None, up: Array, leg: float) -> Array:
    """The pelvis joint: the skeleton's own where it lies between hips and spine as SMPL's does, else there.

    Skeletons disagree: their lowest joint may be at the crotch, at the navel or on the floor.
    """
    lumbar = (
        float((spine - hips) @ up) if spine is not None else _PELVIS_ABOVE_HIPS * leg / _PELVIS_ALONG_LUMBAR
    )
    own = head - hips
    height = float(own @ up)
    aside = float(np.linalg.norm(own - height * up))
    if 0.25 * lumbar < height < 0.75 * lumbar and aside < 0.5 * _PELVIS_ABOVE_HIPS * leg:
        return head
    above = float(np.clip(_PELVIS_ALONG_LUMBAR * lumbar, 0.01 * leg, _PELVIS_ABOVE_HIPS * leg))
    return hips + above * up


def _ball(rig: RigDescription, ankle: Carrier, rest: RestPose, leg: float) -> Array:
    """Where the toes start (3,) on a foot without a toe bone: along the foot's bone as far as SMPL's."""
    along = rig.tails[ankle.bone] - ankle.point
    length = float(np.linalg.norm(along))
    if (
        ankle.mark == ankle.bone
        and length > 0.5 * _FOOT_LENGTH * leg
        and along @ rest.body[:, 2] > 0.3 * length
    ):
        return ankle.point + along * min(1.0, _FOOT_LENGTH * leg / length)
    smpl = SMPL22.offsets[SMPL22.index("l_foot")] * [0.0, 1.0, 1.0]
    return ankle.point + rest.body @ smpl * (_FOOT_LENGTH * leg / float(np.linalg.norm(smpl)))


def _leg_length(rig: RigDescription, mapping: BoneMapping) -> float:
    """Upper plus lower leg at rest, mean of both sides."""
    at = lambda slot: rig.heads[rig.index[mapping.anchors.get(slot) or str(mapping.bone_for(slot))]]
    pairs = [(f"{s}_{a}", f"{s}_{b}") for s in "lr" for a, b in (("hip", "knee"), ("knee", "ankle"))]
    return sum(float(np.linalg.norm(at(a) - at(b))) for a, b in pairs) / 2
