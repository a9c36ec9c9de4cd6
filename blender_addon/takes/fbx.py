# SPDX-License-Identifier: GPL-3.0-or-later
"""FBX files as animators expect them, each read back and checked after it was written."""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from intermoe_engine.atomic import replacing

from ..space import to_canonical

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "BLENDER": {"axis_forward": "-Z", "axis_up": "Y"},
    "UNREAL": {
        "axis_forward": "Y",
        "axis_up": "Z",
        "primary_bone_axis": "Y",
        "secondary_bone_axis": "X",
        "use_armature_deform_only": True,
    },
    "UNITY": {"axis_forward": "-Z", "axis_up": "Y", "use_armature_deform_only": True},
    "GODOT": {"axis_forward": "-Z", "axis_up": "Y"},
}
"""What each target program wants on top of the common options."""

_COMMON: Mapping[str, Any] = {
    "use_selection": True,
    "object_types": {"ARMATURE", "MESH"},
    "apply_unit_scale": True,
    "apply_scale_options": "FBX_SCALE_NONE",
    "bake_space_transform": False,
    "add_leaf_bones": False,
    "bake_anim": True,
    "bake_anim_use_all_bones": True,
    # With all actions, two actors of one naming would each carry the other's take as well.
    "bake_anim_use_all_actions": False,
    "bake_anim_use_nla_strips": False,
    "bake_anim_force_startend_keying": True,
    "bake_anim_simplify_factor": 0.0,
    "path_mode": "AUTO",
}


class FbxError(RuntimeError):
    """An FBX file that could not be written or read back; the message says why."""


@dataclass(frozen=True)
class FbxArmature:
    """An armature as a program that opens the file sees it: heads (T, N, 3) in canonical metres."""

    name: str
    bone_names: list[str]
    heads_world: np.ndarray


def export_fbx(
    path: str | Path,
    armatures: bpy.types.Object | Sequence[bpy.types.Object],
    frame_start: int,
    frame_end: int,
    preset: str = "BLENDER",
) -> Path:
    """Write one or more armatures of the current scene, their meshes and what they play now, as one FBX.

    frame_start, frame_end: scene frames, both included, at the scene's frame rate. preset: a key of PRESETS.
    An existing file is replaced once the new one is complete. Selection, frame and frame range of the scene
    stay as they are. Returns the path. Raises FbxError, OSError.
    """
    if preset not in PRESETS:
        raise FbxError(f"There is no FBX preset {preset!r}; choose one of {', '.join(PRESETS)}")
    if frame_end < frame_start:
        raise FbxError(f"The last frame ({frame_end}) lies before the first ({frame_start})")
    if "fbx" not in dir(bpy.ops.export_scene):
        raise FbxError("Blender's FBX exporter is off: enable the add-on 'FBX format' in the preferences")
    rigs = [armatures] if isinstance(armatures, bpy.types.Object) else list(armatures)
    scene = bpy.context.scene
    objects = [item for item in scene.objects if item in rigs or _rig_of(item) in rigs]
    absent = [rig.name for rig in rigs if rig not in objects]
    if absent or not rigs:
        raise FbxError(f"{', '.join(absent) or 'No armature'} is not in the scene {scene.name}")
    with replacing(Path(path)) as temporary, _frame_range(scene, frame_start, frame_end):
        log = io.StringIO()
        try:
            with bpy.context.temp_override(selected_objects=objects), redirect_stdout(log):
                result = bpy.ops.export_scene.fbx(
                    filepath=str(temporary), check_existing=False, **{**_COMMON, **PRESETS[preset]}
                )
        except RuntimeError as error:
            raise FbxError(f"{Path(path).name} could not be written: {_one_line(error)}") from error
        if result != {"FINISHED"} or not temporary.is_file():
            raise FbxError(f"{Path(path).name} could not be written: {_one_line(log.getvalue())}")
    return Path(path)


