# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension at work without a window: its job stepped as the timer does, and what it keyed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import bpy

from blender_addon.engine import session as engine_session
from tests.blender.stick import stick_rig
from tests.blender.synthetic import swaying_take

PATIENCE = 120.0
"""Seconds that a job may take."""
TAKE = swaying_take(45)


def scene_with_take(folder: Path) -> bpy.types.Scene:
    """An empty scene at 30 frames a second: two stick rigs, cast, and `TAKE`, which waits to be fitted."""
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = 30
    scene.intermoe.actor_a = stick_rig("Anna", 1.0, 0.0)
    scene.intermoe.actor_b = stick_rig("Ben", 1.2, 1.0)
    note_take(scene, folder)
    return scene


def note_take(scene: bpy.types.Scene, folder: Path) -> None:
    scene.intermoe_take.path = str(TAKE.save(folder / "take-sway.npz"))
    scene.intermoe_take.prompt = TAKE.prompt


def drive(until: Callable[[], bool] | None = None) -> engine_session.EngineSession:
    """Step as the timer does, until the job has ended or `until` holds."""
    session = engine_session.current()
    end = time.monotonic() + PATIENCE
    while session.busy and not (until and until()):
        if time.monotonic() > end:
            stage = session.job and session.job.stage
            session.stop(wait=True)  # or the next test finds the engine busy
            raise AssertionError(f"still {stage} after {PATIENCE:.0f} s")
        if session.step():
            bpy.ops.intermoe.write_take()
        time.sleep(0.01)
    return session


def drive_to_keys() -> engine_session.EngineSession:
    """Step until the retarget is there and the keys are not."""
    session = engine_session.current()
    end = time.monotonic() + PATIENCE
    while not session.step():
        assert time.monotonic() < end and session.busy, session.message
        time.sleep(0.01)
    return session


def fitted() -> engine_session.EngineSession:
    bpy.ops.intermoe.apply_take()
    return drive()


def action_of(rig: bpy.types.Object) -> bpy.types.Action | None:
    return rig.animation_data.action if rig.animation_data else None
