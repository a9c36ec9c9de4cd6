# SPDX-License-Identifier: GPL-3.0-or-later
"""The Bones panel: which bone does what on each character, how sure that is, and what is wrong with it."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportGeneralTypeIssues=false

import bpy

from intermoe_engine.retarget import slot_label

from . import bone_rows, rest_preview, rig_report
from .text import characters_across, wrapped_labels

STATE_ICONS = {
    "sure": "COLORSET_03_VEC",  # green
    "likely": "COLORSET_09_VEC",  # yellow
    "unsure": "COLORSET_02_VEC",  # orange
    "missing": "COLORSET_01_VEC",  # red
    "empty": "COLORSET_13_VEC",  # grey
}
_LEVEL_ICONS = {"error": "CANCEL", "warning": "ERROR", "ok": "CHECKMARK"}


class INTERMOE_UL_bones(bpy.types.UIList):
    """Rows of a bone map. Its search lies above it, where it is seen."""

    bl_idname = "INTERMOE_UL_bones"

    def draw_item(self, _context, layout, _table, row, _icon, _active_data, _active_name, index=0) -> None:
        split = layout.split(factor=0.5, align=True)
        left = split.row(align=True)
        why = left.operator("intermoe.show_bone", text="", icon=STATE_ICONS[row.state], emboss=False)
        why.index = index
        name = left.row()
        name.active = row.state != "empty"
        name.label(text=row.name)
        split.label(text=row.short_bone)

    def draw_filter(self, _context, _layout) -> None:
        """Nothing: see above."""

    def filter_items(self, context, data, name):
        rows = getattr(data, name)
        shown = visible(rows, context.scene.intermoe)
        return [self.bitflag_filter_item if flag else 0 for flag in shown], []


def visible(rows, settings: bpy.types.PropertyGroup) -> list[bool]:
    """Which rows the part, the search and the doubtful switch of the panel leave."""
    wanted = settings.bones_search.strip().casefold()
    filled = {(row.joint, row.place) for row in rows if row.bone}

    def shown(row) -> bool:
        if row.place > 0 and not row.bone and (row.joint, row.place - 1) not in filled:
            return False  # one free row above the last bone of a spine is enough
        if settings.bones_doubtful:
            return row.state in ("likely", "unsure", "missing")
        if wanted:
            return wanted in row.name.casefold() or wanted in row.bone.casefold()
        return row.part == settings.bones_part

    return [shown(row) for row in rows]


class INTERMOE_PT_bones(bpy.types.Panel):
    bl_label = "Bones"
    bl_idname = "INTERMOE_PT_bones"
    bl_parent_id = "INTERMOE_PT_take"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "InterMoE"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        settings = context.scene.intermoe
        across = characters_across(context)
        layout.row(align=True).prop(settings, "bones_of", expand=True)
        rig = bone_rows.rig_of(settings, settings.bones_of)
        if rig is None:
            wrapped_labels(
                layout, f"Choose an armature for character {settings.bones_of} first", across, "INFO"
            )
            return
        table = bone_rows.table_of(settings, settings.bones_of)
        _draw_source(layout, rig, table)
        row = layout.row(align=True)
        row.operator("intermoe.check_rig", icon="CHECKMARK")
        shown = rest_preview.shows(rig)
        row.operator(
            "intermoe.rest_preview",
            text="Rest Poses",
            icon="HIDE_OFF" if shown else "ARMATURE_DATA",
            depress=shown,
        )
        findings = rig_report.of(rig)
        if findings:
            column = layout.box().column(align=True)
            for finding in findings:
                wrapped_labels(column, finding.text, across - 3, _LEVEL_ICONS[finding.level])
        if table.problem:
            box = layout.box()
            box.alert = True
            wrapped_labels(box, table.problem, across - 3, "ERROR")
        if table.limbs_with_ik and not table.is_stale(rig):
            row = layout.row(align=True)
            row.prop(settings, f"limbs_{settings.bones_of.lower()}", expand=True)
        if table.rows and not table.is_stale(rig):
            _draw_search(layout, settings)
            _draw_rows(layout, rig, table, across)


def summary(table: bpy.types.PropertyGroup) -> str:
    """What the animator should know of a character's bones while this panel is closed; mostly nothing."""
    missing = [slot_label(row.joint) for row in table.rows if row.state == "missing"]
    if missing:
        more = f" and {len(missing) - 2} more" if len(missing) > 2 else ""
        return f"{table.rig}: no bone for {', '.join(missing[:2])}{more}. Choose under Bones"
    unsure = table.count("unsure")
    return f"{table.rig}: {unsure} bones are guesses. Look under Bones" if unsure else ""


def _draw_source(layout, rig: bpy.types.Object, table: bpy.types.PropertyGroup) -> None:
    """Where the map comes from, and what to do about it as a whole."""
    row = layout.row(align=True)
    if table.is_stale(rig):
        row.operator("intermoe.reload_bones", icon="FILE_REFRESH")
        return
    origin = "Kept on the rig" if table.kept else f"Found by itself ({table.preset.replace('_', ' ')})"
    row.label(text=origin, icon="PINNED" if table.kept else "BONE_DATA")
    row.operator("intermoe.find_bones", text="", icon="FILE_REFRESH")
    row.menu("INTERMOE_MT_bone_presets", text="", icon="PRESET")


def _draw_rows(layout, rig: bpy.types.Object, table: bpy.types.PropertyGroup, across: int) -> None:
    layout.template_list("INTERMOE_UL_bones", "", table, "rows", table, "active", rows=8)
    row = table.selected
    if row is not None:
        line = layout.row(align=True)
        line.prop_search(row, "bone", rig.data, "bones", text="", icon="BONE_DATA")
        line.operator("intermoe.pick_bone", text="", icon="RESTRICT_SELECT_OFF")
        wrapped_labels(layout, bone_rows.sentence(row), across, STATE_ICONS[row.state])
    mirror = layout.row(align=True)
    mirror.operator("intermoe.mirror_bones", text="Right from Left", icon="MOD_MIRROR").target = "r"
    mirror.operator("intermoe.mirror_bones", text="Left from Right").target = "l"


def _draw_search(layout, settings: bpy.types.PropertyGroup) -> None:
    row = layout.row(align=True)
    row.prop(settings, "bones_search", text="", icon="VIEWZOOM")
    row.prop(settings, "bones_doubtful", text="", icon="ERROR")
    if not settings.bones_search and not settings.bones_doubtful:
        layout.row(align=True).prop(settings, "bones_part", expand=True)


CLASSES = (INTERMOE_UL_bones, INTERMOE_PT_bones)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
