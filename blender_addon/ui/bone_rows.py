# SPDX-License-Identifier: GPL-3.0-or-later
"""The bone map of a character as rows that Blender can draw and edit.

The rows mirror the engine's table; `refresh` fills them, and an edit of a row goes through `bone_edit` to
the armature object, which keeps it (`bone_map`).
"""
# Blender reads properties from annotations, so they must stay objects: no postponed annotations here.
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportInvalidTypeForm=false, reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportGeneralTypeIssues=false

import re

import bpy
from bpy.props import CollectionProperty, FloatProperty, IntProperty, StringProperty

from intermoe_engine.retarget import REQUIRED, SLOTS, BoneMapping, RigError, slot_label
from intermoe_engine.retarget.limb_controls import limbs_with_ik
from intermoe_engine.retarget.mapping import CHAIN_SLOTS, FINGER_SLOTS, TWIST_SLOTS

from ..rigs import bone_edit, bone_map
from ..rigs.reading import read_rig
from . import rig_report

SURE, LIKELY = 0.75, 0.45
"""From these confidences on a row counts as sure, and as worth a look."""

_CHAIN_PLACES = {"spine": 6, "neck": 4, **dict.fromkeys(TWIST_SLOTS, 3), **dict.fromkeys(FINGER_SLOTS, 4)}
_ORDER = (*(joint for joint in SLOTS if joint != "root"), "root")  # what few rigs have comes last
_filling = False


class InterMoEBoneRow(bpy.types.PropertyGroup):
    """One cell of the table; `name` is what the animator reads."""

    joint: StringProperty()
    place: IntProperty()
    bone: StringProperty(
        name="Bone",
        description="Bone of the character that does this. Empty: it stays at rest",
        update=lambda row, _context: _edited(row),
    )
    reason: StringProperty()
    confidence: FloatProperty()

    @property
    def part(self) -> str:
        """body, fingers or twist."""
        return "fingers" if self.joint in FINGER_SLOTS else "twist" if self.joint in TWIST_SLOTS else "body"

    @property
    def short_bone(self) -> str:
        """The bone's name without the namespace that all bones of a rig share."""
        return re.split(r"[:|]", self.bone)[-1]

    @property
    def required(self) -> bool:
        return self.joint in REQUIRED

    @property
    def state(self) -> str:
        """sure, likely, unsure, missing (must be filled), or empty (may stay so)."""
        if not self.bone:
            return "missing" if self.required else "empty"
        return "sure" if self.confidence >= SURE else "likely" if self.confidence >= LIKELY else "unsure"


class InterMoEBoneTable(bpy.types.PropertyGroup):
    """The rows of one character."""

    rows: CollectionProperty(type=InterMoEBoneRow)
    active: IntProperty(name="Row", description="Part of the body that the buttons below are about")
    rig: StringProperty()
    preset: StringProperty()
    kept: StringProperty()
    problem: StringProperty()
    limbs_with_ik: IntProperty()

    @property
    def selected(self) -> InterMoEBoneRow | None:
        return self.rows[self.active] if 0 <= self.active < len(self.rows) else None

    def count(self, *states: str) -> int:
        """How many rows are in one of these states."""
        return sum(row.state in states for row in self.rows)

    def is_stale(self, rig: bpy.types.Object) -> bool:
        """Whether the rig was renamed, exchanged or mapped elsewhere since the rows were filled."""
        return (self.rig, self.kept) != (rig.name, bone_map.text_on(rig))


def table_of(settings: bpy.types.PropertyGroup, role: str) -> InterMoEBoneTable:
    """The rows of character "A" or "B"."""
    return getattr(settings, f"bones_{role.lower()}")


def rig_of(settings: bpy.types.PropertyGroup, role: str) -> bpy.types.Object | None:
    """The armature that is cast as "A" or "B"."""
    return getattr(settings, f"actor_{role.lower()}")


