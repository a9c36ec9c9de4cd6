# SPDX-License-Identifier: GPL-3.0-or-later
"""The touches of a take as rows of the scene: found by the engine, edited here, kept with the take.

The rows are in the scene, so that they follow undo. They go into the take's file at the next fit.
"""
# Blender reads properties from annotations, so they must stay objects: no postponed annotations here.
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportInvalidTypeForm=false, reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportGeneralTypeIssues=false

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

from intermoe_engine.retarget.touch import PARTS, Contact, ContactList, saved_contacts, with_contacts
from intermoe_engine.take import Take

from .timed_row import TimedRow

_SIDES = {"l_": " L", "r_": " R"}
_PARTS = tuple((part.name, f"{part.label.capitalize()}{_SIDES.get(part.name[:2], '')}", "") for part in PARTS)
LABELS = {name: label for name, label, _ in _PARTS}


class InterMoETouch(TimedRow, bpy.types.PropertyGroup):
    """One touch between A and B."""

    part_a: EnumProperty(
        name="A's Part",
        description="Part of A that touches",
        items=_PARTS,
        update=lambda row, _context: row.forget_places(),
    )
    part_b: EnumProperty(
        name="B's Part",
        description="Part of B that is touched",
        items=_PARTS,
        update=lambda row, _context: row.forget_places(),
    )
    strength: FloatProperty(
        name="Firmness",
        description="How firmly this touch is kept where others are in its way. 0: not at all",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    b_first: BoolProperty()
    details: StringProperty()
    gap: FloatProperty(default=-1.0)

    @property
    def label(self) -> str:
        """A's part, then B's: "Hand L – Chest"."""
        return f"{LABELS[self.part_a]} – {LABELS[self.part_b]}"

    def forget_places(self) -> None:
        """Where exactly they touch belonged to the parts before."""
        self.details, self.gap = "", -1.0

    def fill(self, contact: Contact) -> None:
        """Take over a contact between the two people."""
        self.b_first = contact.first == "B"
        parts = (contact.first_part, contact.second_part)
        self.part_a, self.part_b = parts[::-1] if self.b_first else parts
        self.start, self.end, self.strength = contact.start, contact.end, contact.strength
        data = contact.to_dict()
        self.details = json.dumps({key: data[key] for key in ("first_place", "second_place", "gap")})

    def contact(self) -> Contact:
        """The row as the engine knows it. Raises RigError."""
        parts = (self.part_b, self.part_a) if self.b_first else (self.part_a, self.part_b)
        return Contact.from_dict(
            {
                "first": "B" if self.b_first else "A",
                "first_part": parts[0],
                "second": "A" if self.b_first else "B",
                "second_part": parts[1],
                "start": round(self.start, 6),
                "end": round(self.end, 6),
                "strength": round(self.strength, 6),
                **(json.loads(self.details) if self.details else {}),
            }
        )


def fill(take: bpy.types.PropertyGroup, contacts: ContactList, report: Mapping[str, Any]) -> None:
    """Show the touches that a fit used, with how far each was off."""
    gaps = {_key(row): row["gap_error_mm"] for row in report.get("touch", {}).get("contacts", ())}
    take.touches.clear()
    for contact in contacts.between_people():
        row = take.touches.add()
        row.fill(contact)
        row.gap = gaps.get(_key(contact.to_dict()), -1.0)
    take.stands.clear()
    for contact in contacts:
        if contact.on_floor:
            take.stands.add().fill(contact)
    take.fitted_touches = text_of(take)
    take.active_touch = min(take.active_touch, max(len(take.touches) - 1, 0))
    take.active_stand = min(take.active_stand, max(len(take.stands) - 1, 0))


def contacts_of(take: bpy.types.PropertyGroup) -> ContactList:
    """All rows, of touches and of feet. Raises RigError."""
    return ContactList.of(row.contact() for row in (*take.stands, *take.touches))


def text_of(take: bpy.types.PropertyGroup) -> str:
    """The rows as text, to tell whether they were edited."""
    return json.dumps([row.contact().to_dict() for row in (*take.touches, *take.stands)])


def edited(take: bpy.types.PropertyGroup) -> bool:
    """Whether the rows differ from those that the keys were made with."""
    return bool(take.fitted_touches) and text_of(take) != take.fitted_touches


def keep(take: bpy.types.PropertyGroup, path: Path) -> None:
    """Write the rows into the take's file, if it has others. Raises RigError, TakeError, OSError."""
    if not take.fitted_touches:
        return
    stored, contacts = Take.load(path), contacts_of(take)
    if saved_contacts(stored) != contacts:
        with_contacts(stored, contacts).save(path)


def forget(take: bpy.types.PropertyGroup, path: Path) -> None:
    """Let the next fit find the touches anew. Raises TakeError, OSError."""
    stored = Take.load(path)
    if saved_contacts(stored) is not None:
        with_contacts(stored, None).save(path)
    take.touches.clear()
    take.stands.clear()
    take.fitted_touches = ""


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("first", "first_part", "second", "second_part")
    return (*(row[name] for name in names), round(row["start"], 3), round(row["end"], 3))


register, unregister = bpy.utils.register_classes_factory((InterMoETouch,))
