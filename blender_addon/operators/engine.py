# SPDX-License-Identifier: GPL-3.0-or-later
"""Health of the engine: check, restart, log."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false

import bpy

from ..engine import folders
from ..engine import session as engine_session
from ..ui import ticker


class INTERMOE_OT_check_engine(bpy.types.Operator):
    """Start the engine and let it check its packages, its bundle and its device"""

    bl_idname = "intermoe.check_engine"
    bl_label = "Check Engine"

    def execute(self, context: bpy.types.Context) -> set[str]:
        engine_session.current().start_check(context)
        ticker.start()
        return {"FINISHED"}


class INTERMOE_OT_stop_engine(bpy.types.Operator):
    """Stop the engine process, e.g. after updating a driver. The next Generate starts it again"""

    bl_idname = "intermoe.stop_engine"
    bl_label = "Stop Engine"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        engine_session.current().stop()
        self.report({"INFO"}, "The engine is stopped; the next Generate starts it again")
        return {"FINISHED"}


class INTERMOE_OT_open_log(bpy.types.Operator):
    """Open the engine's log file"""

    bl_idname = "intermoe.open_log"
    bl_label = "Open Log"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        try:
            log = folders.log_file()
        except folders.FolderError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not log.is_file():
            self.report({"INFO"}, "There is no log yet: it begins when the engine first starts")
            return {"CANCELLED"}
        bpy.ops.wm.path_open(filepath=str(log))
        return {"FINISHED"}


CLASSES = (INTERMOE_OT_check_engine, INTERMOE_OT_stop_engine, INTERMOE_OT_open_log)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
