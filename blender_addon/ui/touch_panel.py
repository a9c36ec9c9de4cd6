# SPDX-License-Identifier: GPL-3.0-or-later
"""The Touch panel: who gives way, what touches what and when, and the fit with all that."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportOptionalMemberAccess=false
# pyright: reportGeneralTypeIssues=false

import bpy

from ..takes import touch_markers, touch_rows
from .text import characters_across, wrapped_labels

_GOOD_MM, _FAIR_MM = 10.0, 30.0


class INTERMOE_UL_touches(bpy.types.UIList):
    """Touches of the take in order of onset."""

    bl_idname = "INTERMOE_UL_touches"

    def draw_item(self, _context, layout, _take, row, _icon, _active_data, _active_name, _index=0) -> None:
        split = layout.split(factor=0.68, align=True)
        left = split.row(align=True)
        left.active = row.strength > 0
        left.label(text=row.label, icon=_icon_of(row))
        split.label(text=f"{row.first_frame} – {row.last_frame}")


class INTERMOE_UL_stands(bpy.types.UIList):
    """Feet of the take in order of onset."""

    bl_idname = "INTERMOE_UL_stands"

    def draw_item(self, _context, layout, _take, row, _icon, _active_data, _active_name, _index=0) -> None:
        split = layout.split(factor=0.55, align=True)
        left = split.row(align=True)
        left.active = row.held
        left.label(text=row.label, icon="LOCKED" if row.held else "UNLOCKED")
        split.label(text=f"{row.first_frame} – {row.last_frame}")


class INTERMOE_PT_touch(bpy.types.Panel):
    bl_label = "Touch"
    bl_idname = "INTERMOE_PT_touch"
    bl_parent_id = "INTERMOE_PT_take"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "InterMoE"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        settings, take = context.scene.intermoe, context.scene.intermoe_take
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(settings, "leads")
        column.prop(settings, "keep_contacts")
        row = column.row()
        row.active = settings.keep_contacts
        row.prop(settings, "keep_apart")
        if not take.exists:
            return
        across = characters_across(context)
        layout.row(align=True).prop(settings, "touch_shown", expand=True)
        if settings.touch_shown == "FEET":
            _draw_feet(layout, take)
        elif take.touches:
            layout.template_list("INTERMOE_UL_touches", "", take, "touches", take, "active_touch", rows=4)
            if 0 <= take.active_touch < len(take.touches):
                _draw_touch(layout, take.touches[take.active_touch], across)
        else:
            wrapped_labels(layout, "The two do not touch in this take", across, "INFO")
        if settings.touch_shown == "BODIES":
            _draw_buttons(layout, context.scene)
        if touch_rows.edited(take):
            wrapped_labels(layout, "Touches were edited: fit again to see them", across, "INFO")
        layout.operator("intermoe.apply_take", icon="FILE_REFRESH")


def _draw_touch(layout, row: bpy.types.PropertyGroup, across: int) -> None:
    box = layout.box().column(align=True)
    box.use_property_split = True
    box.use_property_decorate = False
    box.prop(row, "part_a")
    box.prop(row, "part_b")
    box.prop(row, "first_frame")
    box.prop(row, "last_frame")
    box.prop(row, "strength")
    if row.gap >= 0:
        wrapped_labels(box, f"Off by {row.gap / 10:.1f} cm after the last fit", across - 3)


def _draw_feet(layout, take: bpy.types.PropertyGroup) -> None:
    layout.template_list("INTERMOE_UL_stands", "", take, "stands", take, "active_stand", rows=4)
    if 0 <= take.active_stand < len(take.stands):
        row = take.stands[take.active_stand]
        box = layout.box().column(align=True)
        box.use_property_split = True
        box.use_property_decorate = False
        for name in ("actor", "foot", "first_frame", "last_frame", "held"):
            box.prop(row, name)
    line = layout.row(align=True)
    line.operator("intermoe.add_stand", text="Add", icon="ADD")
    line.operator("intermoe.remove_stand", text="", icon="REMOVE")
    line.operator("intermoe.find_touches", text="", icon="VIEWZOOM")


def _draw_buttons(layout, scene: bpy.types.Scene) -> None:
    row = layout.row(align=True)
    row.operator("intermoe.add_touch", text="Add", icon="ADD")
    row.operator("intermoe.remove_touch", text="", icon="REMOVE")
    row.operator("intermoe.go_to_touch", text="", icon="TIME")
    row.operator("intermoe.find_touches", text="", icon="VIEWZOOM")
    row = layout.row(align=True)
    visible = touch_markers.shown(scene)
    row.operator("intermoe.touch_markers", text="Hide Markers" if visible else "Show Markers", icon="MARKER")
    if visible:
        row.operator("intermoe.read_touch_markers")


def _icon_of(row: bpy.types.PropertyGroup) -> str:
    if row.gap < 0:
        return "COLORSET_13_VEC"
    if row.gap <= _GOOD_MM:
        return "COLORSET_03_VEC"
    return "COLORSET_09_VEC" if row.gap <= _FAIR_MM else "COLORSET_01_VEC"


CLASSES = (INTERMOE_UL_touches, INTERMOE_UL_stands, INTERMOE_PT_touch)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
