# SPDX-License-Identifier: GPL-3.0-or-later
"""Contacts that a take does not have yet: where the reaching hand goes.

A contact that is found in a take says where its surfaces are; a goal must say it by itself. The palm goes
onto the other part's surface, whichever way the hand is turned; `palms.py` then turns it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .body import Body
from .closest import closest_on_segment, mix
from .contact import ACTORS, Contact, ContactList
from .finding import PALM
from .parts import HANDS, INDEX, POINTS, TRUNK
from .tracks import ContactTrack, contact_track, smoothed, unit

_SMOOTH = 0.1  # seconds to each side
PALM_SIDE = np.array([0.0, -1.0, 0.0])
"""Out of the palm of either hand in the T-pose."""


def goal_tracks(contacts: ContactList, bodies: tuple[Body, Body], fps: float) -> list[ContactTrack]:
    """Tracks of contacts that are to come about; `bodies` are the take's own.

    Where a contact names no place, a hand meets a hand palm to palm, lies on top of a shoulder (the beginning
    of an upper arm), and of anything else on the side that faces the reaching shoulder. Its gap is 0 m
    unless it says otherwise.
    """
    out = []
    for contact in contacts.to_solve(fps, bodies[0].frames):
        span = contact.frames(fps, bodies[0].frames)
        if contact.first_part in HANDS or contact.second_part in HANDS:
            out.append(_hand_track(contact, span, bodies, fps))
        else:
            out.append(contact_track(replace(contact, gap=contact.gap or 0.0), span, bodies, fps))
    return out


def _hand_track(contact: Contact, span: slice, bodies: tuple[Body, Body], fps: float) -> ContactTrack:
    """The hand's side comes first; only the other side's surface has a direction, which a hand adapts to."""
    ends = [
        (ACTORS.index(contact.first), contact.first_part, contact.first_place),
        (ACTORS.index(contact.second), contact.second_part, contact.second_place),
    ]
    if contact.first_part not in HANDS:
        ends.reverse()
    (reacher, hand, own_place), (owner, part, place) = ends
    me, other = bodies[reacher], bodies[owner]
    along = np.stack(
        [np.full(me.frames, PALM if own_place is None else own_place.along), np.zeros(me.frames)]
    )
    if place is None:
        along[1], local = _default_place(me, hand, other, part)
        radius = max(1, round(_SMOOTH * fps))
        along[1] = smoothed(along[1], span, radius)
        local = unit(np.stack([smoothed(local[:, i], span, radius) for i in range(3)], axis=-1))
    else:
        along[1], local = (
            place.along,
            np.broadcast_to(unit(np.asarray(place.outward, dtype=float)), (me.frames, 3)),
        )
    thick = me.radii[INDEX[hand]] + (contact.gap or 0.0)
    active = np.zeros(me.frames, dtype=bool)
    active[span] = True
    outward = np.stack([np.zeros_like(local), local * (1 + thick / other.radii[INDEX[part]])])
    gap = np.zeros((me.frames, 3))
    return ContactTrack((reacher, owner), (hand, part), active, along, outward, gap, contact.strength)


def _default_place(me: Body, hand: str, other: Body, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Place along (T,) and outward (T, 3), in the part's frame, of a surface that is to be touched."""
    frames, side = me.frames, hand[0]
    if part in HANDS:
        return np.full(frames, PALM), np.broadcast_to(PALM_SIDE, (frames, 3))
    shoulder = me.points[:, POINTS.index(f"{side}_shoulder")]
    start, end = (ends[:, INDEX[part]] for ends in other.ends())
    if part.endswith("upper_arm"):
        along = np.full(frames, 0.05)
    elif part in TRUNK or part == "head":
        along = closest_on_segment(shoulder, start, end)
    else:
        along = np.full(frames, 0.5)
    facing = unit(shoulder - mix(start, end, along))
    if part.endswith("upper_arm"):
        facing = unit(other.matrix("chest")[..., 1] + 0.4 * facing)
    return along, (np.swapaxes(other.matrix(part), -1, -2) @ facing[..., None])[..., 0]
