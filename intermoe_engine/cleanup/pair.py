# SPDX-License-Identifier: GPL-3.0-or-later
"""The cleanup of both people together."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from ..skeleton import CONTACT_JOINTS
from ..take import ActorMotion
from .contacts import foot_slide, planted_feet
from .foot_lock import lock_feet
from .smoothing import jitter, smooth_actor

Pair = tuple[ActorMotion, ActorMotion]
# The floor is where the lowest foot is in the lowest few frames; the very lowest is often an outlier.
_FLOOR_PERCENTILE = 5.0
# A toe joint lies inside the foot: so far above the floor it may well stand on it.
_SOLE_METRES = 0.02


@dataclass(frozen=True)
class CleanupReport:
    """What the cleanup changed. Slide in m/s, jitter in m/s^3 (means over both people), lengths in m."""

    floor_shift: float
    foot_slide_before: float
    foot_slide_after: float
    jitter_before: float
    jitter_after: float

    def to_dict(self) -> dict[str, float]:
        """Plain numbers, as written into a take's meta."""
        return asdict(self)


def clean_pair(actors: Pair, fps: float) -> tuple[Pair, CleanupReport]:
    """Both actors smoothed, put on one floor, with standing feet locked, and what that changed.

    The floor is found for the two together and ONE height is taken off both, so that a lift stays a lift.
    `foot_contacts` of the result say where feet stand after the cleanup.
    """
    before = actors
    smoothed = (smooth_actor(actors[0], fps), smooth_actor(actors[1], fps))
    floor = floor_error(smoothed)
    level = tuple(_lowered(actor, floor) for actor in smoothed)
    planted = [planted_feet(actor, fps) for actor in level]
    locked = [lock_feet(actor, stands, fps) for actor, stands in zip(level, planted, strict=True)]
    for actor, stands in zip(locked, planted, strict=True):
        actor.foot_contacts = stands.astype(np.float64)
    slide = [
        float(np.mean([foot_slide(a.joint_positions, p, fps) for a, p in zip(pair, planted, strict=True)]))
        for pair in (before, locked)
    ]
    shake = [float(np.mean([jitter(a.joint_positions, fps) for a in pair])) for pair in (before, locked)]
    report = CleanupReport(-floor, slide[0], slide[1], shake[0], shake[1])
    return (locked[0], locked[1]), report


def floor_error(actors: Pair) -> float:
    """How far in metres the floor on which the two stand lies above y = 0 (below: negative).

    0 where the lowest foot joints are between 0 and a sole's thickness, or where no foot ever touches it.
    """
    if not any((actor.foot_contacts > 0.5).any() for actor in actors):
        return 0.0
    feet = np.concatenate([actor.joint_positions[:, CONTACT_JOINTS, 1] for actor in actors], axis=1)
    lowest = float(np.percentile(feet.min(axis=1), _FLOOR_PERCENTILE))
    return lowest - min(max(lowest, 0.0), _SOLE_METRES)


def _lowered(actor: ActorMotion, height: float) -> ActorMotion:
    root = actor.root_translation - np.array([0.0, height, 0.0])
    return ActorMotion.from_rotations(root, actor.joint_rotations, actor.foot_contacts, actor.rest_offsets)
