# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to put a take on two rigs that the benchmark compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..retarget import RetargetSettings, RigDescription, map_bones, retarget_pair
from ..retarget.actor import ActorRetarget
from ..retarget.report import pair_report
from ..retarget.source import SourceActor
from ..retarget.touch.binding import body_points
from ..retarget.trajectory import pair_scale
from ..take import Take

METHODS = ("own height", "one scale", "together")
"""Two baselines, each person alone: scaled by its own legs, or both by one scale, with planted feet; and the
retargeter of this project, which solves both together."""


@dataclass(frozen=True)
class Outcome:
    """points (2, T, 18, 3): both bodies (`touch.parts.POINTS`), metres. scale: of the pair. ratios: leg
    lengths over the take's, for A and B. actors: the report's rows."""

    points: np.ndarray
    scale: float
    ratios: tuple[float, float]
    actors: list[dict[str, Any]]


def outcome(method: str, take: Take, rigs: tuple[RigDescription, RigDescription]) -> Outcome:
    """Run one of METHODS."""
    settings = RetargetSettings()
    if method == "together":
        result = retarget_pair(take, *rigs, settings=settings)
        ratios = tuple(actor["leg_ratio"] for actor in result.report["actors"])
        return Outcome(result.points, result.pair_scale, (ratios[0], ratios[1]), result.report["actors"])
    sources = [SourceActor.from_motion(motion) for motion in take.actors]
    a, b = (ActorRetarget(s, rig, map_bones(rig), settings) for s, rig in zip(sources, rigs, strict=True))
    shared = pair_scale((a.leg_ratio, b.leg_ratio))
    for actor in (a, b):
        scale = actor.leg_ratio if method == "own height" else shared
        actor.place(scale)
        actor.plant_feet(scale, take.fps)
    motions = (a.finish(take.fps), b.finish(take.fps))
    report = pair_report((a, b), motions, shared, take.fps)
    points = np.stack([body_points(actor) for actor in (a, b)])
    return Outcome(points, shared, (a.leg_ratio, b.leg_ratio), report["actors"])
