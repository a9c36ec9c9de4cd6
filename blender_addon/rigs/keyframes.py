# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a retargeted motion as one new action, in bulk, leaving the rig as it was."""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Iterator
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
) -> bpy.types.Action:
    """Key `motion` on the armature as a NEW action and make it the current one.

    motion: one key a scene frame, so at the scene's frame rate (the caller resamples); the first lands on
    `start_frame`. Each bone is keyed in its own rotation mode, linear between keys; FK/IK switches and
    values of constraints are held at the motion's values by one key. Bones outside the motion that are
    away from their rest get one key at rest, since the motion was solved with them at rest. The action
    before stays in the file, and the scene's frame rate and range stay as they are. Raises KeyframeError if
    a bone is missing; nothing is changed then.
    """
    pose = armature_object.pose
    bones = None if pose is None else pose.bones
    if bones is None:
        raise KeyframeError(
            f"{armature_object.name} is not an armature; pick the character's armature object"
        )
    located = {**motion.locations, **({motion.root_bone: motion.root_locations} if motion.root_bone else {})}
    missing = [name for name in (*motion.bones, *located) if name not in bones]
    if missing:
        raise KeyframeError(f"{armature_object.name} has no bone {missing[0]}; map its bones again")
    frames = start_frame + np.arange(len(motion.rotations))
    action = bpy.data.actions.new(action_name)
    try:
        bag, slot = compat.new_channel_bag(action, armature_object)
        for k, name in enumerate(motion.bones):
            bone = bones[name]
            path, values = rotation_channels(bone.rotation_mode, motion.rotations[:, k])
            _add_curves(bag, name, bone.path_from_id(path), frames, values)
        for name, locations in located.items():
            _add_curves(bag, name, bones[name].path_from_id("location"), frames, locations)
        for bone in bones:
            _settle(bag, bone, bone.name in motion.bones, bone.name in located, frames[:1])
        for name, path, value in _held(bones, motion):
            _add_curves(bag, name, path, frames[:1], np.array([[value]]), index_free=True)
        compat.assign_action(armature_object, action, slot)
    except BaseException:
        bpy.data.actions.remove(action)
        raise
    return action


def _held(bones: Any, motion: RigMotion) -> Iterator[tuple[str, str, float]]:
    """Bone, path and value of the switches and constraints that the rig has."""
    for name, prop, value in motion.properties:
        if name in bones and prop in bones[name]:
            yield name, f'{bones[name].path_from_id()}["{bpy.utils.escape_identifier(prop)}"]', value
    for name, constraint, prop, value in motion.constraint_values:
        if name in bones and constraint in bones[name].constraints:
            yield name, bones[name].constraints[constraint].path_from_id(prop), value


def _settle(bag: Any, bone: bpy.types.PoseBone, turned: bool, moved: bool, frame: np.ndarray) -> None:
    """One key at rest for each channel of `bone` that the motion leaves alone and that is away from rest."""
    path, rest = rotation_channels(bone.rotation_mode, np.array([[1.0, 0.0, 0.0, 0.0]]))
    channels = {"location": np.zeros((1, 3)), "scale": np.ones((1, 3)), path: rest}
    if turned:
        channels.pop(path)
    if moved:
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
