# SPDX-License-Identifier: GPL-3.0-or-later
"""Contacts as data, and contacts found in motions into which they were scripted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from intermoe_engine.bench.takes import SCRIPTED, ScriptedTake
from intermoe_engine.retarget import RigError
from intermoe_engine.retarget.source import SourceActor
from intermoe_engine.retarget.touch import (
    Contact,
    ContactList,
    SurfacePoint,
    contacts_of,
    find_contacts,
    saved_contacts,
    with_contacts,
)
from intermoe_engine.retarget.touch.body import Body
from intermoe_engine.retarget.touch.parts import INDEX
from intermoe_engine.take import Take


@pytest.fixture(scope="module", params=sorted(SCRIPTED))
def scripted(request: pytest.FixtureRequest) -> ScriptedTake:
    return SCRIPTED[request.param]()


def test_scripted_contacts_are_found(scripted: ScriptedTake) -> None:
    """Each with its parts; the whole of the scripted time, and at most the approach besides."""
    found = contacts_of(scripted.take).between_people()
    for first, first_part, second, second_part, start, end in scripted.contacts:
        there = [
            c
            for c in found
            if (c.first, c.first_part, c.second, c.second_part) == (first, first_part, second, second_part)
        ]
        assert len(there) == 1, f"{first_part} on {second_part}"
        contact = there[0]
        assert contact.start <= start + 1e-6 and contact.end >= end - 1e-6
        assert contact.start > start - 0.35 and contact.end < end + 0.35
        assert contact.strength == 1.0


def test_people_apart_touch_nothing(scripted: ScriptedTake) -> None:
    """The same motions with B two metres farther away: feet touch the floor, and nothing else is found."""
    sources = [SourceActor.from_motion(motion) for motion in scripted.take.actors]
    far = sources[1].positions + np.array([0.0, 0.0, 2.0])
    moved = SourceActor(
        far, sources[1].quaternions, sources[1].matrices, sources[1].contacts, sources[1].rest_offsets
    )
    contacts = find_contacts([sources[0], moved], scripted.take.fps)
    assert contacts.between_people() == []
    assert {c.first_part for c in contacts} == {"l_foot", "r_foot"}


def test_floor_contacts_are_the_flags() -> None:
    take = SCRIPTED["push"]().take
    rows = [c for c in contacts_of(take) if c.on_floor and c.first == "B" and c.first_part == "r_foot"]
    flags = np.zeros(take.frames, dtype=bool)
    for contact in rows:
        flags[contact.frames(take.fps, take.frames)] = True
    np.testing.assert_array_equal(flags, take.actors[1].foot_contacts[:, 2:].max(axis=-1) > 0.5)
    assert len(rows) == 2  # before and after the step back


def test_palm_lies_on_the_surface() -> None:
    """The scripted palm is where the capsule's surface is, by the distance of points from a segment."""
    scripted = SCRIPTED["push"]()
    a, b = (Body.of_source(SourceActor.from_motion(m)) for m in scripted.take.actors)
    frame = round(1.0 * scripted.take.fps)
    palm = a.axis_point("l_hand", np.full(a.frames, 0.45))[frame]
    starts, ends = b.ends()
    start, end = starts[frame, INDEX["chest"]], ends[frame, INDEX["chest"]]
    samples = start + np.linspace(0, 1, 2001)[:, None] * (end - start)
    distance = np.linalg.norm(samples - palm, axis=-1).min()
    thick = a.radii[INDEX["l_hand"]] + b.radii[INDEX["chest"]]
    assert distance == pytest.approx(thick, abs=2e-3)


def test_list_is_edited_and_saved_with_the_take(tmp_path: Path) -> None:
    take = SCRIPTED["handshake"]().take
    found = contacts_of(take)
    assert saved_contacts(take) is None
    extra = Contact(
        "B", "l_hand", "A", "l_upper_arm", 0.2, 0.9, 0.5, second_place=SurfacePoint(0.1, (0, 1, 0)), gap=0.0
    )
    changed = found.added(extra)
    assert len(changed) == len(found) + 1 and extra in list(changed)
    index = list(changed).index(extra)
    later = changed.edited(index, end=1.5)
    assert later[list(later).index(next(c for c in later if c.end == 1.5))].start == 0.2
    assert list(changed.removed(index)) == list(found)
    loaded = Take.load(with_contacts(take, later).save(tmp_path / "take.npz"))
    assert saved_contacts(loaded) == later == contacts_of(loaded)
    assert saved_contacts(with_contacts(loaded, None)) is None
    assert saved_contacts(Take.load(take.save(tmp_path / "old.npz"))) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"first": "C"}, {"second": "A"}, {"first_part": "nose"}, {"second": "floor"}, {"start": 2.0},
        {"strength": 1.5}, {"end": float("nan")}, {"second_place": {"along": 2.0, "outward": [0, 1, 0]}},
        {"second_place": {"along": 0.5}}, {"no_such": 1},
    ],
    ids=str,
)  # fmt: skip
def test_contacts_that_cannot_be_are_refused(changes: dict) -> None:
    row = Contact("A", "r_hand", "B", "chest", 0.5, 1.0).to_dict()
    assert ContactList.from_dict({"schema": 1, "contacts": [row]})[0].end == 1.0
    with pytest.raises(RigError):
        ContactList.from_dict({"schema": 1, "contacts": [{**row, **changes}]})
