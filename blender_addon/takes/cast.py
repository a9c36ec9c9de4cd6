# SPDX-License-Identifier: GPL-3.0-or-later
"""The two characters of a take: finding them in the selection, naming them, and saying what is wrong."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import bpy

ROLES = ("A", "B")


@dataclass(frozen=True)
class RigHandle:
    """Which armature object is meant, so that it is found again after undo, renaming or deletion."""

    uid: int
    name: str

    @staticmethod
    def of(rig: bpy.types.Object) -> RigHandle:
        return RigHandle(rig.session_uid, rig.name)

    def find(self, scene: bpy.types.Scene) -> bpy.types.Object | None:
        """The object, by session id, else by name; None when it is no longer in the scene."""
        by_uid = (rig for rig in scene.objects if rig.session_uid == self.uid)
        rig = next(by_uid, None) or scene.objects.get(self.name)
        return rig if rig is not None and rig.type == "ARMATURE" else None


def armature_of(item: bpy.types.Object) -> bpy.types.Object | None:
    """The armature that an object is, or that deforms it, or that it hangs on."""
    if item.type == "ARMATURE":
        return item
    for modifier in item.modifiers:
        if isinstance(modifier, bpy.types.ArmatureModifier) and modifier.object:
            return modifier.object
    return armature_of(item.parent) if item.parent else None


def armatures_in(
    items: Iterable[bpy.types.Object], active: bpy.types.Object | None
) -> list[bpy.types.Object]:
    """The armatures behind a selection, each once, that of the active object first."""
    items = list(items)
    if active is not None and active in items:
        items.remove(active)
        items.insert(0, active)
    rigs = [armature_of(item) for item in items]
    return list(dict.fromkeys(rig for rig in rigs if rig is not None))


def fill_slots(settings: bpy.types.PropertyGroup, rigs: list[bpy.types.Object]) -> str:
    """Put one or two armatures into the cast. Returns what was done, or raises ValueError with what to do."""
    if not rigs or len(rigs) > 2:
        found = "no armature is" if not rigs else f"{len(rigs)} armatures are"
        raise ValueError(f"{found} selected: select the two characters (or one, to fill the free slot) first")
    if len(rigs) == 2:
        settings.actor_a, settings.actor_b = rigs
        return f"A is {rigs[0].name}, B is {rigs[1].name}"
    rig = rigs[0]
    if settings.actor_a is None or (settings.actor_b is not None and settings.actor_b != rig):
        settings.actor_a = rig
        return f"A is {rig.name}"
    if settings.actor_a == rig:
        raise ValueError(f"{rig.name} is already character A: select the other one")
    settings.actor_b = rig
    return f"B is {rig.name}"


def cast_problem(scene: bpy.types.Scene) -> str:
    """Why the cast cannot act, in one sentence that says what to do; empty when it can."""
    settings = scene.intermoe
    rigs = (settings.actor_a, settings.actor_b)
    for role, rig in zip(ROLES, rigs, strict=True):
        if rig is None:
            return f"Choose an armature for character {role}, or add the mannequins"
        if scene.objects.get(rig.name) is None:
            return f"{rig.name} is no longer in the scene: choose another character {role}"
        if rig.library is not None:
            return f"{rig.name} is linked: make a library override of it (Object > Library Override) first"
        if not rig.data.bones:
            return f"{rig.name} has no bones: choose another character {role}"
    if rigs[0] == rigs[1]:
        return "Both slots hold the same armature: choose two different characters"
    return ""
