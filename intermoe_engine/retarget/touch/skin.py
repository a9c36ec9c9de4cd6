# SPDX-License-Identifier: GPL-3.0-or-later
"""How thick a character is: the radii of its body's capsules, measured on the mesh that its bones move."""

from __future__ import annotations

import numpy as np

from ..alignment import RestPose, target_rest_pose
from ..mapping import FINGERS, SIDES, BoneMapping
from ..rig import RigDescription
from ..rig_kinematics import RigKinematics
from .body import girths
from .parts import CROWN_TO_TRUNK, ENDS, HAND_TO_FOREARM, INDEX, PARTS, POINTS, STARTS, TRUNK

_FEWEST = 12
"""Vertices below which a part is not measured: a few say nothing about a surface."""
_BESIDE = (0.15, 0.85)
"""Stretch of a limb's axis that is measured; its ends belong to the joints."""
_TRUNK_BAND, _HEAD_BAND = 0.4, 0.7
"""Half height of the measured band, in radii that the bones suggest."""
_NARROWEST, _WIDEST = 0.4, 2.5
"""Measured radii stay within these multiples of what the bones suggest: beyond lie skirts and capes."""
_NECK_TO_TRUNK = 0.35
"""Height of the head's joint above the shoulders, where no bone shows it, as a share of the trunk."""

_LIMB_PARTS = {
    "wrist": "hand",
    "elbow": "forearm",
    "shoulder": "upper_arm",
    "hip": "thigh",
    "knee": "shin",
    "ankle": "foot",
    "foot": "foot",
    **dict.fromkeys(FINGERS, "hand"),
}


def measured_girths(
    rig: RigDescription, mapping: BoneMapping, vertices: np.ndarray, bones: np.ndarray
) -> dict[str, float]:
    """Radii of the body's parts by name, armature units, for `RigDescription.girths`.

    vertices (V, 3): the mesh at rest, armature space. bones (V,): number of the bone that moves each vertex
    most. Limbs: median distance from the bone's line. Hands: the round one with the palm's cross-section.
    Trunk: half the distance from front to back at the part's height; head: the same, with its width. Parts
    with too little mesh are left out. Raises RigError where the mapping lacks a required bone.
    """
    rest = target_rest_pose(rig, mapping)
    points = _rest_points(rest)
    starts, ends, guess = STARTS @ points, ENDS @ points, girths(points[None])
    owners = _owners(rig, mapping)[bones]
    out: dict[str, float] = {}
    for part in PARTS:
        i = INDEX[part.name]
        near = vertices[owners == ("trunk" if part.name in TRUNK else part.name)]
        axis = ends[i] - starts[i]
        length = float(np.linalg.norm(axis))
        if len(near) < _FEWEST or length < 1e-9:
            continue
        offset = near - starts[i]
        along = offset @ axis / length**2
        aside = offset - along[:, None] * axis
        if part.name in TRUNK or part.name == "head":
            band = _HEAD_BAND if part.name == "head" else _TRUNK_BAND
            radius = _half_depth(part.name, near - (starts[i] + ends[i]) / 2, along, rest, band * guess[i])
        else:
            aside = aside[(along > _BESIDE[0]) & (along < _BESIDE[1])]
            radius = _round(aside) if part.name.endswith("hand") else _median_length(aside)
        if radius > 0:
            out[part.name] = float(np.clip(radius, _NARROWEST * guess[i], _WIDEST * guess[i]))
    return out


def target_girths(rig: RigDescription, points: np.ndarray) -> np.ndarray:
    """Radii (P,) in metres of a target whose points (T, 18, 3) are canonical: measured ones where the rig
    has them, else from its bones."""
    out = girths(points)
    for name, radius in rig.girths.items():
        if name in INDEX:
            out[INDEX[name]] = radius * rig.world_scale
    return out


