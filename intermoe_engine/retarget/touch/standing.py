# SPDX-License-Identifier: GPL-3.0-or-later
"""Feet that stand where a person says so: contacts with the floor, edited, back in the take's motion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...cleanup.foot_lock import lock_feet
from ...skeleton import SMPL22
from ...take import ActorMotion
from .contact import ACTORS, ContactList

_LEAST = 2
"""Frames by which an edit must differ from the motion's own contacts: times are rounded to frames."""
_COLUMNS = {"l_foot": slice(0, 2), "r_foot": slice(2, 4)}


def standing_as_listed(
    actors: tuple[ActorMotion, ActorMotion], contacts: ContactList, fps: float
) -> tuple[ActorMotion, ActorMotion]:
    """Both people with feet that stand when the list's contacts with the floor say so.

    Where the list holds a foot that does not stand in the motion, the foot is held still by leg inverse
    kinematics (`cleanup.foot_lock`: up to 0.12 m, eased in and out); where it lets a standing foot go, the
    foot is no longer planted on the target. A list without any contact with the floor says nothing about
    feet. What the list leaves as it was comes back unchanged.
    """
    if not any(contact.on_floor for contact in contacts):
        return actors
    a, b = (_standing(actor, who, contacts, fps) for who, actor in zip(ACTORS, actors, strict=True))
    return a, b


def _standing(actor: ActorMotion, who: str, contacts: ContactList, fps: float) -> ActorMotion:
    flags = np.asarray(actor.foot_contacts) > 0.5
    wanted, held = flags.copy(), np.zeros_like(flags)
    for foot, columns in _COLUMNS.items():
        listed = np.zeros(len(flags), dtype=bool)
        for contact in contacts:
            if (
                contact.on_floor
                and contact.strength > 0
                and (contact.first, contact.first_part) == (who, foot)
            ):
                listed[contact.frames(fps, len(flags))] = True
        stands = flags[:, columns].any(axis=1)
        added = listed & ~_widened(stands)
        let_go = stands & ~_widened(listed)
        if added.any():
            # The whole stand is held: a foot that is locked for its second half only would step there.
            held[:, columns] = listed[:, None]
            wanted[listed & ~stands, columns] = True
        wanted[let_go, columns] = False
    if np.array_equal(wanted, flags):
        return actor
    moved = _locked(actor, held, fps) if held.any() else actor
    return replace(moved, foot_contacts=wanted.astype(float))


def _locked(actor: ActorMotion, held: np.ndarray, fps: float) -> ActorMotion:
    """The actor with feet held (T, 4); a leg without any such frame keeps its rotations."""
    rotations = lock_feet(actor, held, fps).joint_rotations.copy()
    for foot, columns in _COLUMNS.items():
        if not held[:, columns].any():
            leg = [SMPL22.index(f"{foot[0]}_{joint}") for joint in ("hip", "knee", "ankle")]
            rotations[:, leg] = actor.joint_rotations[:, leg]
    return ActorMotion.from_rotations(
        actor.root_translation, rotations, actor.foot_contacts, actor.rest_offsets
    )


def _widened(flags: np.ndarray) -> np.ndarray:
    """Flags (T,) that also hold for the frames just before and after."""
    out = flags.copy()
    for shift in range(1, _LEAST):
        out[shift:] |= flags[:-shift]
        out[:-shift] |= flags[shift:]
    return out
