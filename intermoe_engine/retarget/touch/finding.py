# SPDX-License-Identifier: GPL-3.0-or-later
"""Contacts found in a take: where the surfaces of two people's parts come together and part again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...intervals import runs
from ...take import Take
from ..smoothing import hysteresis
from ..source import SourceActor
from .body import Body
from .closest import closest_of_segments, mix
from .contact import ACTORS, FLOOR, Contact, ContactList, saved_contacts
from .parts import HANDS, INDEX, PARTS, TRUNK

PALM = 0.45
"""Where along a hand its palm is, from the wrist to the finger tips."""
SHORTEST = 0.1
"""Seconds: shorter touches are passing hands, unless the surfaces truly meet (an impact)."""
_IMPACT_GAP = 0.008
_FINGERS = 0.03
"""Metres by which two hands' gap is smaller than that of their capsules: fingers close around each other."""
_HAND_PARTNERS = tuple(part.name for part in PARTS if part.label not in ("foot",))
_FOREARM_PARTNERS = ("l_forearm", "r_forearm", "l_upper_arm", "r_upper_arm", *TRUNK, "head")
_BODY_STRENGTH = 0.5  # a forearm or a trunk gives way to a hand: it has fewer ways to keep its place


@dataclass(frozen=True)
class _Candidate:
    contact_parts: tuple[int, str, str]
    gap: np.ndarray
    active: np.ndarray
    strength: float


def contacts_of(take: Take, enter: float = 0.03, leave: float = 0.06) -> ContactList:
    """The contacts kept with the take, else those found in it."""
    saved = saved_contacts(take)
    if saved is not None:
        return saved
    return find_contacts([SourceActor.from_motion(m) for m in take.actors], take.fps, enter, leave)


def find_contacts(
    sources: list[SourceActor], fps: float, enter: float = 0.03, leave: float = 0.06
) -> ContactList:
    """Contacts of two people of a take, and of their feet with the floor.

    A contact starts where the gap of two surfaces, on the way to `enter` metres or less, falls below
    `leave`, and ends where it grows beyond that again. Of several parts that one hand is near, the nearest
    is the one it touches. Strength falls from 1 at a gap of `enter` / 2 or less to 0.5 at `enter`.
    """
    bodies = [Body.of_source(source) for source in sources]
    out: list[Contact] = []
    found = _hand_candidates(bodies, enter, leave) + _body_candidates(bodies, enter, leave)
    for candidate in found:
        owner, first, second = candidate.contact_parts
        for start, end in zip(*runs(candidate.active), strict=True):
            nearest = float(candidate.gap[start:end].min())
            if (end - start) / fps < SHORTEST and nearest > _IMPACT_GAP:
                continue
            strength = candidate.strength * float(np.clip(1.5 - nearest / max(enter, 1e-6), 0.5, 1.0))
            who, other = ACTORS[owner], ACTORS[1 - owner]
            out.append(Contact(who, first, other, second, start / fps, end / fps, round(strength, 3)))
    return ContactList.of([*out, *_floor_contacts(sources, fps)])


