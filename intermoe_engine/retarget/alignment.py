# SPDX-License-Identifier: GPL-3.0-or-later
"""Rest alignment: how each bone's rest pose differs from the take's T-pose, on all three axes.

A frame is built for every mapped bone from joint POSITIONS at rest, by one rule for source and target:

- trunk, neck, head, collars: the body's frame (hip line, up axis), so that a character keeps its posture;
- upper and lower limbs: the limb's direction and the plane in which the joint bends;
- hands: the direction of the fingers and the side of the thumb;
- feet and toes: the foot's direction on the ground and the ground's normal, so that flat stays flat.

Bone axes and rolls enter only as what has to be carried along: with G the source's rotation since its
T-pose, the bone's rotation is G · F_source · F_targetᵀ · R_rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ..kinematics import rest_positions
from ..rotations import quat_between, quat_rotate
from ..skeleton import SMPL22
from .errors import RigError
from .mapping import FINGERS, SIDES, BoneMapping, slot_label
from .rig import RigDescription

Joints = dict[str, np.ndarray]

_TRUNK: tuple[str, ...] = ("root", "pelvis", "spine", "neck", "head", "l_collar", "r_collar")
_STRAIGHT, _BENT = np.radians(8.0), np.radians(20.0)
"""Below the first angle a limb's bend plane is noise, above the second it is trusted, blended between."""


@dataclass(frozen=True)
class RestPose:
    """Joint positions at rest in any rigid space, by slot name, with the body's axes.

    joints: slot -> (3,), plus "{side}_fingers", "{side}_thumb_side" and "{side}_toe_tip" where known (the
    second is a direction). body (3, 3): columns left, up, forward.
    """

    joints: Joints
    body: np.ndarray


def source_rest_pose(rest_offsets: np.ndarray) -> RestPose:
    """The T-pose of rest offsets (22, 3) with SMPL's parents: y up, facing +z."""
    positions = rest_positions(SMPL22.parents, rest_offsets)
    return RestPose(dict(zip(SMPL22.names, positions, strict=True)), np.eye(3))


def target_rest_pose(rig: RigDescription, mapping: BoneMapping) -> RestPose:
    """Joint positions of a mapped rig in armature space, and its body axes."""
    joints: Joints = {}
    for row in mapping.body_rows:
        if row.joint != "root":
            bone = mapping.anchors.get(row.joint, row.bones[0])
            joints[row.joint] = rig.heads[rig.index[bone]]
    for side in SIDES:
        joints.update(_hand_marks(rig, mapping, side))
        toe = mapping.bone_for(f"{side}_foot") or mapping.bone_for(f"{side}_ankle")
        if toe is not None:
            joints[f"{side}_toe_tip"] = rig.tails[rig.index[toe]]
    return RestPose(joints, body_axes(joints, rig.name))


def body_axes(joints: Joints, rig_name: str = "rig") -> np.ndarray:
    """Columns left, up, forward (3, 3) of a rest pose.

    Characters are built upright along a coordinate axis, which is then up exactly, even where the trunk
    leans. Data turned some other way show it by both: a line from the ankles to the shoulders that is off
    any axis, and sides that are. Then that line is up.
    """
    hips = (joints["l_hip"] + joints["r_hip"]) / 2
    top = (joints["l_shoulder"] + joints["r_shoulder"]) / 2
    sides = joints["l_hip"] - joints["r_hip"]
    if np.linalg.norm(sides) < 1e-6:
        sides = joints["l_shoulder"] - joints["r_shoulder"]
    if np.linalg.norm(sides) < 1e-9:
        raise RigError(f"'{rig_name}': the left and right legs lie in one place; check the bone mapping.")
    feet = [joints[slot] for slot in ("l_ankle", "r_ankle") if slot in joints]
    trunk, line = _unit(top - hips), _unit(top - (np.mean(feet, axis=0) if feet else hips))
    axis = _nearest_axis(trunk)
    across = _unit(sides)
    is_built_on_axes = across @ _nearest_axis(across) > np.cos(np.radians(2.0))
    if line @ axis > np.cos(np.radians(8.0)) or (
        is_built_on_axes and trunk @ axis > np.cos(np.radians(35.0))
    ):
        up = axis
    else:
        up = _unit(line - (line @ across) * across)
    left = sides - (sides @ up) * up
    if np.linalg.norm(left) < 1e-9:
        raise RigError(f"'{rig_name}': the left leg is above the right one; check the bone mapping.")
    left = _unit(left)
    return np.stack([left, up, np.cross(left, up)], axis=-1)


