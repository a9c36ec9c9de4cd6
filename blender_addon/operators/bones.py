# SPDX-License-Identifier: GPL-3.0-or-later
"""Editing which bone does what on a character. The changes themselves are made by bone_edit and bone_map."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false
# pyright: reportOptionalMemberAccess=false

import bpy
from bpy.props import EnumProperty, IntProperty

from intermoe_engine.retarget import RigError

from ..rigs import bone_edit, bone_map
from ..rigs.reading import read_rig
from ..ui import bone_rows, rig_report
from .shown_character import ShownCharacter


class INTERMOE_OT_find_bones(ShownCharacter, bpy.types.Operator):
    """Find the bones of this character by names and structure, and drop what was chosen by hand"""

    bl_idname = "intermoe.find_bones"
    bl_label = "Find Again"
    bl_options = {"REGISTER", "UNDO"}

    def change(self, _context, settings, role, rig) -> str:
        bone_map.forget(rig)
        for other in ("A", "B"):
            if bone_rows.rig_of(settings, other) == rig:
                bone_rows.refresh(settings, other)
        table = bone_rows.table_of(settings, role)
        missing = table.count("missing")
        return f"{rig.name}: {table.count('sure', 'likely', 'unsure')} bones found" + (
            f", {missing} needed ones are not" if missing else ""
        )


class INTERMOE_OT_reload_bones(bpy.types.Operator):
    """Show the bones of both characters as they are now"""

    bl_idname = "intermoe.reload_bones"
    bl_label = "Show Bones"
    bl_options = {"INTERNAL", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        for role in ("A", "B"):
            bone_rows.refresh(context.scene.intermoe, role)
        return {"FINISHED"}


class INTERMOE_OT_pick_bone(ShownCharacter, bpy.types.Operator):
    """Use the bone that is active in the viewport for the selected row: click on it in Pose mode first"""

    bl_idname = "intermoe.pick_bone"
    bl_label = "Pick Active Bone"
    bl_options = {"REGISTER", "UNDO"}

    def change(self, context, settings, role, rig) -> str:
        row = _selected(settings, role)
        bone = _active_bone(context, rig)
        description = read_rig(rig)
        mapping = bone_map.shown(rig, description)
        cell = bone_edit.Cell(row.joint, row.place)
        label = row.name
        bone_rows.apply(settings, role, bone_edit.with_bone(mapping, cell, bone))
        return f"{label} is {bone}"


class INTERMOE_OT_clear_bone(ShownCharacter, bpy.types.Operator):
    """Leave this part of the body without a bone: it stays at rest"""

    bl_idname = "intermoe.clear_bone"
    bl_label = "Clear"
    bl_options = {"REGISTER", "UNDO"}

    def change(self, _context, settings, role, rig) -> str:
        row = _selected(settings, role)
        label = row.name
        mapping = bone_map.shown(rig, read_rig(rig))
        cell = bone_edit.Cell(row.joint, row.place)
        bone_rows.apply(settings, role, bone_edit.with_bone(mapping, cell, ""))
        return f"{label} has no bone"


class INTERMOE_OT_mirror_bones(ShownCharacter, bpy.types.Operator):
    """Fill one side of the body from the other: by names with the side swapped, else by mirrored place"""

    bl_idname = "intermoe.mirror_bones"
    bl_label = "Mirror"
    bl_options = {"REGISTER", "UNDO"}

    target: EnumProperty(  # type: ignore[valid-type]  # pyright: ignore[reportInvalidTypeForm]
        name="Fill",
        items=(
            ("r", "Right from Left", "Rows of the right side are filled from those of the left"),
            ("l", "Left from Right", "Rows of the left side are filled from those of the right"),
        ),
    )

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        sides = ("right", "left") if properties.target == "r" else ("left", "right")
        return "Fill the {} side from the {}: by names with the side swapped, else by mirrored place".format(
            *sides
        )

    def change(self, _context, settings, role, rig) -> str:
        description = read_rig(rig)
        mapping, count = bone_edit.mirrored(bone_map.shown(rig, description), description, self.target)
        if count:
            bone_rows.apply(settings, role, mapping)
        return f"{count} rows filled" if count else "Both sides agree already; nothing was changed"


class INTERMOE_OT_show_bone(ShownCharacter, bpy.types.Operator):
    """Show why this bone was chosen"""

    bl_idname = "intermoe.show_bone"
    bl_label = "Show Bone"
    bl_options = {"INTERNAL", "UNDO"}

    index: IntProperty()  # type: ignore[valid-type]  # pyright: ignore[reportInvalidTypeForm]

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        settings = context.scene.intermoe
        rows = bone_rows.table_of(settings, settings.bones_of).rows
        if not 0 <= properties.index < len(rows):
            return "Select this row"
        return f"{bone_rows.sentence(rows[properties.index])}. Click to select the bone in the viewport"

    def change(self, context, settings, role, rig) -> str:
        table = bone_rows.table_of(settings, role)
        table.active = min(self.index, len(table.rows) - 1)
        row = _selected(settings, role)
        bone = rig.data.bones.get(row.bone)
        if bone is None:
            return f"{row.name} has no bone"
        rig.data.bones.active = bone
        if context.mode == "POSE" and context.active_object == rig:
            for pose_bone in rig.pose.bones:
                _select(pose_bone, pose_bone.name == bone.name)
        return f"{row.name} is {bone.name}"


class INTERMOE_OT_check_rig(ShownCharacter, bpy.types.Operator):
    """Say in words what is wrong with this character before anything is generated"""

    bl_idname = "intermoe.check_rig"
    bl_label = "Check Character"
    bl_options = {"REGISTER"}

    def change(self, _context, _settings, _role, rig) -> str:
        findings = rig_report.examine(rig)
        worst = sum(finding.level != "ok" for finding in findings)
        return f"{rig.name}: {worst} things to look at" if worst else f"{rig.name} is ready"


def _selected(settings: bpy.types.PropertyGroup, role: str) -> bpy.types.PropertyGroup:
    row = bone_rows.table_of(settings, role).selected
    if row is None:
        raise RigError("Select a row of the list first")
    return row


def _active_bone(context: bpy.types.Context, rig: bpy.types.Object) -> str:
    """The bone of `rig` that is active in the viewport. Raises RigError."""
    item = context.active_object
    if item is None or item.type != "ARMATURE" or item.data != rig.data:
        raise RigError(f"Select {rig.name}, go to Pose mode and click on a bone first")
    bone = rig.data.edit_bones.active if context.mode == "EDIT_ARMATURE" else rig.data.bones.active
    if bone is None:
        raise RigError(f"No bone of {rig.name} is active: go to Pose mode and click on one first")
    return bone.name


def _select(pose_bone: bpy.types.PoseBone, state: bool) -> None:
    # Selection moved from the bone to the pose bone in 5.0.
    holder = pose_bone if hasattr(pose_bone, "select") else pose_bone.bone
    holder.select = state


CLASSES = (
    INTERMOE_OT_find_bones,
    INTERMOE_OT_reload_bones,
    INTERMOE_OT_pick_bone,
    INTERMOE_OT_clear_bone,
    INTERMOE_OT_mirror_bones,
    INTERMOE_OT_show_bone,
    INTERMOE_OT_check_rig,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
