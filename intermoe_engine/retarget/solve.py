# SPDX-License-Identifier: GPL-3.0-or-later
"""A take onto two rigs: the whole retarget in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..take import Take
from .actor import ActorRetarget
from .hands import find_hand_contacts, wrist_goals
from .mapping import BoneMapping, map_bones
from .motion import RigMotion
from .report import pair_report
from .rig import RigDescription
from .settings import RetargetSettings
from .source import SourceActor
from .trajectory import pair_scale


@dataclass(frozen=True)
class PairRetarget:
    """actors: keys for A and B. pair_scale: metres of the scene for a metre of the take, on the ground.
    mappings: the bone mappings that were used. report: plain numbers before and after, see `report.py`."""

    actors: tuple[RigMotion, RigMotion]
    pair_scale: float
    mappings: tuple[BoneMapping, BoneMapping]
    report: dict[str, Any]


def retarget_pair(
    take: Take,
    rig_a: RigDescription,
    rig_b: RigDescription,
    mapping_a: BoneMapping | None = None,
    mapping_b: BoneMapping | None = None,
    settings: RetargetSettings | None = None,
) -> PairRetarget:
    """Retarget a take, at its own frame rate, onto rig A and rig B together.

    Rotations are transferred from rest to rest, the pair is placed with one scale, feet are planted and
    joined hands kept. A mapping of None is found by `map_bones`. Raises RigError where a rig or a mapping
    cannot be used. Nothing is changed in its arguments.
    """
    settings = settings or RetargetSettings()
    rigs = (rig_a, rig_b)
    mappings = (mapping_a or map_bones(rig_a), mapping_b or map_bones(rig_b))
    sources = [SourceActor.from_motion(motion) for motion in take.actors]
    a, b = (ActorRetarget(*parts, settings) for parts in zip(sources, rigs, mappings, strict=True))
    scale = settings.pair_scale or pair_scale((a.leg_ratio, b.leg_ratio))
    for actor in (a, b):
        actor.place(scale)
        if settings.keep_feet:
            actor.plant_feet(scale, take.fps)
    contacts = find_hand_contacts(a.source, b.source, take.fps, settings.hand_distance, settings.hand_release)
    before = (a.arms(), b.arms())
    if settings.keep_hands and contacts:
        goals = wrist_goals(contacts, before[0], before[1], scale)
        a.reach_hands(goals[0])
        b.reach_hands(goals[1])
    motions = (a.finish(take.fps), b.finish(take.fps))
    report = pair_report((a, b), motions, contacts, before, scale, take.fps)
    return PairRetarget(motions, scale, mappings, report)
