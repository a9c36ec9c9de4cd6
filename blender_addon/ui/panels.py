# SPDX-License-Identifier: GPL-3.0-or-later
"""The InterMoE tab of the 3D view's sidebar. Draws only: every decision is made elsewhere."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportOptionalMemberAccess=false

import bpy

from ..engine import bundle_card
from ..engine import session as engine_session
from ..takes import cast
from ..takes import export as take_export
from ..takes import info as take_info
from ..takes import quality as take_quality
from ..takes.job import Phase
from . import bone_rows, bones_panel
from .text import characters_across, duration_text, wrapped_labels


class _Tab:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "InterMoE"


class INTERMOE_PT_take(_Tab, bpy.types.Panel):
    bl_label = "Two Characters"
    bl_idname = "INTERMOE_PT_take"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        settings = context.scene.intermoe
        _draw_prompt(layout, context, settings)
        _draw_cast(layout, context, settings)
        _draw_time(layout, settings)
        _draw_generate(layout, context)


class INTERMOE_PT_advanced(_Tab, bpy.types.Panel):
    bl_label = "Advanced"
    bl_parent_id = "INTERMOE_PT_take"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 3

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        settings = context.scene.intermoe
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "recommended", text="Recommended")
        card = bundle_card.current(context)
        if settings.recommended and card is not None:
            column = layout.column(align=True)
            column.active = False
            column.label(
                text=f"{card.default_steps} steps, guidance {card.default_guidance:g}", icon="BLANK1"
            )
        else:
            column = layout.column(align=True)
            column.prop(settings, "steps")
            column.prop(settings, "guidance")
        layout.prop(settings, "cleanup")


class INTERMOE_PT_result(_Tab, bpy.types.Panel):
    bl_label = "Take"
    bl_parent_id = "INTERMOE_PT_take"
    bl_order = 4

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.scene.intermoe_take.exists

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        take = context.scene.intermoe_take
        if take_info.is_of_other_request(take, context.scene.intermoe):
            wrapped_labels(layout, f"{take.prompt} (seed {take.seed})", characters_across(context))
        grid = layout.column(align=True)
        for name, value in take_info.rows(take):
            split = grid.split(factor=0.45)
            left = split.row()
            left.active = False
            left.alignment = "RIGHT"
            left.label(text=name)
            split.label(text=value)
        _draw_quality(layout, take)
        if take_info.outside_scene_range(take, context.scene):
            layout.operator("intermoe.fit_scene_range", icon="PREVIEW_RANGE")
        layout.operator("intermoe.apply_take", icon="FILE_REFRESH")


class INTERMOE_PT_export(_Tab, bpy.types.Panel):
    bl_label = "Export"
    bl_parent_id = "INTERMOE_PT_take"
    bl_order = 5

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.scene.intermoe_take.exists

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        settings = context.scene.intermoe
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(settings, "export_preset")
        column.prop(settings, "export_folder", placeholder="Beside the .blend")
        column.prop(settings, "export_name")
        row = layout.row()
        row.scale_y = 1.3
        row.operator("intermoe.export_fbx", icon="EXPORT")
        problem, names = take_export.preview(context.scene)
        if problem:
            wrapped_labels(layout, problem, characters_across(context), "INFO")
        note = layout.column(align=True)
        note.active = False
        for name in names:
            note.label(text=name)


def _draw_quality(layout: bpy.types.UILayout, take: bpy.types.PropertyGroup) -> None:
    rows = take_quality.rows(take.report)
    if not rows:
        return
    grid = layout.box().column(align=True)
    for row in (take_quality.QualityRow("", "Before", "After"), *rows):
        split = grid.split(factor=0.44)
        left = split.row()
        left.active = False
        left.label(text=row.name)
        for value in (row.before, row.after):
            cell = split.row()
            cell.alignment = "RIGHT"
            cell.active = bool(row.name)
            cell.label(text=value)


def _draw_prompt(
    layout: bpy.types.UILayout, context: bpy.types.Context, settings: bpy.types.PropertyGroup
) -> None:
    column = layout.column(align=True)
    column.prop(settings, "prompt", text="")
    column.operator("intermoe.choose_example", icon="VIEWZOOM")
    across = characters_across(context)
    if len(settings.prompt) > across - 6:
        echo = layout.column()
        echo.active = False
        wrapped_labels(echo, settings.prompt, across)


def _draw_cast(
    layout: bpy.types.UILayout, context: bpy.types.Context, settings: bpy.types.PropertyGroup
) -> None:
    row = layout.row(align=True)
    slots = row.column(align=True)
    for role in cast.ROLES:
        split = slots.split(factor=0.12, align=True)
        split.label(text=role)
        split.prop(settings, f"actor_{role.lower()}", text="", icon="OUTLINER_OB_ARMATURE")
    swap = row.column(align=True)
    swap.scale_y = 2.0
    swap.operator("intermoe.swap_cast", text="", icon="UV_SYNC_SELECT")
    row = layout.row(align=True)
    row.operator("intermoe.use_selected", icon="RESTRICT_SELECT_OFF")
    row.operator("intermoe.add_mannequins", icon="OUTLINER_OB_ARMATURE")
    for role in cast.ROLES:
        notice = bones_panel.summary(bone_rows.table_of(settings, role))
        if notice:
            wrapped_labels(layout, notice, characters_across(context), "ERROR")


def _draw_time(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    column.prop(settings, "duration")
    row = column.row(align=True)
    row.prop(settings, "seed")
    row.operator("intermoe.roll_seed", text="", icon="FILE_3D")
    row.prop(settings, "keep_seed", text="", icon="LOCKED" if settings.keep_seed else "UNLOCKED")
    column.prop(settings, "place")
    column.prop(settings, "start")


def _draw_generate(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    session = engine_session.current()
    across = characters_across(context)
    job = session.job
    if job is not None and job.phase.running:
        column = layout.column(align=True)
        column.scale_y = 1.3
        column.progress(factor=job.fraction, type="BAR", text=f"{job.stage}  {job.fraction:.0%}")
        column.operator("intermoe.cancel", icon="CANCEL")
        left = job.seconds_left()
        if job.phase is Phase.READY:
            wrapped_labels(
                layout, "The take is ready. Go back to Object or Pose mode to place it", across, "INFO"
            )
        else:
            note = layout.row()
            note.active = False
            note.label(text=duration_text(left), icon="TIME")
    else:
        problem = engine_session.problem(context)
        row = layout.row()
        row.scale_y = 1.6
        row.operator("intermoe.generate", icon="PLAY")
        if problem:
            wrapped_labels(layout, problem, across, "INFO")
    if session.message:
        box = layout.box()
        box.alert = session.failed
        wrapped_labels(box, session.message, across - 3, "ERROR" if session.failed else "INFO")
    foot = layout.row()
    foot.active = False
    foot.alignment = "RIGHT"
    foot.label(text=bundle_card.engine_line(context, session.device))


CLASSES = (INTERMOE_PT_take, INTERMOE_PT_advanced, INTERMOE_PT_result, INTERMOE_PT_export)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
