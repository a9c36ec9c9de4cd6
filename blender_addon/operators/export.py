# SPDX-License-Identifier: GPL-3.0-or-later
"""The take as FBX files."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false

import bpy

from ..engine import session as engine_session
from ..takes import export as take_export
from ..takes import fbx


class INTERMOE_OT_export_fbx(bpy.types.Operator):
    """Write one FBX file for each character: its mesh, its bones and this take, on one frame range.
    Existing files of the same name are replaced"""

    bl_idname = "intermoe.export_fbx"
    bl_label = "Export FBX"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        problem = take_export.problem(context.scene)
        if problem:
            cls.poll_message_set(problem)
        return not problem

    def execute(self, context: bpy.types.Context) -> set[str]:
        session = engine_session.current()
        context.window_manager.progress_begin(0, 1)
        try:
            paths = take_export.export_take(context.scene)
        except (take_export.ExportError, fbx.FbxError, OSError) as error:
            session.fail(str(error))
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            context.window_manager.progress_end()
        message = f"Exported {len(paths)} FBX files to {paths[0].parent}"
        session.say(message)
        self.report({"INFO"}, message)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((INTERMOE_OT_export_fbx,))
