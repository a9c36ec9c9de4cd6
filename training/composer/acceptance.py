# SPDX-License-Identifier: GPL-3.0-or-later
"""What a composed clip must be like to be kept, measured on the finished motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from intermoe_engine.intervals import runs
from intermoe_engine.retarget.touch.parts import INDEX
from intermoe_engine.rotations import quat_rotate

from ..data.checks import check
from ..data.pair_clip import PairClip
from ..evaluation.capsules import body_capsules, segment_distance, surface_distances
from ..evaluation.quality import body_speeds, foot_slide, jerk
from .figure import Figure, J
from .meeting import Meeting
from .score import Accept
from .tables import Look

SLIDE = 200.0
"""mm/s: mean ground speed of the lower toe near the floor, over both people; 70 to 190 in captured walks,
whose
feet pass low."""
JERK = 420.0
"""m/s³, mean over joints and frames; captured salsa has 360 to 370."""
PENETRATION = 45.0
"""mm: how deep the two bodies' capsules may lie in each other on one frame in twenty."""
GAP = 20.0
"""mm between the surfaces of parts that touch, in the middle of all their frames."""
FACING = 60.0
"""Degrees off the other's head that somebody who looks at them may look, in the middle of all frames."""
ALIVE = 0.012
"""m/s that the joints of nobody move less than, about the pelvis."""
FLOATING = 0.6
"""Seconds in a row in which nothing of somebody is near the floor; a leap of 40 cm takes as long."""
_NEAR_FLOOR = 0.13
_STRIDE = 2


@dataclass(frozen=True)
class Measured:
    """Figures of one clip, in the units of the limits above; NaN for what it does not have."""

    slide: float
    jerk: float
    penetration: float
    gap: float
    facing: float
    alive: float
    floating: float


def measure(
    clip: PairClip, figures: tuple[Figure, Figure], touches: Sequence[Meeting], looks: Sequence[Look]
) -> Measured:
    """The figures of a clip whose people are `figures`, actor first."""
    positions = np.stack([figure.pose()[0] for figure in figures])
    a, b = (body_capsules(p[::_STRIDE], f.local[::_STRIDE]) for p, f in zip(positions, figures, strict=True))
    depth = np.maximum(-surface_distances(a, b).min(axis=(1, 2)), 0.0)
    gaps = contact_gaps(figures, touches)
    middle = max((float(np.median(np.abs(gap))) for gap in gaps), default=float("nan"))
    return Measured(
        slide=foot_slide(positions, clip.fps),
        jerk=max(jerk(person[None], clip.fps) for person in positions),
        penetration=float(np.percentile(depth, 95)) * 1000,
        gap=middle * 1000,
        facing=_facing(figures, positions, looks),
        alive=float(body_speeds(positions, clip.fps).min()),
        floating=max(_longest(person[..., 1].min(axis=1) > _NEAR_FLOOR) for person in positions) / clip.fps,
    )


def contact_gaps(figures: tuple[Figure, Figure], touches: Sequence[Meeting]) -> list[np.ndarray]:
    """For each touch the metres (N,) between the two surfaces on the frames on which they are to meet."""
    if not touches:
        return []
    bodies = [figure.body for figure in figures]
    ends = [body.ends() for body in bodies]
    gaps = []
    for touch in touches:
        frames = np.flatnonzero(touch.touching)
        if not len(frames):
            continue
        i, j = INDEX[touch.part], INDEX[touch.on]
        (p, q), (r, s) = (
            tuple(end[frames, k] for end in ends[who]) for who, k in ((touch.who, i), (1 - touch.who, j))
        )
        wanted = bodies[touch.who].radii[i] + bodies[1 - touch.who].radii[j]
        gaps.append(segment_distance(p, q, r, s) - wanted)
    return gaps


def reason_against(clip: PairClip, measured: Measured, accept: Accept) -> str | None:
    """Why a clip is left out, or None: the first of the usual checks and limits that it fails."""
    unfit = check(clip)
    if unfit is not None:
        return unfit
    limits = {"slide": SLIDE, "jerk": JERK, "penetration": PENETRATION, "gap": GAP, "facing": FACING}
    units = {"slide": "mm/s", "jerk": "m/s³", "penetration": "mm", "gap": "mm", "facing": "degrees"}
    for name, usual in limits.items():
        own = getattr(accept, name)
        limit, value = usual if own is None else own, getattr(measured, name)
        if value > limit:
            return f"{name}: {value:.0f} {units[name]}, the limit is {limit:g}"
    if measured.floating > FLOATING:
        return f"floating: somebody is off the floor for {measured.floating:.1f} s, the limit is {FLOATING:g}"
    if measured.alive < ALIVE:
        return f"still: somebody's joints move at {measured.alive * 1000:.0f} mm/s only"
    return None


def _longest(mask: np.ndarray) -> int:
    """The length in frames of the longest run of true in a mask (T,)."""
    first, end = runs(mask)
    return int((end - first).max(initial=0))


def _facing(figures: tuple[Figure, Figure], positions: np.ndarray, looks: Sequence[Look]) -> float:
    worst = float("nan")
    for person, name in enumerate(("actor", "other")):
        rows = [look for look in looks if look.who in (name, "both")]
        if len(rows) != 1 or rows[0].at != "other.head" or rows[0].start != 0.0 or rows[0].end is not None:
            continue
        rotations = figures[person].pose()[1]
        ahead = quat_rotate(rotations[:, J["head"]], np.array([0.0, 0.0, 1.0]))
        to = positions[1 - person, :, J["head"]] - positions[person, :, J["head"]]
        cosine = np.sum(ahead * to, axis=-1) / np.maximum(np.linalg.norm(to, axis=-1), 1e-9)
        angle = float(np.degrees(np.median(np.arccos(np.clip(cosine, -1.0, 1.0)))))
        worst = angle if np.isnan(worst) else max(worst, angle)
    return worst