def _nearest_axis(direction: np.ndarray) -> np.ndarray:
    """The coordinate axis (3,), with its sign, that a direction is nearest to."""
    axis = np.zeros(3)
    largest = int(np.argmax(np.abs(direction)))
    axis[largest] = np.sign(direction[largest])
    return axis


def rest_frames(pose: RestPose) -> dict[str, np.ndarray]:
    """A frame (3, 3) for each slot that the pose knows; columns are defined alike on any skeleton."""
    joints, body = pose.joints, pose.body
    left, up, forward = body.T
    frames = dict.fromkeys(_TRUNK, body)
    for side, outward in (("l", left), ("r", -left)):
        # Straight limbs have no bend plane: turn the T-pose's bend direction along with the limb.
        arm = _limb(joints, side, ("shoulder", "elbow", "wrist"), outward, forward)
        leg = _limb(joints, side, ("hip", "knee", "ankle"), -up, -forward)
        frames.update(arm | leg)
        frames.update(_hand(joints, side, arm[f"{side}_elbow"]))
        frames.update(_foot(joints, side, up, forward))
    return frames


def alignments(rig: RigDescription, mapping: BoneMapping, rest_offsets: np.ndarray) -> dict[str, np.ndarray]:
    """For each mapped bone the matrix F_source · F_targetᵀ · R_rest (3, 3) to put after the source's G."""
    target = target_rest_pose(rig, mapping)
    from_frames, to_frames = rest_frames(source_rest_pose(rest_offsets)), rest_frames(target)
    out: dict[str, np.ndarray] = {}
    for row in mapping.body_rows:
        for name in row.bones:
            turn = from_frames[row.joint] @ to_frames[row.joint].T
            out[name] = turn @ rig.rest_rotations[rig.index[name]]
    return out


def _limb(
    joints: Joints, side: str, chain: tuple[str, str, str], straight: np.ndarray, bend: np.ndarray
) -> dict[str, np.ndarray]:
    """Frames (direction, bend, normal) of the two bones of a limb.

    `straight` is the limb's direction in a T-pose and `bend` the way its end goes when the joint bends.
    """
    first, second, third = (joints.get(f"{side}_{name}") for name in chain)
    if first is None or second is None:
        return {}
    upper = _direction(first, second, f"{side}_{chain[0]}")
    lower = upper if third is None else _direction(second, third, f"{side}_{chain[1]}")
    angle = np.arctan2(np.linalg.norm(np.cross(upper, lower)), upper @ lower)
    seen = lower - (lower @ upper) * upper
    out: dict[str, np.ndarray] = {}
    for name, direction in ((chain[0], upper), (chain[1], lower)):
        pole = quat_rotate(quat_between(straight, direction), bend)
        weight = float(np.clip((angle - _STRAIGHT) / (_BENT - _STRAIGHT), 0.0, 1.0))
        if weight > 0 and _unit(seen) @ pole > 0:  # bent the wrong way says nothing about the joint
            # In the plane of the bend, at a right angle to this bone, on the side to which it closes.
            plane_normal = _unit(np.cross(upper, lower))
            pole = (1 - weight) * pole + weight * np.cross(plane_normal, direction)
        out[f"{side}_{name}"] = _frame(direction, pole)
    return out


def _hand(joints: Joints, side: str, forearm: np.ndarray) -> dict[str, np.ndarray]:
    """Frame (direction, thumb side, palm normal) of a hand; what is unknown comes from the forearm."""
    wrist = joints.get(f"{side}_wrist")
    if wrist is None:
        return {}
    fingers = joints.get(f"{side}_fingers")
    direction = forearm[:, 0] if fingers is None else _unit(fingers - wrist)
    thumb_side = joints.get(f"{side}_thumb_side")
    if thumb_side is None or abs(_unit(thumb_side) @ direction) > 0.8:
        thumb_side = quat_rotate(quat_between(forearm[:, 0], direction), forearm[:, 1])
    return {f"{side}_wrist": _frame(direction, thumb_side)}


