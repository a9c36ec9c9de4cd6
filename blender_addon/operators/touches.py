# SPDX-License-Identifier: GPL-3.0-or-later
"""Editing the touches between the two characters. They take effect at the next fit."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false

from pathlib import Path

import bpy

from intermoe_engine.errors import EngineError

from ..engine import session as engine_session
from ..takes import touch_markers, touch_rows
from ..takes.timed_row import TimedRow
from ..ui import ticker

_NEW_FRAMES = 12


def _new_row(rows: bpy.types.bpy_prop_collection, scene: bpy.types.Scene) -> TimedRow:
    """A row of touches or stands from the current frame on."""
    row = rows.add()
    row.start = row.seconds_of(scene.frame_current)
    row.end = row.start + row.seconds_of(scene.intermoe_take.frame_start + _NEW_FRAMES)
    return row


def _without(rows: bpy.types.bpy_prop_collection, index: int) -> int:
    """Remove a row; the index of the one that is selected then."""
    rows.remove(index)
    return max(min(index, len(rows) - 1), 0)


class _OfTake:
    """Operators on the touches of the last take."""

    needs_row = False

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        take = context.scene.intermoe_take
        if not take.exists:
            cls.poll_message_set("There is no take yet: generate one first")
        elif cls.needs_row and not 0 <= take.active_touch < len(take.touches):
            cls.poll_message_set("Select a touch of the list first")
        else:
            return True
        return False


class INTERMOE_OT_add_touch(_OfTake, bpy.types.Operator):
    """Add a touch at the current frame, then say what touches what"""

    bl_idname = "intermoe.add_touch"
    bl_label = "Add Touch"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        take = context.scene.intermoe_take
        row = _new_row(take.touches, context.scene)
        row.part_a, row.part_b = "r_hand", "l_hand"
        take.active_touch = len(take.touches) - 1
        return {"FINISHED"}


class INTERMOE_OT_remove_touch(_OfTake, bpy.types.Operator):
    """Let the two no longer touch here"""

    bl_idname = "intermoe.remove_touch"
    bl_label = "Remove Touch"
    bl_options = {"REGISTER", "UNDO"}
    needs_row = True

    def execute(self, context: bpy.types.Context) -> set[str]:
        take = context.scene.intermoe_take
        take.active_touch = _without(take.touches, take.active_touch)
        return {"FINISHED"}


class INTERMOE_OT_add_stand(_OfTake, bpy.types.Operator):
    """Lock a foot from the current frame on, then say whose and which"""

    bl_idname = "intermoe.add_stand"
    bl_label = "Lock Foot"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        take = context.scene.intermoe_take
        _new_row(take.stands, context.scene)
        take.active_stand = len(take.stands) - 1
        return {"FINISHED"}


class INTERMOE_OT_remove_stand(_OfTake, bpy.types.Operator):
    """Let this foot go: in these frames it is not planted. To let all feet go, switch off Stands instead"""

    bl_idname = "intermoe.remove_stand"
    bl_label = "Remove Foot"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        take = context.scene.intermoe_take
        if not 0 <= take.active_stand < len(take.stands):
            cls.poll_message_set("Select a foot of the list first")
            return False
        return super().poll(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        take = context.scene.intermoe_take
        take.active_stand = _without(take.stands, take.active_stand)
        return {"FINISHED"}


class INTERMOE_OT_go_to_touch(_OfTake, bpy.types.Operator):
    """Go to the frame at which this touch begins"""

    bl_idname = "intermoe.go_to_touch"
    bl_label = "Go to Touch"
    bl_options = {"INTERNAL"}
    needs_row = True

    def execute(self, context: bpy.types.Context) -> set[str]:
        take = context.scene.intermoe_take
        context.scene.frame_set(take.touches[take.active_touch].first_frame)
        return {"FINISHED"}


class INTERMOE_OT_touch_markers(_OfTake, bpy.types.Operator):
    """Show the touches as markers on the timeline, where they can be moved and read back, or hide them"""

    bl_idname = "intermoe.touch_markers"
    bl_label = "Markers"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        if touch_markers.shown(context.scene):
            touch_markers.hide(context.scene)
        else:
            touch_markers.show(context.scene)
        return {"FINISHED"}


class INTERMOE_OT_read_touch_markers(_OfTake, bpy.types.Operator):
    """Take over where the markers of the touches were moved to on the timeline"""

    bl_idname = "intermoe.read_touch_markers"
    bl_label = "Read Markers"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        changed = touch_markers.read(context.scene)
        self.report({"INFO"}, f"{changed} touches changed" if changed else "No marker was moved")
        return {"FINISHED"}


class INTERMOE_OT_find_touches(_OfTake, bpy.types.Operator):
    """Find the touches of the take anew, dropping what was edited, and fit it again"""

    bl_idname = "intermoe.find_touches"
    bl_label = "Find Touches Again"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        problem = engine_session.problem(context)
        take = context.scene.intermoe_take
        try:
            if not problem:
                touch_rows.forget(take, Path(bpy.path.abspath(take.path)))
        except (EngineError, ValueError, OSError) as error:
            problem = str(error)
        if problem:
            self.report({"ERROR"}, problem)
            return {"CANCELLED"}
        engine_session.current().start_apply(context)
        ticker.start()
        return {"FINISHED"}


CLASSES = (
    INTERMOE_OT_add_touch,
    INTERMOE_OT_remove_touch,
    INTERMOE_OT_add_stand,
    INTERMOE_OT_remove_stand,
    INTERMOE_OT_go_to_touch,
    INTERMOE_OT_touch_markers,
    INTERMOE_OT_read_touch_markers,
    INTERMOE_OT_find_touches,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
