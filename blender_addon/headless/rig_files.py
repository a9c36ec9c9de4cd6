# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings one armature, with its meshes, from a .blend, .fbx, .glb or .gltf file into the current scene."""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false

from __future__ import annotations

from pathlib import Path

import bpy

from intermoe_engine.errors import EngineError

from .. import compat

SUFFIXES = (".blend", ".fbx", ".glb", ".gltf")


class RigFileError(EngineError):
    """A rig file that cannot be used; the message says what to do."""


def split_name(text: str) -> tuple[Path, str | None]:
    """ "FILE.blend:Object" as (FILE.blend, "Object"); the name is None where only a file is given.

    A file whose own name holds a colon wins over the reading with a name. Raises RigFileError.
    """
    path, name = Path(text), None
    if not path.exists():
        head, colon, tail = text.rpartition(":")
        if colon and tail and Path(head).suffix.lower() in SUFFIXES:
            path, name = Path(head), tail
    if not path.is_file():
        raise RigFileError(f"{path}: there is no such rig file")
    if path.suffix.lower() not in SUFFIXES:
        raise RigFileError(f"{path}: a rig comes from a file of the kind {', '.join(SUFFIXES)}")
    return path, name


def add_rig(text: str) -> bpy.types.Object:
    """Add the armature that `text` names (FILE or FILE:Object) and what hangs on it to the current scene.

    Everything is a new copy, so that one file may serve twice. Raises RigFileError for a missing or broken
    file, no armature in it, or several of which none was named.
    """
    path, name = split_name(text)
    before = set(bpy.data.objects)
    clock = _clock()
    wanted: dict[str, bpy.types.Object] = {}
    try:
        if path.suffix.lower() == ".blend":
            wanted = _append(path)
        elif path.suffix.lower() == ".fbx":
            compat.import_fbx(str(path))
        else:
            # without a guess at bone directions, bones would all point the way of glTF's node axes
            bpy.ops.import_scene.gltf(filepath=str(path), bone_heuristic="TEMPERANCE")
    except (RuntimeError, OSError) as error:
        raise RigFileError(f"{path}: Blender cannot read it ({_last_line(error)})") from error
    _clock(clock)
    new = [item for item in bpy.data.objects if item not in before]
    if not wanted:
        wanted = {item.name: item for item in new}
    rigs = {key: item for key, item in wanted.items() if item.type == "ARMATURE" and _is_rig(item)}
    try:
        rig = _choose(path, name, rigs)
    except RigFileError:
        _remove(new)
        raise
    keep = _belongings(rig, new)
    _remove([item for item in new if item not in keep])
    bpy.context.view_layer.update()
    return rig


def _clock(values: tuple[int, float, int, int] | None = None) -> tuple[int, float, int, int]:
    """Frame rate and range of the scene, which importers take from the file; set when given."""
    scene = bpy.context.scene
    if values is not None:
        scene.render.fps, scene.render.fps_base, scene.frame_start, scene.frame_end = values
    return scene.render.fps, scene.render.fps_base, scene.frame_start, scene.frame_end


def _append(path: Path) -> dict[str, bpy.types.Object]:
    """All objects of a .blend file, new copies, in the current scene; keyed by their names in the file."""
    with bpy.data.libraries.load(str(path), link=False) as (source, target):
        names = list(source.objects)
        target.objects = list(names)
    found = {name: item for name, item in zip(names, target.objects, strict=True) if item is not None}
    for item in found.values():
        if item.name not in bpy.context.scene.collection.objects:
            bpy.context.scene.collection.objects.link(item)
    return found


def _is_rig(item: bpy.types.Object) -> bool:
    # the glTF importer leaves helper objects that shape bones; a widget is no rig
    return item.data is not None and len(item.data.bones) > 0


def _choose(path: Path, name: str | None, rigs: dict[str, bpy.types.Object]) -> bpy.types.Object:
    listed = ", ".join(sorted(rigs))
    if not rigs:
        raise RigFileError(f"{path}: there is no armature in it")
    if name is not None:
        if name not in rigs:
            raise RigFileError(f"{path}: there is no armature called {name!r}; it holds {listed}")
        return rigs[name]
    if len(rigs) > 1:
        raise RigFileError(f"{path}: it holds several armatures ({listed}); name one as {path}:NAME")
    return next(iter(rigs.values()))


def _belongings(rig: bpy.types.Object, new: list[bpy.types.Object]) -> set[bpy.types.Object]:
    """The rig, its parents, everything it moves, and the widgets its bones are drawn with."""
    carried = {rig}
    while fresh := {item for item in new if item not in carried and _hangs_on(item, carried)}:
        carried |= fresh
    widgets = {bone.custom_shape for bone in rig.pose.bones if bone.custom_shape is not None}
    parents = set()
    parent = rig.parent
    while parent is not None:
        parents.add(parent)
        parent = parent.parent
    return carried | widgets | parents


def _hangs_on(item: bpy.types.Object, carriers: set[bpy.types.Object]) -> bool:
    by_modifier = any(m.type == "ARMATURE" and m.object in carriers for m in item.modifiers)
    return item.parent in carriers or by_modifier


def _remove(items: list[bpy.types.Object]) -> None:
    for item in items:
        bpy.data.objects.remove(item)


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
