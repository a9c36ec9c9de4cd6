# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys a finished take on its two rigs, and notes what was measured. Main thread, a fraction of a second."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from intermoe_engine.retarget import RigError, RigMotion
from intermoe_engine.retarget.touch import ContactList
from intermoe_engine.take import Take

from .. import compat
from ..rigs import keyframes
from . import quality, touch_rows
from .cast import ROLES
from .job import TakeFiles
from .request import RequestGone, TakeRequest


class TakeWriteError(RuntimeError):
    """The take could not be keyed; both rigs are as they were, and the message says what to do."""


def write(request: TakeRequest, files: TakeFiles) -> str:
    """New actions on both rigs, or on neither. Returns a sentence about them. Raises TakeWriteError."""
    try:
        scene, rigs = request.scene(), request.rigs()
        motions = [RigMotion.load(path) for path in files.actors]
    except (RequestGone, RigError, OSError) as error:
        raise TakeWriteError(str(error)) from error
    before = [_driver_of(rig) for rig in rigs]
    written: list[bpy.types.Action] = []
    try:
        for role, rig, motion in zip(ROLES, rigs, motions, strict=True):
            name = f"{request.name}_{role}_{request.seed}"
            written.append(keyframes.write_action(rig, motion, name, request.start_frame))
    except (keyframes.KeyframeError, RuntimeError) as error:
        for rig, action, (old, slot) in zip(rigs, written, before, strict=False):
            compat.assign_action(rig, old, slot)
            bpy.data.actions.remove(action)
        raise TakeWriteError(str(error)) from error
    frames = max(len(motion.rotations) for motion in motions)
    take = scene.intermoe_take
    _note(take, request, files, rigs, written, frames)
    return f"Keyed {rigs[0].name} and {rigs[1].name}, frames {take.frame_start} to {take.frame_end}"


def _driver_of(rig: bpy.types.Object) -> tuple[bpy.types.Action | None, Any | None]:
    data = rig.animation_data
    if data is None:
        return None, None
    return data.action, getattr(data, "action_slot", None)


def _note(
    take: bpy.types.PropertyGroup,
    request: TakeRequest,
    files: TakeFiles,
    rigs: tuple[bpy.types.Object, bpy.types.Object],
    actions: list[bpy.types.Action],
    frames: int,
) -> None:
    take.path = str(files.take)
    take.name = request.name
    take.prompt = request.prompt
    take.seed = request.seed
    take.rig_a, take.rig_b = (rig.name for rig in rigs)
    take.action_a, take.action_b = (action.name for action in actions)
    take.frame_start = request.start_frame
    take.frame_end = request.start_frame + frames - 1
    take.pair_scale = files.report["pair_scale"]
    distance = take.pair_scale * _hip_distance(Take.load(files.take))
    take.distance_min, take.distance_median = float(distance.min()), float(np.median(distance))
    touch_rows.fill(take, ContactList.from_dict(files.contacts), files.report)
    take.report = quality.to_text(files.report)


def _hip_distance(take: Take) -> np.ndarray:
    """Metres (T,) between the two pelvises along the floor, at the people's own size."""
    a, b = (actor.joint_positions[:, 0] for actor in take.actors)
    return np.linalg.norm((a - b)[:, [0, 2]], axis=-1)