def palm_gap(hand: Body, side_hand: str, other: Body, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Gap (T,) in metres between a palm and the nearest point of a part, and that point's along (T,)."""
    palm = hand.axis_point(side_hand, np.full(hand.frames, PALM))
    starts, ends = other.ends()
    i = INDEX[part]
    if part in HANDS:
        along = np.full(hand.frames, PALM)  # two hands meet palm to palm
    else:
        line = ends[:, i] - starts[:, i]
        length2 = np.maximum(np.sum(line * line, axis=-1), 1e-12)
        along = np.clip(np.sum((palm - starts[:, i]) * line, axis=-1) / length2, 0.0, 1.0)
    distance = np.linalg.norm(palm - mix(starts[:, i], ends[:, i], along), axis=-1)
    fingers = _FINGERS if part in HANDS else 0.0
    return distance - hand.radii[INDEX[side_hand]] - other.radii[i] - fingers, along


def part_gap(a: Body, part_a: str, b: Body, part_b: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gap (T,) of two parts' surfaces in metres, and how far along each axis (T,), (T,) it is narrowest."""
    (a0, a1), (b0, b1) = a.ends(), b.ends()
    i, j = INDEX[part_a], INDEX[part_b]
    s, t = closest_of_segments(a0[:, i], a1[:, i], b0[:, j], b1[:, j])
    distance = np.linalg.norm(mix(a0[:, i], a1[:, i], s) - mix(b0[:, j], b1[:, j], t), axis=-1)
    return distance - a.radii[i] - b.radii[j], s, t


def _hand_candidates(bodies: list[Body], enter: float, leave: float) -> list[_Candidate]:
    gaps: dict[tuple[int, str, str], np.ndarray] = {}
    for owner in (0, 1):
        for hand in HANDS:
            for part in _HAND_PARTNERS:
                if owner == 1 and part in HANDS:
                    continue  # seen from A already
                gaps[owner, hand, part] = palm_gap(bodies[owner], hand, bodies[1 - owner], part)[0]
    out = []
    frames = bodies[0].frames
    for owner in (0, 1):
        for hand in HANDS:
            mine = {key: gap for key, gap in gaps.items() if key[:2] == (owner, hand)}
            theirs = {k: g for k, g in gaps.items() if k[0] == 1 - owner and k[2] == hand and k[1] in HANDS}
            everything = {**mine, **theirs}
            active = {key: hysteresis(gap, enter, leave) for key, gap in everything.items()}
            keys = list(everything)
            if not any(flags.any() for flags in active.values()):
                continue
            # One hand touches one thing: the one it is nearest to over the whole touch.
            score = np.stack([np.where(active[k], _over_run(everything[k], active[k]), np.inf) for k in keys])
            best = np.argmin(score, axis=0)
            for n, key in enumerate(keys):
                if key[:2] != (owner, hand):
                    continue
                kept = active[key] & (best == n)
                if kept.any():
                    out.append(_Candidate(key, mine[key], _closed(kept, frames), 1.0))
    return _hand_pairs_agree(out)


def _hand_pairs_agree(found: list[_Candidate]) -> list[_Candidate]:
    """Of a hold hand in hand, the other person's hand may not be said to hold the arm behind it as well."""
    out = []
    for c in found:
        owner, hand, part = c.contact_parts
        active = c.active
        for other in found:
            o_owner, o_hand, o_part = other.contact_parts
            if (
                other is not c
                and o_owner != owner
                and o_part == hand
                and o_part in HANDS
                and part not in HANDS
            ):
                active = active & ~other.active
        if active.any():
            out.append(_Candidate(c.contact_parts, c.gap, active, c.strength))
    return out


def _body_candidates(bodies: list[Body], enter: float, leave: float) -> list[_Candidate]:
    pairs = [(0, a, b) for a in TRUNK for b in TRUNK] + [(0, "head", "head")]
    for owner in (0, 1):
        pairs += [(owner, f"{s}_forearm", part) for s in ("l", "r") for part in _FOREARM_PARTNERS
                  if owner == 0 or "forearm" not in part]  # fmt: skip
    out = []
    for owner, first, second in pairs:
        gap, _, _ = part_gap(bodies[owner], first, bodies[1 - owner], second)
        active = hysteresis(gap, enter / 3, leave / 3)
        if active.any():
            out.append(_Candidate((owner, first, second), gap, active, _BODY_STRENGTH))
    return out


def _over_run(gap: np.ndarray, active: np.ndarray) -> np.ndarray:
    """For each frame the mean gap of the run that it lies in."""
    out = np.array(gap)
    for start, end in zip(*runs(active), strict=True):
        out[start:end] = gap[start:end].mean()
    return out


def _closed(flags: np.ndarray, frames: int, most: int = 2) -> np.ndarray:
    """Flags (T,) with pauses of up to `most` frames filled."""
    out = flags.copy()
    for start, end in zip(*runs(~flags), strict=True):
        if start > 0 and end < frames and end - start <= most:
            out[start:end] = True
    return out


def _floor_contacts(sources: list[SourceActor], fps: float) -> list[Contact]:
    out = []
    for who, source in zip(ACTORS, sources, strict=True):
        for side in ("l", "r"):
            ankle, toe = source.foot_contact(side)
            for start, end in zip(*runs(ankle | toe), strict=True):
                out.append(Contact(who, f"{side}_foot", FLOOR, FLOOR, start / fps, end / fps))
    return out
