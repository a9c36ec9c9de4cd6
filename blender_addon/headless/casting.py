# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters by a short text: a rig file, one of the mannequins, or a generated Rigify rig; of any size."""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false, reportArgumentType=false

from __future__ import annotations

import bpy
from mathutils import Vector

from ..mannequins.characters import add_mannequin
from ..mannequins.kinds import KINDS
from .rig_files import RigFileError, add_rig, split_name

RIGIFY = "rigify"


def split_size(text: str) -> tuple[str, float]:
    """ "slate*1.2" as ("slate", 1.2); the size is 1 where none is given. Raises RigFileError."""
    name, star, size = text.rpartition("*")
    if not star:
        return text, 1.0
    try:
        factor = float(size)
    except ValueError:
        return text, 1.0  # a file with a star in its name
    if not 0.01 <= factor <= 100.0:
        raise RigFileError(f"{text}: a size is from 0.01 to 100")
    return name, factor


def check(text: str) -> None:
    """Raises RigFileError where `add_character` would find no such character."""
    name, _ = split_size(text)
    if name != RIGIFY and name not in KINDS:
        split_name(name)


def add_character(text: str) -> bpy.types.Object:
    """Add the character that `text` names to the current scene and return its armature.

    text: FILE or FILE:NAME (see `rig_files`), a mannequin's name, or "rigify" for a control rig that Rigify
    generates for the mannequin Slate; then, if wanted, *SIZE. Raises RigFileError.
    """
    name, size = split_size(text)
    if name == RIGIFY:
        rig = _generated_rigify()
    elif name in KINDS:
        rig = add_mannequin(name)
    else:
        rig = add_rig(name)
    rig.scale = rig.scale * size
    bpy.context.view_layer.update()
    return rig


def _generated_rigify() -> bpy.types.Object:
    """Slate's skin on the rig that Rigify generates from its human metarig, fitted to Slate's bones, with
    Blender's automatic weights: what an animator does, step by step."""
    import addon_utils  # found once Blender's module is loaded

    if addon_utils.enable("rigify", default_set=True) is None:
        raise RigFileError("Rigify cannot be had in this Blender")
    slate = add_mannequin("slate")
    (body,) = slate.children
    before = set(bpy.data.objects)
    bpy.ops.object.armature_human_metarig_add()
    metarig = bpy.context.object
    _fit(metarig, slate)
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.pose.rigify_generate()
    bpy.ops.object.mode_set(mode="OBJECT")
    new = [item for item in bpy.data.objects if item not in before and item.type == "ARMATURE"]
    rig = next(item for item in new if item != metarig)
    body.parent = None
    body.modifiers.clear()
    body.vertex_groups.clear()
    bpy.ops.object.select_all(action="DESELECT")
    body.select_set(True)
    rig.select_set(True)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.parent_set(type="ARMATURE_AUTO")
    for item in (metarig, slate):
        bpy.data.objects.remove(item)
    for item in bpy.data.objects:
        if item.name.startswith("WGT-"):  # shapes of the controls
            item.hide_render = True
    return rig


def _fit(metarig: bpy.types.Object, rig: bpy.types.Object) -> None:
    """Give the metarig's bones the places of the rig's bones of the same name; the others go (the face, the
    palms, whose fingers then hang on the hands)."""
    view_layer = bpy.context.view_layer
    view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    places = {bone.name: (Vector(bone.head), Vector(bone.tail), bone.roll) for bone in rig.data.edit_bones}
    bpy.ops.object.mode_set(mode="OBJECT")
    view_layer.objects.active = metarig
    bpy.ops.object.mode_set(mode="EDIT")
    bones = metarig.data.edit_bones
    for bone in bones:
        if bone.parent is not None and bone.parent.name.startswith("palm"):
            bone.parent = bones[f"hand{bone.name[-2:]}"]
    for bone in list(bones):
        if bone.name not in places:
            bones.remove(bone)
        else:
            bone.head, bone.tail, bone.roll = places[bone.name]
