# SPDX-License-Identifier: GPL-3.0-or-later
"""The bone mapping of a character: found by itself, or the one that the user keeps on the armature object.

What is kept is JSON in a custom property of the object, so that it goes with the rig into other files and
can be read where the extension is not installed.
"""
# bpy's stubs know base classes alone.
# pyright: reportIndexIssue=false, reportOperatorIssue=false

from __future__ import annotations

import json

import bpy

from intermoe_engine.retarget import BoneMapping, RigDescription, RigError, find_bones, slot_label

KEY = "intermoe_bone_map"
_LISTED = 3


def text_on(rig: bpy.types.Object) -> str:
    """The JSON that is kept on the rig; empty where bones are found automatically."""
    return str(rig.get(KEY, ""))


def keep(rig: bpy.types.Object, mapping: BoneMapping) -> None:
    """Keep a mapping on the rig. Raises RigError where the object cannot be changed."""
    try:
        rig[KEY] = json.dumps(mapping.to_dict(), separators=(",", ":"))
    except (AttributeError, TypeError, RuntimeError) as error:
        raise RigError(
            f"{rig.name} cannot keep a bone map because it is linked: make a library override of it first"
        ) from error


def forget(rig: bpy.types.Object) -> None:
    """From now on, find the bones automatically again."""
    if KEY in rig:
        del rig[KEY]


def kept(rig: bpy.types.Object) -> BoneMapping | None:
    """The mapping on the rig, None where there is none. Raises RigError where it is not one."""
    text = text_on(rig)
    if not text:
        return None
    try:
        return BoneMapping.from_dict(json.loads(text))
    except (ValueError, RigError) as error:
        raise RigError(
            f"The bone map on {rig.name} cannot be read: press Find Again in the Bones panel"
        ) from error


def usable(rig: bpy.types.Object, description: RigDescription) -> BoneMapping:
    """The mapping to retarget with: what is kept, else what is found. Raises RigError."""
    mapping = shown(rig, description)
    missing = [slot_label(joint) for joint in mapping.missing()]
    if missing:
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        raise RigError(
            f"{rig.name} has no bone for {', '.join(missing[:_LISTED])}{more}: choose it in the Bones panel, "
            "or choose a humanoid armature"
        )
    return mapping.checked(description)


def shown(rig: bpy.types.Object, description: RigDescription) -> BoneMapping:
    """The mapping to look at and to edit: like `usable`, and as full as it gets where that is not enough.

    Raises RigError where what is kept on the rig cannot be read.
    """
    mapping = kept(rig)
    return mapping if mapping is not None else find_bones(description)
