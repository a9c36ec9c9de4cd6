# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether people touch where a composed interaction has them touch, before and after the contact solve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from intermoe_engine.representation import foot_contacts
from intermoe_engine.retarget.touch.contact import ACTORS, Contact, ContactList
from intermoe_engine.retarget.touch.on_take import touch_take
from intermoe_engine.retarget.touch.parts import INDEX, TRUNK
from intermoe_engine.take import ActorMotion, Take

from ..composer.score import Score
from ..data.pair_clip import PairClip
from .capsules import body_capsules, surface_distances
from .motion import PairMotion

NEAR, MET = 0.10, 0.02
"""Metres: parts closer than NEAR are there, surfaces closer than MET touch."""
_HOLD = 0.1
"""Seconds before and after the nearest moment in which the contact solve is asked for the touch."""


Pair = tuple[ActorMotion, ActorMotion]


@dataclass(frozen=True)
class AskedTouch:
    """One touch that an interaction has: a part of `who` (0: person A) on a part of the other person.

    parts, on: names of capsules, any of which will do, since a sentence seldom says which hand; rank: 0 for
    the nearest of them, 1 for the next where two hands are to touch.
    """

    who: int
    parts: tuple[str, ...]
    on: tuple[str, ...]
    rank: int

    @property
    def of_hand(self) -> bool:
        return self.parts[0].endswith("_hand")


def asked_touches(score: Score, roles: Sequence[str]) -> list[AskedTouch]:
    """The touches of a score for a clip whose people have these roles, ("actor", "other") or the reverse."""
    seen: Counter[tuple[int, tuple[str, ...], tuple[str, ...]]] = Counter()
    asked = []
    for row in score.touches:
        for role in ("actor", "other") if row.who == "both" else (row.who,):
            key = (list(roles).index(role), _alike(row.part), _alike(row.on))
            asked.append(AskedTouch(*key, seen[key]))
            seen[key] += 1
    return asked


def nearest(motion: PairMotion, touch: AskedTouch) -> tuple[float, int, str, str]:
    """The least distance in metres of the surfaces over the motion, its frame, and the two parts.

    Of several parts each counts with its own nearest moment; `rank` says which of them is meant.
    """
    a, b = (
        body_capsules(joints, turns) for joints, turns in zip(motion.positions, motion.rotations, strict=True)
    )
    gaps = surface_distances(a, b)
    gaps = gaps if touch.who == 0 else gaps.swapaxes(1, 2)
    gaps = gaps[:, [INDEX[part] for part in touch.parts]][:, :, [INDEX[part] for part in touch.on]]
    least = gaps.min(axis=(0, 2))
    part = int(np.argsort(least)[min(touch.rank, len(least) - 1)])
    frame, on = np.unravel_index(int(gaps[:, part].argmin()), gaps[:, part].shape)
    return float(least[part]), int(frame), touch.parts[part], touch.on[int(on)]


def solved_gaps(actors: Pair, fps: float, touches: Sequence[AskedTouch]) -> np.ndarray:
    """Metres (N,) between the surfaces and where they belong after the contact solve, in the middle of the
    frames of each touch; it is asked for 0.1 s around the moment at which it is nearest."""
    motion = PairMotion.of_actors(actors, fps)
    contacts = [_contact(nearest(motion, touch), touch, fps) for touch in touches]
    _, solved = touch_take(Take("", 0, fps, actors), ContactList.of(contacts))
    return np.array([float(np.median(np.abs(error))) for error in solved.gap_errors(solved.after)])


def touch_figures(
    pairs: Sequence[Pair | None], fps: float, asked: Sequence[tuple[int, AskedTouch]], solves: int
) -> dict[str, dict[str, Any]]:
    """hands, feet: share of the touches asked of pairs (number, touch) that come closer than NEAR, each at
    its nearest moment; solved: share that is closer than MET after the contact solve, of `solves` pairs."""
    motions = [PairMotion.of_actors(pair, fps) if pair is not None else None for pair in pairs]
    asked = [(n, touch) for n, touch in asked if motions[n] is not None]
    gaps = np.array([nearest(motion, touch)[0] for n, touch in asked if (motion := motions[n]) is not None])
    hands = np.array([touch.of_hand for _, touch in asked], dtype=bool)
    numbers = list(dict.fromkeys(n for n, _ in asked))
    spread = np.linspace(0, len(numbers) - 1, min(solves, len(numbers))).round().astype(int)
    solved = [
        solved_gaps(pair, fps, [touch for m, touch in asked if m == n])
        for n in (numbers[k] for k in spread)
        if (pair := pairs[n]) is not None
    ]
    after = np.concatenate(solved) if solved else np.zeros(0)
    return {
        "hands": _within(gaps[hands], NEAR),
        "feet": _within(gaps[~hands], NEAR),
        "solved": _within(after, MET),
    }


def actors_of(clip: PairClip) -> Pair:
    """A captured or composed pair as a take has it, feet where they are low and slow."""
    contacts = foot_contacts(clip.posed_positions(), clip.fps)
    rows = (clip.root_translation, clip.joint_rotations, contacts, clip.rest_offsets)
    a, b = (ActorMotion.from_rotations(*(row[p] for row in rows)) for p in (0, 1))
    return a, b


def _within(gaps: np.ndarray, limit: float) -> dict[str, Any]:
    if not len(gaps):
        return {"share": None, "median_m": None, "of": 0}
    return {"share": float((gaps < limit).mean()), "median_m": float(np.median(gaps)), "of": len(gaps)}


def _contact(found: tuple[float, int, str, str], touch: AskedTouch, fps: float) -> Contact:
    _, frame, part, on = found
    start, end = max(frame / fps - _HOLD, 0.0), frame / fps + _HOLD
    return Contact(ACTORS[touch.who], part, ACTORS[1 - touch.who], on, start, end, gap=0.0)


def _alike(part: str) -> tuple[str, ...]:
    """The parts that will do where a score names one: of either side, and anywhere on the trunk."""
    if part in TRUNK:
        return TRUNK
    return (f"l{part[1:]}", f"r{part[1:]}") if part[:2] in ("l_", "r_") else (part,)