def _half_depth(name: str, offset: np.ndarray, along: np.ndarray, rest: RestPose, band: float) -> float:
    """Half the thickness of trunk or head where its capsule lies; offset (V, 3) from the capsule's middle."""
    left, up, forward = rest.body.T
    inside = np.abs(offset @ up) < band
    if name != "head":
        return _half_width((offset @ forward)[inside & (along > 0) & (along < 1)])
    sizes = [_half_width((offset @ way)[inside]) for way in (left, forward)]
    return float(np.sqrt(sizes[0] * sizes[1]))


def _half_width(places: np.ndarray) -> float:
    """Half the distance between two sides of a surface, seen along one axis (V,)."""
    if len(places) < _FEWEST:
        return 0.0
    low, high = np.percentile(places, [3, 97])
    return float(high - low) / 2


def _median_length(aside: np.ndarray) -> float:
    return float(np.median(np.linalg.norm(aside, axis=-1))) if len(aside) >= _FEWEST else 0.0


def _round(aside: np.ndarray) -> float:
    """Radius of the circle that is as large as the ellipse with these points (V, 3) on it, about the axis."""
    if len(aside) < _FEWEST:
        return 0.0
    spread = np.linalg.eigvalsh(aside.T @ aside / len(aside))  # ascending; the first is along the axis
    return float(np.sqrt(2.0) * (spread[1] * spread[2]) ** 0.25)


def _owners(rig: RigDescription, mapping: BoneMapping) -> np.ndarray:
    """The part of the body (N,) str that each bone moves: by its row, else by what it hangs on."""
    parts = np.full(len(rig.bone_names), "", dtype="U12")
    for row in mapping.rows:
        side, _, joint = row.joint.partition("_")
        joint = joint.removesuffix("_twist") if side in SIDES else row.joint
        part = f"{side}_{_LIMB_PARTS[joint]}" if side in SIDES and joint in _LIMB_PARTS else "trunk"
        for bone in row.bones:
            parts[rig.index[bone]] = "head" if joint == "head" else "" if joint == "neck" else part
    leaders = RigKinematics(rig, mapping.followers)
    keyed = {rig.index[bone] for bone in mapping.keyed_bones}
    for bone in leaders.order:
        leader = int(leaders.leaders[bone])
        if bone not in keyed and leader >= 0:
            parts[bone] = parts[leader]
    return parts


def _rest_points(rest: RestPose) -> np.ndarray:
    """The 18 points (18, 3) of the rest pose."""
    joints, up = rest.joints, rest.body[:, 1]
    out = np.zeros((len(POINTS), 3))

    def put(name: str, place: np.ndarray) -> np.ndarray:
        out[POINTS.index(name)] = place
        return place

    for s in SIDES:
        for name in ("hip", "knee", "ankle", "shoulder", "elbow"):
            put(f"{s}_{name}", joints[f"{s}_{name}"])
        ankle, shoulder, elbow = (joints[f"{s}_{name}"] for name in ("ankle", "shoulder", "elbow"))
        toe = joints.get(f"{s}_toe_tip")
        put(f"{s}_toe", joints.get(f"{s}_foot", ankle if toe is None else toe))
        wrist = put(f"{s}_wrist", joints[f"{s}_wrist"] if f"{s}_wrist" in joints else 2 * elbow - shoulder)
        way = joints.get(f"{s}_fingers", 2 * wrist - elbow) - wrist
        reach = HAND_TO_FOREARM * np.linalg.norm(wrist - elbow)
        put(f"{s}_tip", wrist + reach * way / max(float(np.linalg.norm(way)), 1e-12))
    high = (joints["l_shoulder"] + joints["r_shoulder"]) / 2
    trunk = float(np.linalg.norm(high - (joints["l_hip"] + joints["r_hip"]) / 2))
    head = put("head", joints["head"] if "head" in joints else high + _NECK_TO_TRUNK * trunk * up)
    put("crown", head + CROWN_TO_TRUNK * trunk * up)
    return out
