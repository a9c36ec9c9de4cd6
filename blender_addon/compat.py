# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that differs between Blender 4.2 and 5.2, and nothing else."""
# The type stubs are those of one version; this file is the one that speaks to all of them.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from typing import Any

import bpy

HAS_SLOTS = bpy.app.version >= (4, 4, 0)
"""Actions hold layers, strips and slots (4.4 and later) instead of loose F-curves."""

EEVEE = "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"
"""The engine id of EEVEE."""


def new_channel_bag(action: bpy.types.Action, owner: bpy.types.Object) -> tuple[Any, Any | None]:
    """Where a NEW action keeps `owner`'s curves: (bag with .fcurves and .groups, slot or None).

    From 4.4 the bag is the channel bag of a new slot on a new layer. Before, the action itself is the bag.
    """
    if not HAS_SLOTS:
        return action, None
    slot = action.slots.new(id_type=owner.id_type, name=owner.name)
    strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True), slot


def assign_action(owner: bpy.types.Object, action: bpy.types.Action | None, slot: Any | None = None) -> None:
    """Make `action` (and its slot) drive `owner`, keeping whatever drove it before in the file."""
    data = owner.animation_data or owner.animation_data_create()
    if data is None:
        raise RuntimeError(f"{owner.name} cannot be animated: it is linked without an override")
    if data.action is not None and data.action != action:
        data.action.use_fake_user = True  # with no user left, Blender would drop it on save
    data.action = action
    if action is not None and HAS_SLOTS:
        data.action_slot = slot if slot is not None else next(iter(data.action_suitable_slots), None)


def action_curves(action: bpy.types.Action, owner: bpy.types.Object | None = None) -> list[Any]:
    """The F-curves of `action`, those of `owner`'s slot when it is given and actions have slots."""
    if not HAS_SLOTS:
        return list(action.fcurves)
    slot = owner.animation_data.action_slot if owner is not None and owner.animation_data else None
    return [
        curve
        for layer in action.layers
        for strip in layer.strips
        for bag in strip.channelbags
        if slot is None or bag.slot == slot
        for curve in bag.fcurves
    ]


def import_fbx(path: str) -> None:
    """Add the contents of an FBX file to the current scene, by the newer importer where there is one."""
    if hasattr(bpy.ops.wm, "fbx_import") and bpy.app.version >= (4, 5, 0):
        bpy.ops.wm.fbx_import(filepath=path)
    else:
        bpy.ops.import_scene.fbx(filepath=path)
