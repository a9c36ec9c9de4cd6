# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a retargeted motion as one new action, in bulk, leaving the rig as it was."""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import bpy
import numpy as np

from .. import compat
from .channels import rotation_channels

if TYPE_CHECKING:
    from intermoe_engine.retarget import RigMotion

_REST_TOLERANCE = 1e-5


class KeyframeError(ValueError):
    """A motion that does not fit the armature; the message says why."""


def write_action(
    armature_object: bpy.types.Object,
    motion: RigMotion,
    action_name: str,
    start_frame: int = 1,
    properties: Mapping[tuple[str, str], float] | None = None,
) -> bpy.types.Action:
    """Key `motion` on the armature as a NEW action and make it the current one.

    motion: one key a scene frame, so at the scene's frame rate (the caller resamples); the first lands on
    `start_frame`. Each bone is keyed in its own rotation mode, linear between keys. properties: custom
    properties of pose bones, by (bone, property), to hold at a value during the action (FK/IK switches).
    Bones outside the motion that are away from their rest get one key at rest, since the motion was solved
    with them at rest. The action before stays in the file, and the scene's frame rate and range stay as
    they are. Raises KeyframeError if a bone is missing; nothing is changed then.
    """
    pose = armature_object.pose
    bones = None if pose is None else pose.bones
    if bones is None:
        raise KeyframeError(
            f"{armature_object.name} is not an armature; pick the character's armature object"
        )
    missing = [name for name in (*motion.bones, motion.root_bone) if name and name not in bones]
    if missing:
        raise KeyframeError(f"{armature_object.name} has no bone {missing[0]}; map its bones again")
    properties = properties or {}
    frames = start_frame + np.arange(len(motion.rotations))
    action = bpy.data.actions.new(action_name)
    try:
        bag, slot = compat.new_channel_bag(action, armature_object)
        for k, name in enumerate(motion.bones):
            bone = bones[name]
            path, values = rotation_channels(bone.rotation_mode, motion.rotations[:, k])
            _add_curves(bag, name, bone.path_from_id(path), frames, values)
        if motion.root_bone:
            root = bones[motion.root_bone]
            _add_curves(bag, root.name, root.path_from_id("location"), frames, motion.root_locations)
        for bone in bones:
            _settle(bag, bone, motion, frames[:1])
        for (name, prop), value in properties.items():
            if name in bones and prop in bones[name]:
                path = f'{bones[name].path_from_id()}["{bpy.utils.escape_identifier(prop)}"]'
                _add_curves(bag, name, path, frames[:1], np.array([[value]]), index_free=True)
        compat.assign_action(armature_object, action, slot)
    except BaseException:
        bpy.data.actions.remove(action)
        raise
    return action


def _settle(bag: Any, bone: bpy.types.PoseBone, motion: RigMotion, frame: np.ndarray) -> None:
    """One key at rest for each channel of `bone` that the motion leaves alone and that is away from rest."""
    path, rest = rotation_channels(bone.rotation_mode, np.array([[1.0, 0.0, 0.0, 0.0]]))
    channels = {"location": np.zeros((1, 3)), "scale": np.ones((1, 3)), path: rest}
    if bone.name in motion.bones:
        channels.pop(path)
    if bone.name == motion.root_bone:
        channels.pop("location")
    for name, value in channels.items():
        current = np.array(getattr(bone, name), dtype=float)
        away = current[0] if name == "rotation_axis_angle" else current - value[0]
        if np.abs(away).max() > _REST_TOLERANCE:
            _add_curves(bag, bone.name, bone.path_from_id(name), frame, value)


def _add_curves(
    bag: Any, group_name: str, path: str, frames: np.ndarray, values: np.ndarray, index_free: bool = False
) -> None:
    """F-curves of `path` in the group of its bone: values (T, C) at frames (T,), all keys in one call."""
    linear = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items["LINEAR"].value
    group = bag.groups.get(group_name) or bag.groups.new(group_name)
    for index in range(values.shape[1]):
        curve = bag.fcurves.new(path) if index_free else bag.fcurves.new(path, index=index)
        curve.group = group
        curve.keyframe_points.add(len(frames))
        pairs = np.column_stack([frames, values[:, index]]).astype(np.float32)
        curve.keyframe_points.foreach_set("co", pairs.ravel())
        curve.keyframe_points.foreach_set("interpolation", np.full(len(frames), linear, dtype=np.int32))
        curve.update()
