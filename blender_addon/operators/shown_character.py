# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators on the character have in common whose bones the panel shows."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false

import bpy

from intermoe_engine.errors import EngineError

from ..ui import bone_rows


class ShownCharacter:
    """A mix-in: `change` does the work and returns what to report, or raises an EngineError."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        settings = context.scene.intermoe
        if bone_rows.rig_of(settings, settings.bones_of) is None:
            cls.poll_message_set(f"Choose an armature for character {settings.bones_of} first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.intermoe
        role = settings.bones_of
        try:
            message = self.change(context, settings, role, bone_rows.rig_of(settings, role))
        except EngineError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, message)
        return {"FINISHED"}

    def change(
        self,
        context: bpy.types.Context,
        settings: bpy.types.PropertyGroup,
        role: str,
        rig: bpy.types.Object,
    ) -> str:
        raise NotImplementedError
