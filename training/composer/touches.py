# SPDX-License-Identifier: GPL-3.0-or-later
"""The last centimetres of every touch: the retargeter's pair solver on the two composed people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from intermoe_engine.intervals import runs
from intermoe_engine.retarget.touch.contact import Contact, ContactList, SurfacePoint
from intermoe_engine.retarget.touch.on_take import touch_take
from intermoe_engine.take import Take

from .draw import Draw
from .meeting import OUTWARD, Meeting, Pair

_ACTORS = "AB"


def touching(figures: Pair, plan: Draw, found: list[Meeting]) -> Pair:
    """Both figures with every touch of the score on the frames on which it is to hold, bodies apart."""
    contacts = [contact for meeting in found for contact in _contacts(plan, meeting, figures[0].fps)]
    take = Take("", 0, figures[0].fps, (figures[0].motion(), figures[1].motion()))
    solved = touch_take(take, ContactList.of(contacts))[0]
    if solved is take:
        return figures
    a, b = (
        replace(figure, root=actor.root_translation, local=actor.joint_rotations)
        for figure, actor in zip(figures, solved.actors, strict=True)
    )
    return a, b


def _contacts(plan: Draw, meeting: Meeting, fps: float) -> list[Contact]:
    row = meeting.row
    place = None
    if plan.word(row.side) != "near" or row.along is not None:
        outward = OUTWARD.get(plan.word(row.side))
        if outward is not None:
            place = SurfacePoint(plan.optional(row.along, 0.5), outward)
    return [
        Contact(
            _ACTORS[meeting.who], meeting.part, _ACTORS[1 - meeting.who], meeting.on,
            start=float(start) / fps, end=float(end - 1) / fps, strength=plan.number(row.strength),
            second_place=place, gap=plan.number(row.gap),
        )
        for start, end in zip(*runs(np.asarray(meeting.touching)), strict=True)
    ]  # fmt: skip