def refresh(settings: bpy.types.PropertyGroup, role: str) -> None:
    """Fill the rows of a character from its rig: the map that it keeps, else the one that is found."""
    table, rig = table_of(settings, role), rig_of(settings, role)
    table.problem = ""
    try:
        if rig is None:
            table.rows.clear()
            table.rig, table.limbs_with_ik = "", 0
            return
        description = read_rig(rig)
        mapping = bone_map.shown(rig, description)
        _fill(table, rig, mapping)
        table.limbs_with_ik = len(limbs_with_ik(description, mapping))
    except RigError as error:
        table.rows.clear()
        table.rig, table.problem = rig.name, str(error)


def apply(settings: bpy.types.PropertyGroup, role: str, mapping: BoneMapping) -> None:
    """Keep a mapping on the character's rig and show it, on the other slot too if it is the same rig.

    Raises RigError.
    """
    rig = rig_of(settings, role)
    if rig is None:
        raise RigError(f"Choose an armature for character {role} first")
    bone_map.keep(rig, mapping)
    rig_report.forget(rig)
    for other in ("A", "B"):
        if rig_of(settings, other) == rig:
            _fill(table_of(settings, other), rig, mapping)


def sentence(row: InterMoEBoneRow) -> str:
    """Why the row holds what it holds, and how sure that is."""
    if not row.bone:
        need = "this one is needed" if row.required else "it may stay empty"
        return f"{row.name}: {row.reason or 'no bone'}; {need}"
    return f"{row.bone}: {row.reason} ({row.confidence:.0%} sure)"


def _fill(table: InterMoEBoneTable, rig: bpy.types.Object, mapping: BoneMapping) -> None:
    global _filling
    rows = {row.joint: row for row in mapping.rows}
    cells = [
        (joint, place)
        for joint in _ORDER
        for place in range(max(_CHAIN_PLACES.get(joint, 1), len(rows[joint].bones) if joint in rows else 0))
    ]
    _filling = True
    try:
        # Rows are reused, since this may run while one of them is being edited.
        while len(table.rows) > len(cells):
            table.rows.remove(len(table.rows) - 1)
        while len(table.rows) < len(cells):
            table.rows.add()
        for cell, (joint, place) in zip(table.rows, cells, strict=True):
            row = rows.get(joint)
            bones = row.bones if row is not None else ()
            cell.joint, cell.place = joint, place
            cell.name = _label(joint, place)
            cell.bone = bones[place] if place < len(bones) else ""
            cell.reason = row.reason if row is not None else ""
            cell.confidence = row.confidence if row is not None else 0.0
        table.rig, table.preset = rig.name, mapping.preset
        table.kept = bone_map.text_on(rig)
    finally:
        _filling = False


def _label(joint: str, place: int) -> str:
    """Short, with the side at the end as in Blender's own names: "Lower arm L", "Index finger 2 R"."""
    if joint == "root":
        return "Root control"
    name = slot_label(joint)
    side = {"left ": " L", "right ": " R"}.get(name[: name.find(" ") + 1], "")
    name = name.partition(" ")[2] if side else name
    return f"{name[0].upper()}{name[1:]}{f' {place + 1}' if joint in CHAIN_SLOTS else ''}{side}"


def _edited(row: InterMoEBoneRow) -> None:
    """A bone was chosen in a row: keep the whole map on the rig."""
    if _filling:
        return
    settings = row.id_data.intermoe
    role = "A" if "bones_a" in row.path_from_id() else "B"
    table, rig = table_of(settings, role), rig_of(settings, role)
    if rig is None:
        return
    try:
        description = read_rig(rig)
        mapping = bone_map.shown(rig, description)
        if row.bone and row.bone not in description.index:
            table.problem = f"{rig.name} has no bone called {row.bone}"
            _fill(table, rig, mapping)
            return
        cell = bone_edit.Cell(row.joint, row.place)
        apply(settings, role, bone_edit.with_bone(mapping, cell, row.bone))
        table.problem = ""
    except RigError as error:
        table.problem = str(error)


CLASSES = (InterMoEBoneRow, InterMoEBoneTable)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
