# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between a character and a good result, in words, before anything is generated."""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import bpy
import numpy as np

from intermoe_engine.retarget import BoneMapping, RigDescription, RigError, slot_label
from intermoe_engine.retarget.alignment import RestPose, target_rest_pose
from intermoe_engine.retarget.limb_controls import released

from . import bone_map
from .reading import read_rig

_LISTED = 4
_UNSURE = 0.45
_SITTING, _RAISED = np.radians(60.0), np.radians(40.0)
_ACTS_ON_POSE = re.compile(r'pose\.bones\["(?P<bone>[^"]+)"\]\.(location|rotation|scale)')


@dataclass(frozen=True)
class Finding:
    """level: "error" (nothing can be generated), "warning" (it may look wrong) or "ok"."""

    level: str
    text: str


def examine(rig: bpy.types.Object) -> list[Finding]:
    """Everything that is worth saying about a character, worst first. Changes nothing."""
    found = [*_placement(rig)]
    try:
        description = read_rig(rig)
        mapping = bone_map.shown(rig, description)
    except RigError as error:
        return [Finding("error", str(error)), *found]
    found += _bones(rig, description, mapping)
    found += _other_movers(rig, description, mapping)
    if not mapping.missing():
        found += _rest_pose(description, mapping)
    found.sort(key=lambda finding: ("error", "warning", "ok").index(finding.level))
    if all(finding.level == "ok" for finding in found):
        found.insert(0, Finding("ok", f"{rig.name} is ready: {len(mapping.keyed_bones)} bones will be keyed"))
    return found


def _placement(rig: bpy.types.Object) -> Iterator[Finding]:
    """The object and its display."""
    if rig.library is not None:
        yield Finding("error", "It is linked: make a library override of it (Object > Library Override)")
    scale = np.array(rig.matrix_world)[:3, :3]
    if np.linalg.det(scale) <= 0:
        yield Finding("error", "Its scale is zero or mirrored: make it positive (Object > Apply > Scale)")
    else:
        sizes = np.linalg.svd(scale, compute_uv=False)
        if sizes.max() / sizes.min() > 1.001:
            yield Finding(
                "warning",
                "Its scale is not the same in all directions, so limbs will be skewed: make the three "
                "numbers equal, or apply the scale",
            )
    if rig.data is not None and rig.data.pose_position == "REST":
        yield Finding(
            "warning", "It is shown in its rest position, so nothing will move: press Pose Position in Data"
        )
    if not any(_moves(item, rig) for item in bpy.data.objects):
        yield Finding("ok", "No mesh follows this armature: bones will move, nothing else")


def _bones(rig: bpy.types.Object, description: RigDescription, mapping: BoneMapping) -> Iterator[Finding]:
    """Gaps and doubts in the bone map."""
    try:
        bone_map.usable(rig, description)
    except RigError as error:
        yield Finding("error", str(error))
    unsure = [slot_label(row.joint) for row in mapping.rows if row.bones and row.confidence < _UNSURE]
    if unsure:
        yield Finding("warning", f"Look at these rows, they are guesses: {_list(unsure)}")
    for joint, meaning in (("wrist", "hands stay as at rest"), ("foot", "toes stay as at rest")):
        empty = [side for side in ("l", "r") if not mapping.bones_for(f"{side}_{joint}")]
        if len(empty) == 1:
            other = slot_label(f"{empty[0]}_{joint}")
            yield Finding("warning", f"One side only is mapped: choose a bone for the {other}, or mirror")
        elif empty:
            yield Finding("ok", f"No bone for {slot_label(f'l_{joint}').removeprefix('left ')}: {meaning}")
    if not mapping.bones_for("spine"):
        yield Finding("warning", "No spine bone is mapped: the back stays stiff")
    hidden = [name for name in mapping.keyed_bones if name in rig.pose.bones and _locked(rig, name)]
    if hidden:
        yield Finding("ok", f"Locked in the viewport, keyed all the same: {_list(hidden)}")