def read_fbx(paths: Sequence[str | Path], fps: float, timeout: float = 120.0) -> list[list[FbxArmature]]:
    """The armatures of each file over all its frames, as another, clean Blender process sees them.

    fps: the rate to sample at, from the first key to the last. The open file is not touched. Raises FbxError.
    """
    script = Path(__file__).parent.parent / "headless" / "read_scene.py"
    with tempfile.TemporaryDirectory(prefix="intermoe-fbx-") as folder:
        output = Path(folder) / "clips.npz"
        arguments = [str(output), repr(float(fps)), *(str(Path(path).resolve()) for path in paths)]
        environment = None
        if bpy.app.binary_path:
            start = [bpy.app.binary_path, "--background", "--factory-startup", "--python-exit-code", "1"]
            command = [*start, "--python", str(script), "--", *arguments]
        else:  # Blender as a Python module
            command = [sys.executable, str(script), *arguments]
            # the folder of a script goes first on the path of modules, and may hide standard ones
            environment = {**os.environ, "PYTHONSAFEPATH": "1"}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=timeout, env=environment
            )
        except subprocess.TimeoutExpired:
            raise FbxError(f"Reading the FBX files back took longer than {timeout:g} s") from None
        if done.returncode != 0 or not output.is_file():
            raise FbxError(f"The FBX files cannot be read back: {_one_line(done.stderr or done.stdout)}")
        with np.load(output, allow_pickle=False) as data:
            return [_armatures(data, f) for f in range(len(paths))]


def _armatures(data: Mapping[str, np.ndarray], file: int) -> list[FbxArmature]:
    """The armatures of one file, with what they play; without frames where they play nothing."""
    found = []
    while (key := f"{file}.{len(found)}") + ".name" in data:
        bones, playing = data[f"{key}.bones"].tolist(), int(data[f"{key}.playing"])
        heads = data[f"{key}.{playing}.pose"][..., :3, 3] if playing >= 0 else np.zeros((0, len(bones), 3))
        found.append(FbxArmature(str(data[f"{key}.name"]), bones, to_canonical(heads)))
    return found


def check_fbx(found: FbxArmature, bone_names: Sequence[str], heads_world: np.ndarray) -> dict[str, Any]:
    """How far the bone heads in a file are from those expected.

    bone_names: N names for the columns of heads_world (T, N, 3), canonical metres. Returns JSON-able frames,
    bones (compared), bones_missing, max_error_mm, mean_error_mm and worst_bone. Bones that the file leaves
    out (a preset may keep deforming bones alone) are named, not compared. Raises FbxError if the numbers of
    frames differ or no bone is common.
    """
    if len(found.heads_world) != len(heads_world):
        raise FbxError(
            f"{found.name}: {len(found.heads_world)} frames in the file, {len(heads_world)} expected"
        )
    column = {name: i for i, name in enumerate(found.bone_names)}
    both = [(i, column[name]) for i, name in enumerate(bone_names) if name in column]
    if not both:
        raise FbxError(f"{found.name}: none of its bones has a name of the rig")
    expected, read = (list(side) for side in zip(*both, strict=True))
    error = np.linalg.norm(found.heads_world[:, read] - heads_world[:, expected], axis=-1) * 1000
    return {
        "frames": len(heads_world),
        "bones": len(both),
        "bones_missing": [name for name in bone_names if name not in column],
        "max_error_mm": round(float(error.max()), 4),
        "mean_error_mm": round(float(error.mean()), 4),
        "worst_bone": bone_names[expected[int(error.max(axis=0).argmax())]],
    }


def _rig_of(item: bpy.types.Object) -> bpy.types.Object | None:
    """The armature that moves a mesh."""
    if item.type != "MESH":
        return None
    by_modifier = next((m.object for m in item.modifiers if m.type == "ARMATURE" and m.object), None)
    if by_modifier is not None:
        return by_modifier
    return item.parent if item.parent is not None and item.parent.type == "ARMATURE" else None


@contextmanager
def _frame_range(scene: bpy.types.Scene, start: int, end: int) -> Iterator[None]:
    """The exporter bakes the scene's range, and no other."""
    before = (scene.frame_start, scene.frame_end, scene.frame_current)
    scene.frame_start, scene.frame_end = start, end
    try:
        yield
    finally:
        scene.frame_start, scene.frame_end = before[0], before[1]
        if scene.frame_current != before[2]:
            scene.frame_set(before[2])


def _one_line(text: object) -> str:
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    return lines[-1] if lines else "Blender gave no reason"
