# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting, cancelling and placing a take. The work is done in the worker process and in take_writer."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false

import bpy

from ..engine import session as engine_session
from ..takes import writer as take_writer
from ..ui import ticker
from .prompts import random_seed


class INTERMOE_OT_generate(bpy.types.Operator):
    """Turn the sentence into motion for both characters. You can go on working meanwhile;
    the result comes as one undo step, in new actions: the old ones are kept"""

    bl_idname = "intermoe.generate"
    bl_label = "Generate"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        problem = engine_session.problem(context)
        if problem:
            cls.poll_message_set(problem)
        return not problem

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.intermoe
        if not settings.keep_seed:
            settings.seed = random_seed()
        engine_session.current().start_take(context)
        ticker.start()
        return {"FINISHED"}


class INTERMOE_OT_apply_take(bpy.types.Operator):
    """Fit the last take anew to the characters that are A and B now, e.g. after swapping them,
    choosing others or moving the 3D cursor. The motion stays the same"""

    bl_idname = "intermoe.apply_take"
    bl_label = "Fit Again to A and B"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        problem = engine_session.problem(context)
        if problem:
            cls.poll_message_set(problem)
        return not problem and context.scene.intermoe_take.exists

    def execute(self, context: bpy.types.Context) -> set[str]:
        engine_session.current().start_apply(context)
        ticker.start()
        return {"FINISHED"}


class INTERMOE_OT_cancel(bpy.types.Operator):
    """Stop at once. Nothing in the scene has been changed"""

    bl_idname = "intermoe.cancel"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        engine_session.current().cancel()
        ticker.redraw()
        return {"FINISHED"}


class INTERMOE_OT_write_take(bpy.types.Operator):
    """Key the finished take on its two characters"""

    bl_idname = "intermoe.write_take"
    bl_label = "InterMoE Take"
    # UNDO makes the whole result one step of the undo history.
    bl_options = {"INTERNAL", "UNDO"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        session = engine_session.current()
        finished = session.finished_take()
        if finished is None:
            return {"CANCELLED"}
        try:
            session.take_written(take_writer.write(*finished))
        except take_writer.TakeWriteError as error:
            session.fail(str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (INTERMOE_OT_generate, INTERMOE_OT_apply_take, INTERMOE_OT_cancel, INTERMOE_OT_write_take)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
