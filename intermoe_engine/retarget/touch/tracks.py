# SPDX-License-Identifier: GPL-3.0-or-later
"""Contacts as goals, frame by frame: which points of two surfaces belong together, and how far apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .body import Body, axis_weights
from .contact import ACTORS, Contact, ContactList
from .finding import PALM, palm_gap, part_gap
from .parts import HANDS

_SMOOTH = 0.1  # seconds to each side: nearest points of round bodies wander faster than hands do


@dataclass(frozen=True)
class ContactTrack:
    """One contact between people over the whole take.

    owners: number (0 for A) of the first and second person; parts: their parts. active (T,) bool; along
    (2, T) and outward (2, T, 3): places on the two parts; gap (T, 3): vector in the take's world from the
    first surface's point to the second's; it is what the take has at these places, so that a target of
    the take's own proportions has nothing to mend. strength 0..1.
    """

    owners: tuple[int, int]
    parts: tuple[str, str]
    active: np.ndarray
    along: np.ndarray
    outward: np.ndarray
    gap: np.ndarray
    strength: float

    @property
    def has_hand(self) -> bool:
        return self.parts[0] in HANDS or self.parts[1] in HANDS

    def weights(self, side: int) -> np.ndarray:
        """Weights (T, 18) of the body's points for the axis point of one of the two parts."""
        return axis_weights(self.parts[side], self.along[side])

    def surface(self, side: int, body: Body) -> np.ndarray:
        """The touching point (T, 3) of one side on a body."""
        return body.surface_point(self.parts[side], self.along[side], self.outward[side])

    def error(self, bodies: tuple[Body, Body], scale: float) -> np.ndarray:
        """What the second point is away (T, 3) from where it belongs, seen from the first one.

        Of a touch without a hand only what is at a right angle to the surface counts: bodies of other
        proportions lean on each other elsewhere.
        """
        first, second = (self.surface(k, bodies[self.owners[k]]) for k in (0, 1))
        error = second - first - scale * self.gap
        if self.has_hand:
            return error
        normal = self.normal(bodies)
        return np.sum(error * normal, axis=-1, keepdims=True) * normal

    def normal(self, bodies: tuple[Body, Body]) -> np.ndarray:
        """The direction (T, 3) out of the first part's surface at the touching point."""
        return (bodies[self.owners[0]].matrix(self.parts[0]) @ self.outward[0][..., None])[..., 0]


def contact_tracks(contacts: ContactList, bodies: tuple[Body, Body], fps: float) -> list[ContactTrack]:
    """Tracks of all contacts between people that lie within the take; `bodies` are the take's own."""
    frames = bodies[0].frames
    return [
        contact_track(contact, contact.frames(fps, frames), bodies, fps)
        for contact in contacts.to_solve(fps, frames)
    ]


def contact_track(contact: Contact, span: slice, bodies: tuple[Body, Body], fps: float) -> ContactTrack:
    """One contact over the frames of `span`; see `contact_tracks`."""
    owners = (ACTORS.index(contact.first), ACTORS.index(contact.second))
    parts = (contact.first_part, contact.second_part)
    a, b = bodies[owners[0]], bodies[owners[1]]
    palm = np.full(a.frames, PALM)
    if parts[0] in HANDS:
        along = np.stack([palm, palm_gap(a, parts[0], b, parts[1])[1]])
    elif parts[1] in HANDS:
        along = np.stack([palm_gap(b, parts[1], a, parts[0])[1], palm])
    else:
        along = np.stack(part_gap(a, parts[0], b, parts[1])[1:])
    radius = max(1, round(_SMOOTH * fps))
    for k, place in enumerate((contact.first_place, contact.second_place)):
        along[k] = smoothed(along[k], span, radius) if place is None else place.along
    between = b.axis_point(parts[1], along[1]) - a.axis_point(parts[0], along[0])
    outward = np.zeros((2, a.frames, 3))
    for k, (body, sign, place) in enumerate(((a, 1.0, contact.first_place), (b, -1.0, contact.second_place))):
        if place is not None:
            direction = np.broadcast_to(np.asarray(place.outward, dtype=float), (a.frames, 3))
        else:
            direction = sign * (np.swapaxes(body.matrix(parts[k]), -1, -2) @ unit(between)[..., None])[..., 0]
            direction = np.stack([smoothed(direction[:, i], span, radius) for i in range(3)], axis=-1)
        outward[k] = unit(direction)
    active = np.zeros(a.frames, dtype=bool)
    active[span] = True
    surfaces = [body.surface_point(parts[k], along[k], outward[k]) for k, body in enumerate((a, b))]
    gap = surfaces[1] - surfaces[0]
    if contact.gap is not None:
        gap = contact.gap * (a.matrix(parts[0]) @ outward[0][..., None])[..., 0]
    return ContactTrack(owners, parts, active, along, outward, gap, contact.strength)


def smoothed(values: np.ndarray, span: slice, radius: int) -> np.ndarray:
    """Hann mean of values (T,) within the span; constant before and after it."""
    kernel = np.hanning(2 * radius + 3)[1:-1]
    inside = np.pad(values[span], radius, mode="edge")
    mean = sliding_window_view(inside, 2 * radius + 1) @ (kernel / kernel.sum())
    return np.concatenate([np.full(span.start, mean[0]), mean, np.full(len(values) - span.stop, mean[-1])])


def unit(v: np.ndarray) -> np.ndarray:
    """v (..., 3) with length one."""
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)
