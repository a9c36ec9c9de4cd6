# SPDX-License-Identifier: GPL-3.0-or-later
"""Contacts of a take as data: what touches what, from when to when. Listed, edited, kept with the take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ...take import Take
from ..errors import RigError
from .parts import FEET, INDEX

FLOOR = "floor"
ACTORS = ("A", "B")
META_KEY = "contacts"
SCHEMA = 1


@dataclass(frozen=True)
class SurfacePoint:
    """A place on a part's capsule: along 0 (start) to 1 (end) of its axis, outward (x, y, z) from the axis
    in the part's own frame, which in the T-pose is x to the left, y up, z forward."""

    along: float
    outward: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not 0 <= self.along <= 1 or not np.linalg.norm(self.outward) > 1e-6:
            raise RigError("A place on a part needs 'along' from 0 to 1 and a direction 'outward'.")


@dataclass(frozen=True)
class Contact:
    """One touch between the two people, or of a foot and the floor.

    first, second: who: "A" or "B"; for the floor, second is "floor". first_part, second_part: names of
    `parts.PARTS`, or "floor". start, end: seconds of the take, onset and release. strength: 0 to 1, how
    firmly it is kept where it is in another contact's way. first_place, second_place: where on the parts;
    None follows the take's nearest points. gap: metres between the surfaces on the take's bodies; None keeps
    the take's own gap from frame to frame, 0 makes them meet.
    """

    first: str
    first_part: str
    second: str
    second_part: str
    start: float
    end: float
    strength: float = 1.0
    first_place: SurfacePoint | None = None
    second_place: SurfacePoint | None = None
    gap: float | None = None

    def __post_init__(self) -> None:
        floor = self.second == FLOOR or self.second_part == FLOOR
        if self.first not in ACTORS or self.second not in (*ACTORS, FLOOR):
            raise RigError("A contact is between 'A' and 'B', or one of them and the 'floor'.")
        if floor and (self.second_part != FLOOR or self.second != FLOOR or self.first_part not in FEET):
            raise RigError(
                f"Only {' and '.join(FEET)} touch the floor; name both sides of a floor contact so."
            )
        if not floor and self.first == self.second:
            raise RigError("A contact is between two people; name 'A' on one side and 'B' on the other.")
        for part in (self.first_part, self.second_part):
            if part not in INDEX and part != FLOOR:
                raise RigError(f"'{part}' is not a part that can touch; use {', '.join(INDEX)}.")
        if not 0 <= self.start <= self.end < float("inf"):
            raise RigError("A contact must start at or after 0 s and end after its start.")
        if not 0 <= self.strength <= 1:
            raise RigError(f"A contact's strength is {self.strength}; use 0 to 1.")

    @property
    def on_floor(self) -> bool:
        return self.second == FLOOR

    def frames(self, fps: float, count: int) -> slice:
        """The frames in which it holds, of `count` at `fps`: at least one if it begins within the take."""
        first = min(round(self.start * fps), count)
        return slice(first, min(max(round(self.end * fps), first + 1), count))

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Contact:
        """The inverse of to_dict; RigError where it is no contact."""
        try:
            values = dict(data)
            for key in ("first_place", "second_place"):
                if values.get(key) is not None:
                    x, y, z = (float(v) for v in values[key]["outward"])
                    values[key] = SurfacePoint(float(values[key]["along"]), (x, y, z))
            return Contact(**values)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            if isinstance(error, RigError):
                raise
            raise RigError(f"This is not a contact ({error}); find the take's contacts again.") from error


@dataclass(frozen=True)
class ContactList:
    """The contacts of one take in order of onset. Every change gives a new list."""

    contacts: tuple[Contact, ...] = ()

    def __iter__(self):
        return iter(self.contacts)

    def __len__(self) -> int:
        return len(self.contacts)

    def __getitem__(self, index: int) -> Contact:
        return self.contacts[index]

    @staticmethod
    def of(contacts: Iterable[Contact]) -> ContactList:
        """In order of onset."""
        return ContactList(tuple(sorted(contacts, key=lambda c: (c.start, c.end, c.first, c.first_part))))

    def added(self, contact: Contact) -> ContactList:
        return ContactList.of((*self.contacts, contact))

    def removed(self, index: int) -> ContactList:
        return ContactList(tuple(c for i, c in enumerate(self.contacts) if i != index % len(self.contacts)))

    def edited(self, index: int, **changes: Any) -> ContactList:
        """With fields of one contact changed, as `dataclasses.replace`."""
        changed = replace(self.contacts[index], **changes)
        return self.removed(index).added(changed)

    def between_people(self) -> list[Contact]:
        return [c for c in self.contacts if not c.on_floor]

    def to_solve(self, fps: float, frames: int) -> ContactList:
        """Those between people that have any strength and begin within the take's `frames`."""
        spans = ((c, c.frames(fps, frames)) for c in self.between_people() if c.strength > 0)
        return ContactList.of(c for c, span in spans if span.start < span.stop)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"schema": SCHEMA, "contacts": [c.to_dict() for c in self.contacts]}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> ContactList:
        """The inverse of to_dict; RigError where it is no list of contacts."""
        try:
            schema, rows = int(data["schema"]), list(data["contacts"])
        except (TypeError, ValueError, KeyError) as error:
            raise RigError(f"This is not a list of contacts ({error}); find them again.") from error
        if schema > SCHEMA:
            raise RigError("These contacts were written by a newer version; update InterMoE.")
        return ContactList.of(Contact.from_dict(row) for row in rows)


def saved_contacts(take: Take) -> ContactList | None:
    """The contacts kept with a take (`meta["contacts"]`), None where it has none. Raises RigError."""
    data = take.meta.get(META_KEY)
    return None if data is None else ContactList.from_dict(data)


def with_contacts(take: Take, contacts: ContactList | None) -> Take:
    """The same take with these contacts kept in its meta; None takes them out."""
    meta = {key: value for key, value in take.meta.items() if key != META_KEY}
    if contacts is not None:
        meta[META_KEY] = contacts.to_dict()
    return replace(take, meta=meta)