def _other_movers(
    rig: bpy.types.Object, description: RigDescription, mapping: BoneMapping
) -> Iterator[Finding]:
    """What else moves the bones that will be keyed: constraints, drivers, strips, the object itself."""
    switched = {(c.bone, c.name) for c in released(description, mapping)}
    if switched:
        which = _list([f"{name} on {bone}" for bone, name in sorted(switched)])
        yield Finding("ok", f"The take switches these constraints by keys: {which}")
    keyed = [name for name in mapping.keyed_bones if name in rig.pose.bones]
    held = {
        name: constraint.name
        for name in keyed
        for constraint in rig.pose.bones[name].constraints
        if not constraint.mute and constraint.influence > 0 and not constraint.type.startswith("LIMIT_")
        if (name, constraint.name) not in switched
    }
    if held:
        which = _list([f"{constraint} on {name}" for name, constraint in held.items()])
        yield Finding(
            "warning", f"Constraints will move keyed bones away: {which}. Mute them, or map controls"
        )
    data = rig.animation_data
    if data is None:
        return
    driven = {match["bone"] for curve in data.drivers if (match := _ACTS_ON_POSE.match(curve.data_path))}
    if driven & set(keyed):
        yield Finding(
            "warning",
            f"Drivers turn or move {_list(sorted(driven & set(keyed)))}: keys on them have no effect",
        )
    if data.use_nla and any(not track.mute and len(track.strips) for track in data.nla_tracks):
        yield Finding("warning", "It has NLA strips, which mix with the new action: mute their tracks")
    if rig.constraints and any(not c.mute and c.influence > 0 for c in rig.constraints):
        yield Finding("warning", "The object has constraints: its place at the current frame is what counts")


def _rest_pose(description: RigDescription, mapping: BoneMapping) -> Iterator[Finding]:
    """Shape and size of the character as it was modelled."""
    try:
        rest = target_rest_pose(description, mapping)
    except RigError as error:
        yield Finding("error", str(error))
        return
    joints, (left, up, forward) = rest.joints, rest.body.T
    toes = sum((_toes(rest, side) @ forward for side in ("l", "r")), 0.0)
    legs = [_way(rest, side, ("hip", "knee", "ankle")) for side in ("l", "r")]
    leg = sum(float(np.linalg.norm(step)) for steps in legs for step in steps) / 2
    if leg < 1e-6:
        yield Finding("error", "The legs have no length: knees and ankles lie on the hips; check their bones")
        return
    if toes < -0.05 * leg:
        yield Finding("error", "The toes point backwards: left and right seem to be swapped in the bone map")
    if any(_angle(thigh, -up) > _SITTING for thigh, _ in legs):
        yield Finding(
            "warning", "It sits or kneels at rest: the motion fits best to rigs that stand upright at rest"
        )
    arms = [joints[f"{side}_elbow"] - joints[f"{side}_shoulder"] for side in ("l", "r")]
    if any(np.linalg.norm(arm) < 1e-6 for arm in arms):
        yield Finding("error", "An upper arm has no length: shoulder and elbow lie in one place; check them")
    elif any(_angle(arm, up) < np.pi / 2 - _RAISED for arm in arms):
        yield Finding(
            "warning", "The arms are raised at rest: shoulders may twist; a T-pose or A-pose is safer"
        )
    if any(arm @ side < -0.3 * np.linalg.norm(arm) for arm, side in zip(arms, (left, -left), strict=True)):
        yield Finding("warning", "The arms are crossed at rest: check that left and right are not swapped")
    size = leg * description.world_scale
    if not 0.2 < size < 3.0:
        yield Finding(
            "warning",
            f"Its legs are {size:.3g} m long, and the pair is placed at that size: check the object's scale",
        )
    ankles = [float(joints[f"{side}_ankle"] @ up) for side in ("l", "r")]
    if not -0.02 * leg <= min(ankles) <= 0.6 * leg:
        yield Finding(
            "warning",
            f"Its ankles are {min(ankles) * description.world_scale:.2f} m above its origin at rest, so the "
            "floor has to be guessed: characters should stand on their origin",
        )


def _toes(rest: RestPose, side: str) -> np.ndarray:
    tip = rest.joints.get(f"{side}_foot", rest.joints.get(f"{side}_toe_tip"))
    return np.zeros(3) if tip is None else tip - rest.joints[f"{side}_ankle"]


def _way(rest: RestPose, side: str, joints: tuple[str, ...]) -> list[np.ndarray]:
    points = [rest.joints[f"{side}_{joint}"] for joint in joints]
    return [b - a for a, b in zip(points[:-1], points[1:], strict=True)]


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b))


def _locked(rig: bpy.types.Object, name: str) -> bool:
    bone = rig.pose.bones[name]
    return all(bone.lock_rotation) and (bone.lock_rotation_w or bone.rotation_mode != "QUATERNION")


def _moves(item: bpy.types.Object, rig: bpy.types.Object) -> bool:
    if item.type != "MESH":
        return False
    by_modifier = any(modifier.type == "ARMATURE" and modifier.object == rig for modifier in item.modifiers)
    return by_modifier or item.parent == rig


def _list(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
