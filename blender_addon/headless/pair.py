# SPDX-License-Identifier: GPL-3.0-or-later
"""A take onto two armatures of the open scene, and from there into files that were checked."""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false, reportReturnType=false, reportOptionalMemberAccess=false

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from intermoe_engine.retarget import (
    BoneMapping,
    PairRetarget,
    RetargetSettings,
    RigDescription,
    RigMotion,
    retarget_pair,
)
from intermoe_engine.take import Take

from ..rigs import bone_map
from ..rigs.keyframes import write_action
from ..rigs.reading import read_rig
from ..rigs.skin import with_girths
from ..takes.fbx import FbxError, check_fbx, export_fbx, read_fbx

ACTOR_FILES = ("actor_a.fbx", "actor_b.fbx")
START_FRAME = 1
TOLERANCE_MM = 1.0


@dataclass(frozen=True)
class KeyedPair:
    """Two armatures that play a take. take: resampled to the scene. rigs, descriptions: A, then B.
    checked: names of each rig's bones whose place the retargeter answers for."""

    take: Take
    rigs: tuple[bpy.types.Object, bpy.types.Object]
    descriptions: tuple[RigDescription, RigDescription]
    result: PairRetarget
    checked: tuple[list[str], list[str]]

    @property
    def frame_end(self) -> int:
        return START_FRAME + self.take.frames - 1


def new_scene(fps: float) -> bpy.types.Scene:
    """An empty file whose scene runs at `fps`."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = max(1, round(fps))
    scene.render.fps_base = scene.render.fps / fps
    return scene


def key_pair(
    take: Take,
    rigs: tuple[bpy.types.Object, bpy.types.Object],
    name: str,
    settings: RetargetSettings | None = None,
    maps: tuple[BoneMapping | None, BoneMapping | None] = (None, None),
) -> KeyedPair:
    """Retarget `take`, at its own frame rate, onto both armatures and key them from START_FRAME on.

    name: of the actions, which get the suffixes _A and _B. maps: None takes the bone map that the rig keeps,
    else the one that is found. The scene's frame range becomes the take's.
    Raises RigError, KeyframeError.
    """
    descriptions = [read_rig(rig) for rig in rigs]
    # A rig that keeps a bone map, made in the extension's panel, is mapped by it here too.
    map_a, map_b = used = [
        (given or bone_map.shown(rig, description)).checked(description)
        for given, rig, description in zip(maps, rigs, descriptions, strict=True)
    ]
    a, b = (with_girths(*parts) for parts in zip(rigs, descriptions, used, strict=True))
    result = retarget_pair(take, a, b, map_a, map_b, settings)
    for rig, motion, role in zip(rigs, result.actors, "AB", strict=True):
        if rig.animation_data is not None:
            rig.animation_data.use_nla = False  # strips of the file would show through the new action
        write_action(rig, motion, f"{name}_{role}", START_FRAME)
    checked = [_answered_for(*parts) for parts in zip(rigs, (a, b), result.actors, strict=True)]
    pair = KeyedPair(take, rigs, (a, b), result, (checked[0], checked[1]))
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = START_FRAME, pair.frame_end
    scene.frame_set(START_FRAME)
    return pair


def export_pair(pair: KeyedPair, folder: Path) -> tuple[Path, Path]:
    """Both FBX files, on one frame range. Raises FbxError, OSError."""
    a, b = (
        export_fbx(folder / name, rig, START_FRAME, pair.frame_end)
        for name, rig in zip(ACTOR_FILES, pair.rigs, strict=True)
    )
    return a, b


def check_pair(pair: KeyedPair, files: Sequence[Path]) -> list[dict[str, Any]]:
    """Each file read back in a clean Blender and compared with the retargeter's heads. Raises FbxError.

    Touches no Blender data here, so that it may run in a thread.
    """
    checks = []
    found = read_fbx(files, pair.take.fps)
    parts = zip(found, pair.descriptions, pair.result.actors, pair.checked, strict=True)
    for armatures, description, motion, names in parts:
        if len(armatures) != 1:
            raise FbxError(f"{description.name}: the FBX file holds {len(armatures)} armatures, not one")
        heads = motion.heads_world[:, [description.index[name] for name in names]]
        check = check_fbx(armatures[0], names, heads)
        checks.append({**check, "within_1_mm": check["max_error_mm"] < TOLERANCE_MM})
    return checks


def _answered_for(rig: bpy.types.Object, description: RigDescription, motion: RigMotion) -> list[str]:
    """All bones; of a rig with constraints, those that are keyed or move skin, since its helpers (targets,
    poles, switches) go where the constraints of the rig send them."""
    if not any(bone.constraints for bone in rig.pose.bones):
        return list(description.bone_names)
    keyed = set(motion.bones)
    deform = description.deform if description.deform is not None else np.ones(len(description.bone_names))
    return [
        name
        for name, moves_skin in zip(description.bone_names, deform, strict=True)
        if moves_skin or name in keyed
    ]


def distances(take: Take, scale: float) -> dict[str, float]:
    """Metres in the scene between the two pelvises along the floor, and between the nearest joints."""
    a, b = (actor.joint_positions for actor in take.actors)
    hips = scale * np.linalg.norm((a[:, 0] - b[:, 0])[:, [0, 2]], axis=-1)
    nearest = scale * np.linalg.norm(a[:, :, None] - b[:, None], axis=-1).min(axis=(1, 2))
    return {
        "hips_min_m": round(float(hips.min()), 4),
        "hips_median_m": round(float(np.median(hips)), 4),
        "nearest_joints_min_m": round(float(nearest.min()), 4),
    }


def save_scene(path: Path) -> None:
    """The open file as .blend, packed small. Raises OSError."""
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True, copy=True, check_existing=False)
    except RuntimeError as error:
        raise OSError(f"{path} could not be saved: {error}") from error


@contextmanager
def all_or_nothing(folder: Path) -> Iterator[Path]:
    """A folder to write into; its files move to `folder` once the block ends well, else they vanish."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as temporary:
        yield Path(temporary)
        for file in sorted(Path(temporary).iterdir()):
            os.replace(file, folder / file.name)
