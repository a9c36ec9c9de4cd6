# SPDX-License-Identifier: GPL-3.0-or-later
"""When which foot of a take stands, as rows of the scene: found by the engine, edited here."""
# Blender reads properties from annotations, so they must stay objects: no postponed annotations here.
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportInvalidTypeForm=false, reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportGeneralTypeIssues=false

import bpy
from bpy.props import BoolProperty, EnumProperty

from intermoe_engine.retarget.touch import Contact
from intermoe_engine.retarget.touch.contact import FLOOR

from .timed_row import TimedRow

_FEET = {"l_foot": "Foot L", "r_foot": "Foot R"}


class InterMoEStand(TimedRow, bpy.types.PropertyGroup):
    """One foot on the floor, from when to when."""

    actor: EnumProperty(
        name="Character",
        description="Whose foot it is",
        items=(("A", "A", "Character A"), ("B", "B", "Character B")),
    )
    foot: EnumProperty(
        name="Foot",
        description="Which foot stands",
        items=tuple((part, label, "") for part, label in _FEET.items()),
    )
    held: BoolProperty(
        name="Stands",
        description="On: the foot is locked in these frames, wherever it is. Off: it is free",
        default=True,
    )

    @property
    def label(self) -> str:
        """Whose and which: "A  Foot L"."""
        return f"{self.actor}  {_FEET[self.foot]}"

    def fill(self, contact: Contact) -> None:
        """Take over a contact with the floor."""
        self.actor, self.foot, self.held = contact.first, contact.first_part, contact.strength > 0
        self.start, self.end = contact.start, contact.end

    def contact(self) -> Contact:
        """The row as the engine knows it. Raises RigError."""
        times = {"start": round(self.start, 6), "end": round(self.end, 6)}
        return Contact(self.actor, self.foot, FLOOR, FLOOR, **times, strength=float(self.held))


register, unregister = bpy.utils.register_classes_factory((InterMoEStand,))
