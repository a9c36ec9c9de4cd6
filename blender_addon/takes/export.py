# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, folder and preflight of the FBX files of the last take; fbx.py writes them."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import re
from pathlib import Path

import bpy

from . import fbx
from .cast import ROLES

FIELDS = ("take", "role", "rig", "seed")
_FIELD = re.compile(rf"{{({'|'.join(FIELDS)})}}")
_UNSAFE = re.compile(r"[^\w.-]+")


class ExportError(ValueError):
    """The take cannot be exported; the message says what to do."""


def file_name(template: str, **values: str) -> str:
    """The template with {take}, {role}, {rig} and {seed} filled in, safe as a file name everywhere.

    Raises ExportError for a field that does not exist or an empty name.
    """
    if set("{}") & set(_FIELD.sub("", template)):
        fields = ", ".join(f"{{{field}}}" for field in FIELDS)
        raise ExportError(f"The file name may hold {fields} only: correct {template!r}")
    name = _FIELD.sub(lambda match: values[match[1]], template)
    name = _UNSAFE.sub("_", name.removesuffix(".fbx")).strip("._")
    if not name:
        raise ExportError("The file name is empty: write one, or use {take}_{role}")
    return f"{name}.fbx"


def problem(scene: bpy.types.Scene) -> str:
    """Why the take cannot be exported, in one sentence that says what to do; empty when it can."""
    try:
        _rigs(scene)
        _folder(scene)
        _names(scene)
    except ExportError as error:
        return str(error)
    return ""


def preview(scene: bpy.types.Scene) -> tuple[str, list[str]]:
    """The problem as above, and the names that the files will get (none where they cannot be made)."""
    try:
        names = _names(scene)
    except ExportError:
        names = []
    return problem(scene), names


def export_take(scene: bpy.types.Scene) -> list[Path]:
    """Write the two files. Raises ExportError, fbx.FbxError, OSError."""
    rigs, folder, names = _rigs(scene), _folder(scene), _names(scene)
    folder.mkdir(parents=True, exist_ok=True)
    take = scene.intermoe_take
    preset = scene.intermoe.export_preset
    return [
        Path(fbx.export_fbx(folder / name, rig, take.frame_start, take.frame_end, preset))
        for rig, name in zip(rigs, names, strict=True)
    ]


def _rigs(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    take = scene.intermoe_take
    if not take.exists:
        raise ExportError("There is no take yet: generate one first")
    rigs = []
    for rig_name, action_name in ((take.rig_a, take.action_a), (take.rig_b, take.action_b)):
        rig = scene.objects.get(rig_name)
        if rig is None:
            raise ExportError(f"{rig_name} was renamed or removed: apply the take again")
        action = rig.animation_data.action if rig.animation_data else None
        if action is None or action.name != action_name:
            raise ExportError(f"{rig_name} no longer plays this take: apply the take again")
        rigs.append(rig)
    return rigs


def _folder(scene: bpy.types.Scene) -> Path:
    folder = scene.intermoe.export_folder or "//"
    if folder.startswith("//") and not bpy.data.filepath:
        raise ExportError("Choose a folder to export to, or save the .blend file first")
    return Path(bpy.path.abspath(folder)).expanduser()


def _names(scene: bpy.types.Scene) -> list[str]:
    take, template = scene.intermoe_take, scene.intermoe.export_name
    names = [
        file_name(template, take=take.name, role=role, rig=rig, seed=str(take.seed))
        for role, rig in zip(ROLES, (take.rig_a, take.rig_b), strict=True)
    ]
    if names[0] == names[1]:
        raise ExportError("Both files would get the same name: put {role} or {rig} into it")
    return names
