# SPDX-License-Identifier: GPL-3.0-or-later
"""The takes on disk: look at them, delete them."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false

import bpy

from ..engine import folders
from ..engine import session as engine_session
from ..takes import store


class INTERMOE_OT_open_takes(bpy.types.Operator):
    """Open the folder where the takes of all scenes lie"""

    bl_idname = "intermoe.open_takes"
    bl_label = "Open Takes Folder"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        try:
            bpy.ops.wm.path_open(filepath=str(folders.takes()))
        except folders.FolderError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class INTERMOE_OT_delete_takes(bpy.types.Operator):
    """Delete all take files but those of the scenes that are open. Keyframes stay; what goes is fitting a
    take anew without generating it again"""

    bl_idname = "intermoe.delete_takes"
    bl_label = "Delete All Takes"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if engine_session.current().busy:
            cls.poll_message_set("The engine is at work: wait for it or cancel it")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        try:
            gone, kept = store.delete_all(folders.takes(), store.needed())
        except folders.FolderError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        left = f"; {kept} stay because an open scene plays them" if kept else ""
        self.report({"INFO"}, f"{gone} takes deleted{left}")
        return {"FINISHED"}


CLASSES = (INTERMOE_OT_open_takes, INTERMOE_OT_delete_takes)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
