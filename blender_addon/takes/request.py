# SPDX-License-Identifier: GPL-3.0-or-later
"""What was asked for at the press of Generate, and its way into the worker's parameters."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ..rigs import bone_map
from ..rigs.reading import read_rig
from ..rigs.skin import with_girths
from ..space import CANONICAL_FROM_BLENDER
from .cast import ROLES, RigHandle


class RequestGone(ValueError):
    """Something that the request names has left the file; the message says what to do."""


@dataclass(frozen=True)
class TakeRequest:
    """Everything that must not change while the user works on, by value or by name."""

    prompt: str
    seed: int
    duration: float
    steps: int
    guidance: float
    cleanup: bool
    scene_uid: int
    actors: tuple[RigHandle, RigHandle]
    start_frame: int
    placement: tuple[tuple[float, ...], ...]
    """(4, 4), Blender's axes: where the pair's own frame lies in the world."""
    leads: str
    keep_contacts: bool
    keep_apart: bool
    limb_controls: tuple[str, str]

    @property
    def name(self) -> str:
        """A short name for actions and files: the first words of the prompt."""
        words = re.findall(r"\w+", self.prompt.lower())
        name = "_".join(words)
        # Whole words only, and short enough for Blender's 63 bytes with role and seed.
        return (name if len(name) <= 24 else name[:25].rpartition("_")[0] or name[:24]) or "take"

    def scene(self) -> bpy.types.Scene:
        """The scene of the request. Raises RequestGone."""
        for scene in bpy.data.scenes:
            if scene.session_uid == self.scene_uid:
                return scene
        raise RequestGone("The scene of this take was closed or removed: generate again in the present one")

    def rigs(self) -> tuple[bpy.types.Object, bpy.types.Object]:
        """The two armatures as they are now. Raises RequestGone."""
        scene = self.scene()
        found = []
        for role, handle in zip(ROLES, self.actors, strict=True):
            rig = handle.find(scene)
            if rig is None:
                raise RequestGone(
                    f"{handle.name} is no longer in the scene: choose another {role} and generate again"
                )
            found.append(rig)
        return found[0], found[1]


def from_scene(scene: bpy.types.Scene, steps: int, guidance: float) -> TakeRequest:
    """The request that the panel of `scene` shows. steps, guidance: what the bundle recommends."""
    settings = scene.intermoe
    return TakeRequest(
        prompt=settings.prompt.strip(),
        seed=settings.seed,
        duration=settings.duration,
        steps=steps if settings.recommended else settings.steps,
        guidance=guidance if settings.recommended else settings.guidance,
        cleanup=settings.cleanup,
        scene_uid=scene.session_uid,
        actors=(RigHandle.of(settings.actor_a), RigHandle.of(settings.actor_b)),
        start_frame=scene.frame_current if settings.start == "CURRENT" else scene.frame_start,
        placement=tuple(map(tuple, placement_matrix(scene))),
        leads=settings.leads,
        keep_contacts=settings.keep_contacts,
        keep_apart=settings.keep_apart,
        limb_controls=(settings.limbs_a, settings.limbs_b),
    )


def placement_matrix(scene: bpy.types.Scene) -> np.ndarray:
    """(4, 4) of the pair's frame in Blender's world: the identity, or the cursor's place and heading."""
    matrix = np.eye(4)
    if scene.intermoe.place == "CURSOR":
        cursor = np.array(scene.cursor.matrix)
        heading = math.atan2(cursor[1, 0], cursor[0, 0])
        matrix[:2, :2] = [[math.cos(heading), -math.sin(heading)], [math.sin(heading), math.cos(heading)]]
        matrix[:3, 3] = cursor[:3, 3]
    return matrix


def scene_fps(scene: bpy.types.Scene) -> float:
    """Frames per second of the scene."""
    return scene.render.fps / scene.render.fps_base


def of_last_take(scene: bpy.types.Scene) -> TakeRequest:
    """The request of the last take, for the cast, the start and the place that the panel shows now."""
    take = scene.intermoe_take
    request = from_scene(scene, scene.intermoe.steps, scene.intermoe.guidance)
    return dataclasses.replace(request, prompt=take.prompt, seed=take.seed)


def generate_parameters(request: TakeRequest) -> dict[str, Any]:
    """Parameters of the worker's `generate`, without those of the engine."""
    return {
        "prompt": request.prompt,
        "duration": request.duration,
        "seed": request.seed,
        "steps": request.steps,
        "guidance": request.guidance,
        "cleanup": request.cleanup,
        "keep_apart": request.keep_apart,
    }


def check_rigs(request: TakeRequest) -> None:
    """Find out before anything is generated whether the motion can be put on the characters.

    A tenth of a second for the largest rigs. Raises RequestGone, RigError.
    """
    for rig in request.rigs():
        bone_map.usable(rig, read_rig(rig))


def retarget_parameters(request: TakeRequest, take: Path) -> dict[str, Any]:
    """Parameters of the worker's `retarget`, with the rigs as they are now.

    Raises RequestGone, RigError.
    """
    axes = np.eye(4)
    axes[:3, :3] = CANONICAL_FROM_BLENDER
    rigs = request.rigs()
    descriptions = [read_rig(rig) for rig in rigs]
    map_a, map_b = maps = [bone_map.usable(*pair) for pair in zip(rigs, descriptions, strict=True)]
    rig_a, rig_b = (with_girths(*parts) for parts in zip(rigs, descriptions, maps, strict=True))
    return {
        "take": str(take),
        "rig_a": rig_a.to_dict(),
        "rig_b": rig_b.to_dict(),
        "mapping_a": map_a.to_dict(),
        "mapping_b": map_b.to_dict(),
        "fps": scene_fps(request.scene()),
        "settings": {
            "scene_matrix": (axes @ np.array(request.placement) @ axes.T).tolist(),
            "leads": request.leads,
            "keep_contacts": request.keep_contacts,
            "keep_apart": request.keep_apart,
            "limb_controls": list(request.limb_controls),
        },
    }
