# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where the scene's settings change, and only when the user asks."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false

import bpy

from ..takes import info as take_info


class INTERMOE_OT_fit_scene_range(bpy.types.Operator):
    """Widen the frame range of the scene so that it holds the whole take. The frame rate stays as it is"""

    bl_idname = "intermoe.fit_scene_range"
    bl_label = "Fit Scene Range"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        take_info.fit_scene_range(context.scene.intermoe_take, context.scene)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((INTERMOE_OT_fit_scene_range,))
