# SPDX-License-Identifier: GPL-3.0-or-later
"""Who plays A and who plays B."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false

import bpy

from ..mannequins.characters import add_mannequin
from ..mannequins.kinds import KINDS
from ..takes import cast


class INTERMOE_OT_use_selected(bpy.types.Operator):
    """Cast the two selected characters: the active one as A, the other as B.
    One selected character fills the free slot. Selecting a character's mesh is enough"""

    bl_idname = "intermoe.use_selected"
    bl_label = "Use Selected"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        rigs = cast.armatures_in(context.selected_objects, context.active_object)
        try:
            self.report({"INFO"}, cast.fill_slots(context.scene.intermoe, rigs))
        except ValueError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class INTERMOE_OT_swap_cast(bpy.types.Operator):
    """Swap the characters: A dances what B danced"""

    bl_idname = "intermoe.swap_cast"
    bl_label = "Swap Characters"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.intermoe
        settings.actor_a, settings.actor_b = settings.actor_b, settings.actor_a
        return {"FINISHED"}


class INTERMOE_OT_add_mannequins(bpy.types.Operator):
    """Add two ready-made characters, 1.60 m and 1.90 m tall, and cast them as A and B"""

    bl_idname = "intermoe.add_mannequins"
    bl_label = "Add Mannequins"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.mode != "OBJECT":
            cls.poll_message_set("Go to Object mode first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.intermoe
        first, second = KINDS
        if context.window is not None:
            context.window.cursor_set("WAIT")
        settings.actor_a = add_mannequin(first, (-0.5, 0.0, 0.0))
        settings.actor_b = add_mannequin(second, (0.5, 0.0, 0.0))
        if context.window is not None:
            context.window.cursor_set("DEFAULT")
        return {"FINISHED"}


CLASSES = (INTERMOE_OT_use_selected, INTERMOE_OT_swap_cast, INTERMOE_OT_add_mannequins)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