def _foot(joints: Joints, side: str, up: np.ndarray, forward: np.ndarray) -> dict[str, np.ndarray]:
    """Frames (direction on the ground, up, side) of foot and toes."""
    ankle = joints.get(f"{side}_ankle")
    if ankle is None:
        return {}
    direction = forward
    for mark in (f"{side}_foot", f"{side}_toe_tip"):
        if mark in joints:
            flat = joints[mark] - ankle
            length = np.linalg.norm(flat)
            flat = flat - (flat @ up) * up
            # A mark straight below the ankle, or behind it, does not show where the foot points.
            if np.linalg.norm(flat) > 0.25 * length and _unit(flat) @ forward > 0.3:
                direction = _unit(flat)
                break
    frame = _frame(direction, up)
    return {f"{side}_ankle": frame, f"{side}_foot": frame}


def _hand_marks(rig: RigDescription, mapping: BoneMapping, side: str) -> Joints:
    """Where the fingers start and on which side the thumb is, from finger bones or the hand's tail."""
    name, elbow = mapping.bone_for(f"{side}_wrist"), mapping.bone_for(f"{side}_elbow")
    if name is None or elbow is None:
        return {}
    hand = rig.index[name]
    wrist = rig.heads[hand]
    forearm = _unit(wrist - rig.heads[rig.index[elbow]])
    # A control rig's fingers hang on a bone that follows the hand, not on the control itself.
    parents = {hand, *(rig.index[f] for f, leader in mapping.followers.items() if leader == name)}
    reach = 0.1 * np.linalg.norm(wrist - rig.heads[rig.index[elbow]])
    rows = {finger: mapping.bone_for(f"{side}_{finger}") for finger in FINGERS}
    starts = {finger: rig.heads[rig.index[bone]] for finger, bone in rows.items() if bone is not None}
    loose: list[np.ndarray] = []
    for parent in sorted(parents) if not starts else ():
        queue = list(rig.children[parent])
        for child in queue:
            head = rig.heads[child]
            finger = next((f for f, p in _FINGERS.items() if p.search(rig.bone_names[child].lower())), None)
            if np.linalg.norm(head - wrist) < reach:
                queue += rig.children[child]  # a metacarpal or helper that starts at the wrist
                continue
            if finger is not None:
                starts.setdefault(finger, head)
            elif (head - wrist) @ forearm > 0:
                loose.append(head)
    out: Joints = {}
    long_fingers = [starts[f] for f in ("index", "middle", "ring", "pinky") if f in starts]
    if "middle" in starts:
        out[f"{side}_fingers"] = starts["middle"]
    elif long_fingers:
        out[f"{side}_fingers"] = np.mean(long_fingers, axis=0)
    elif loose:
        out[f"{side}_fingers"] = np.mean(loose, axis=0)
    else:
        tail = rig.tails[hand]
        if rig.lengths[hand] > 0 and _unit(tail - wrist) @ forearm > np.cos(np.radians(50.0)):
            out[f"{side}_fingers"] = tail  # imported bones may point anywhere: trust a sensible tail only
    last = starts.get("pinky", starts.get("ring"))
    if "index" in starts and last is not None:
        out[f"{side}_thumb_side"] = starts["index"] - last
    return out


_FINGERS = {
    "thumb": re.compile(r"thumb|finger1-|finger0"),
    "index": re.compile(r"index|finger2-"),
    "middle": re.compile(r"middle|mid\d|finger3-"),
    "ring": re.compile(r"ring|finger4-"),
    "pinky": re.compile(r"pinky|little|finger5-"),
}


def _direction(a: np.ndarray, b: np.ndarray, slot: str) -> np.ndarray:
    if np.linalg.norm(b - a) < 1e-9:
        raise RigError(f"The {slot_label(slot)} bone has no length; check the bone mapping.")
    return _unit(b - a)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / max(float(np.linalg.norm(v)), 1e-12)


def _frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Columns: `first`, `second` made orthogonal to it, and their cross product."""
    x = _unit(first)
    y = _unit(second - (second @ x) * x)
    return np.stack([x, y, np.cross(x, y)], axis=-1)
