# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows and hides the rest poses of a character."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false

import bpy

from ..ui import rest_preview, ticker
from .shown_character import ShownCharacter


class INTERMOE_OT_rest_preview(ShownCharacter, bpy.types.Operator):
    """Show three stick figures side by side: the T-pose that takes start from, this character's rest pose,
    and its rest pose brought into the T-pose. Red is its left, blue its right; yellow shows where elbows and
    knees close. The bones are right if the middle one lies within the character, red on its left, and the
    outer two look alike. Nothing is added to the file"""

    bl_idname = "intermoe.rest_preview"
    bl_label = "Show Rest Poses"
    bl_options = {"REGISTER"}

    def change(self, _context, _settings, _role, rig) -> str:
        if rest_preview.shows(rig):
            rest_preview.hide()
            message = "Rest poses are hidden"
        else:
            rest_preview.show(rig)
            message = f"Rest poses of {rig.name} are shown in the 3D view"
        ticker.redraw_views()
        return message


register, unregister = bpy.utils.register_classes_factory((INTERMOE_OT_rest_preview,))
