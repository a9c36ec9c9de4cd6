# SPDX-License-Identifier: GPL-3.0-or-later
"""A take onto two rigs: the whole retarget in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..take import Take
from .actor import ActorRetarget
from .mapping import BoneMapping, map_bones
from .motion import RigMotion
from .report import pair_report
from .rig import RigDescription
from .settings import RetargetSettings
from .source import SourceActor
from .touch import ContactList, find_contacts, keep_in_touch, saved_contacts
from .touch.standing import standing_as_listed
from .trajectory import pair_scale


@dataclass(frozen=True)
class PairRetarget:
    """actors: keys for A and B. pair_scale: metres of the scene for a metre of the take, on the ground.
    mappings: the bone mappings that were used. contacts: the take's contacts that were kept. report: plain
    numbers before and after, see `report.py`. points: the 18 points (2, T, 18, 3) of both bodies in the
    pair's own space (`touch.parts.POINTS`)."""

    actors: tuple[RigMotion, RigMotion]
    pair_scale: float
    mappings: tuple[BoneMapping, BoneMapping]
    contacts: ContactList
    report: dict[str, Any]
    points: np.ndarray


def retarget_pair(
    take: Take,
    rig_a: RigDescription,
    rig_b: RigDescription,
    mapping_a: BoneMapping | None = None,
    mapping_b: BoneMapping | None = None,
    settings: RetargetSettings | None = None,
) -> PairRetarget:
    """Retarget a take, at its own frame rate, onto rig A and rig B together.

    Rotations are transferred from rest to rest, the pair is placed with one scale, feet are planted, and
    both people are solved together so that contacts hold and bodies do not overlap. Contacts, of feet with
    the floor too, are those kept with the take (`touch.with_contacts`), else those found in it. A mapping of
    None is found by `map_bones`. Raises RigError where a rig, a mapping or a contact cannot be used. Nothing
    is changed in its arguments.
    """
    settings = settings or RetargetSettings()
    rigs = (rig_a, rig_b)
    mappings = (mapping_a or map_bones(rig_a), mapping_b or map_bones(rig_b))
    contacts = saved_contacts(take)
    people = take.actors if contacts is None else standing_as_listed(take.actors, contacts, take.fps)
    sources = [SourceActor.from_motion(motion) for motion in people]
    a, b = (ActorRetarget(*parts, settings) for parts in zip(sources, rigs, mappings, strict=True))
    scale = settings.pair_scale or pair_scale((a.leg_ratio, b.leg_ratio))
    for actor in (a, b):
        actor.place(scale)
        if settings.keep_feet:
            actor.plant_feet(scale, take.fps)
    if contacts is None:
        contacts = find_contacts(sources, take.fps, settings.contact_distance, settings.contact_release)
    touch = keep_in_touch((a, b), contacts, scale, take.fps, settings)
    keyed_a, keyed_b = settings.limb_controls
    motions = (a.finish(take.fps, keyed_a), b.finish(take.fps, keyed_b))
    report = pair_report((a, b), motions, scale, take.fps)
    report["touch"] = touch.report()
    return PairRetarget(motions, scale, mappings, contacts, report, touch.points)
