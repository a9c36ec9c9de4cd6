# SPDX-License-Identifier: GPL-3.0-or-later
"""Contacts found in a take: where the surfaces of two people's parts come together and part again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...intervals import runs
from ...take import Take
from ..smoothing import hysteresis
from ..source import SourceActor
from .body import Body, axis_weights
from .closest import closest_of_segments, mix
from .contact import ACTORS, FLOOR, Contact, ContactList, saved_contacts
from .parts import HANDS, INDEX, PARTS, TRUNK

PALM = 0.45
"""Where along a hand its palm is, from the wrist to the finger tips."""
SHORTEST = 0.1
"""Seconds: shorter touches are passing hands, unless the surfaces truly meet (an impact)."""
PASSING = 0.6
"""Metres a second between two surfaces' points: what never gets slower than that only passes by."""
_IMPACT_GAP = 0.008
_FINGERS = 0.03
"""Metres by which two hands' gap is smaller than that of their capsules: fingers close around each other."""
_HAND_PARTNERS = tuple(part.name for part in PARTS if part.label not in ("foot",))
_FOREARM_PARTNERS = ("l_forearm", "r_forearm", "l_upper_arm", "r_upper_arm", *TRUNK, "head")
_BODY_STRENGTH = 0.5  # a forearm or a trunk gives way to a hand: it has fewer ways to keep its place


_Key = tuple[int, str, str]  # whose first part, first part, second part


@dataclass(frozen=True)
class _Near:
    """Two parts near each other: gap (T,) metres, speed (T,) of their nearest points past each other, m/s."""

    gap: np.ndarray
    speed: np.ndarray


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
    a, b = (Body.of_source(source) for source in sources)
    out: list[Contact] = []
    hands = _hands((a, b), fps)
    touching: dict[_Key, np.ndarray] = {}
    for owner in (0, 1):
        for hand in HANDS:
            group = {
                k: n for k, n in hands.items() if (k[0], k[1]) == (owner, hand) or _is_held(k, owner, hand)
            }
            touching |= {
                k: f for k, f in _nearest_only(group, enter, leave).items() if k[:2] == (owner, hand)
            }
    _hands_in_hands_first(touching)
    others = _others((a, b), fps)
    for group in ({k: n for k, n in others.items() if k[:2] == first} for first in {k[:2] for k in others}):
        touching |= _nearest_only(group, enter / 3, leave / 3)
    near = hands | others
    for key, flags in touching.items():
        owner, first, second = key
        shortest = SHORTEST * (1 if first in HANDS else 2)
        for start, end in zip(*runs(_closed(flags)), strict=True):
            nearest = float(near[key].gap[start:end].min())
            brief = (end - start) / fps < shortest and nearest > _IMPACT_GAP
            if brief or near[key].speed[start:end].min() > PASSING:
                continue
            strength = float(np.clip(1.5 - nearest / max(enter, 1e-6), 0.5, 1.0))
            strength *= 1.0 if first in HANDS else _BODY_STRENGTH
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


def _hands(bodies: tuple[Body, Body], fps: float) -> dict[_Key, _Near]:
    out: dict[_Key, _Near] = {}
    for owner in (0, 1):
        mine, theirs = bodies[owner], bodies[1 - owner]
        for hand in HANDS:
            for part in _HAND_PARTNERS:
                if owner == 1 and part in HANDS:
                    continue  # seen from A already
                gap, along = palm_gap(mine, hand, theirs, part)
                speed = _speed(mine, hand, np.full(mine.frames, PALM), theirs, part, along, fps)
                out[owner, hand, part] = _Near(gap, speed)
    return out


def _others(bodies: tuple[Body, Body], fps: float) -> dict[_Key, _Near]:
    pairs: list[_Key] = [(0, a, b) for a in TRUNK for b in TRUNK] + [(0, "head", "head")]
    for owner in (0, 1):
        for side in ("l", "r"):
            partners = [p for p in _FOREARM_PARTNERS if owner == 0 or "forearm" not in p]
            pairs += [(owner, f"{side}_forearm", part) for part in partners]
    out = {}
    for owner, first, second in pairs:
        mine, theirs = bodies[owner], bodies[1 - owner]
        gap, s, t = part_gap(mine, first, theirs, second)
        out[owner, first, second] = _Near(gap, _speed(mine, first, s, theirs, second, t, fps))
    return out


def _speed(
    a: Body, part_a: str, along_a: np.ndarray, b: Body, part_b: str, along_b: np.ndarray, fps: float
) -> np.ndarray:
    """How fast (T,) points fixed on two axes move past each other, m/s."""
    if a.frames < 2:
        return np.zeros(a.frames)
    steps = (np.gradient(body.points, axis=0) for body in (a, b))
    moves = [
        (axis_weights(part, along)[:, None, :] @ step)[:, 0]
        for part, along, step in zip((part_a, part_b), (along_a, along_b), steps, strict=True)
    ]
    return np.linalg.norm(moves[0] - moves[1], axis=-1) * fps


def _is_held(key: _Key, owner: int, hand: str) -> bool:
    """Whether a pair is a hand of the other person in this hand of `owner`."""
    return key[0] == 1 - owner and key[1] in HANDS and key[2] == hand


def _nearest_only(group: dict[_Key, _Near], enter: float, leave: float) -> dict[_Key, np.ndarray]:
    """Flags (T,) of each pair of a part's that touches; a part touches one thing at a time, the one that it
    is nearest to over the whole touch."""
    active = {k: hysteresis(n.gap, enter, leave) for k, n in group.items()}
    active = {k: flags for k, flags in active.items() if flags.any()}
    if not active:
        return {}
    score = [np.where(flags, _over_run(group[k].gap, flags), np.inf) for k, flags in active.items()]
    best = np.argmin(score, axis=0)
    return {k: flags & (best == n) for n, (k, flags) in enumerate(active.items())}


def _hands_in_hands_first(touching: dict[_Key, np.ndarray]) -> None:
    """A hand that is held does not touch the arm behind the hand that holds it (in place)."""
    held = {k: f for k, f in touching.items() if k[2] in HANDS}
    for (owner, _, part), flags in held.items():
        for other, theirs in touching.items():
            if other[0] != owner and other[1] == part and other[2] not in HANDS:
                touching[other] = theirs & ~flags


def _over_run(gap: np.ndarray, active: np.ndarray) -> np.ndarray:
    """For each frame the mean gap of the run that it lies in."""
    out = np.array(gap)
    for start, end in zip(*runs(active), strict=True):
        out[start:end] = gap[start:end].mean()
    return out


def _closed(flags: np.ndarray, most: int = 2) -> np.ndarray:
    """Flags (T,) with pauses of up to `most` frames filled."""
    out = flags.copy()
    for start, end in zip(*runs(~flags), strict=True):
        if start > 0 and end < len(flags) and end - start <= most:
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
