# SPDX-License-Identifier: GPL-3.0-or-later
"""The timer that drives the session: looks ten times a second while something runs, else not at all."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import bpy

from ..engine import session as engine_session

INTERVAL_SECONDS = 0.1
_WRITABLE_MODES = {"OBJECT", "POSE"}


def register() -> None:
    """Nothing to do before there is a job."""


def unregister() -> None:
    """Look no more."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)


def start() -> None:
    """Begin to look. Called by every operator that gives the worker something to do."""
    if not bpy.app.timers.is_registered(_tick):
        # persistent: opening another file must not leave a job without its timer.
        bpy.app.timers.register(_tick, first_interval=INTERVAL_SECONDS, persistent=True)


def _tick() -> float | None:
    session = engine_session.current()
    before = session.shown()
    if session.step():
        _place_take()
    if session.shown() != before:
        redraw()
    return INTERVAL_SECONDS if session.busy else None


def _place_take() -> None:
    """Key the finished take as one undo step, when the user is not in the middle of something else."""
    window = next(iter(bpy.context.window_manager.windows), None)
    if window is None:
        bpy.ops.intermoe.write_take()
        return
    with bpy.context.temp_override(window=window):
        if _interruptible(window):
            # True: undo steps are otherwise not made for operators that scripts call.
            bpy.ops.intermoe.write_take("EXEC_DEFAULT", True)


def _interruptible(window: bpy.types.Window) -> bool:
    """Edit modes keep an undo history of their own, and a running transform holds copies of what it moves."""
    modal = getattr(window, "modal_operators", ())
    return bpy.context.mode in _WRITABLE_MODES and not any(
        operator.bl_idname.startswith("TRANSFORM_OT_") for operator in modal
    )


def redraw() -> None:
    """Let the panels show where things stand; the views themselves are left alone."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            kind = {"VIEW_3D": "UI", "PREFERENCES": "WINDOW"}.get(area.type)
            for region in area.regions:
                if region.type == kind:
                    region.tag_redraw()


def redraw_views() -> None:
    """Draw the 3D views themselves anew."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()
