# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows beyond the body: twist bones and fingers, found around the limbs that are mapped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .mapping import FINGERS, SIDES, SLOTS, BoneMapping, MappingRow
from .names import BoneName, read_names
from .rig import RigDescription

_LIMBS = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))


def with_details(rig: RigDescription, mapping: BoneMapping, named: bool = True) -> BoneMapping:
    """The mapping with rows for twist bones and fingers, and a row for every slot.

    named: whether the rig's names mean anything; else fingers are found by their places alone. Control rigs
    get no such rows: their constraints spread twists, and their fingers have controls of their own.
    """
    rows = {row.joint: row for row in mapping.rows}
    if not mapping.followers:
        names = read_names(rig.bone_names if named else [str(i) for i in range(len(rig.bone_names))])
        taken = {rig.index[b] for b in mapping.keyed_bones if b in rig.index}
        for side in SIDES:
            for joint, end in _LIMBS:
                row = _twist_row(rig, mapping, names, taken, side, joint, end)
                rows.setdefault(row.joint, row)
            for row in _finger_rows(rig, mapping, names, taken, side):
                rows.setdefault(row.joint, row)
    empty = [slot for slot in SLOTS if slot not in rows]
    rows |= {slot: MappingRow(slot, (), "no such bone") for slot in empty}
    return replace(mapping, rows=tuple(rows[slot] for slot in SLOTS))


def _twist_row(
    rig: RigDescription,
    mapping: BoneMapping,
    names: Sequence[BoneName],
    taken: set[int],
    side: str,
    joint: str,
    end: str,
) -> MappingRow:
    """The bones between two joints of a limb: in the chain itself, or at its side with a twist's name."""
    slot = f"{side}_{joint}_twist"
    first, last = mapping.bone_for(f"{side}_{joint}"), mapping.bone_for(f"{side}_{end}")
    if first is None or last is None:
        return MappingRow(slot, (), "no limb to twist")
    start, stop = rig.index[first], rig.index[last]
    line = rig.ancestors(stop)
    inside = line[: line.index(start)] if start in line else []
    way = rig.heads[stop] - rig.heads[start]
    length = float(np.linalg.norm(way))
    beside: list[int] = []
    queue = [start, *inside]
    for p in queue:
        new = [b for b in rig.children[p] if b not in taken and b not in inside and names[b].twist]
        beside += new
        queue += new  # twist bones may hang on one another (Character Creator)
    places = {b: _place(rig, start, way, b) for b in (*inside, *beside)}
    bones = sorted(
        (b for b, (along, off) in places.items() if off < 0.25 and -0.1 < along < 1.05 or length == 0),
        key=lambda b: (places[b][0], len(rig.ancestors(b))),
    )
    if not bones:
        return MappingRow(slot, (), "no twist bone")
    named = all(names[b].twist for b in bones)
    reason = "a twist's name within the limb" if named else "between the joints of the limb"
    return MappingRow(slot, tuple(rig.bone_names[b] for b in bones), reason, 0.9 if named else 0.7)


def _place(rig: RigDescription, start: int, way: np.ndarray, bone: int) -> tuple[float, float]:
    """How far along a limb and how far off its line a bone's head is, as shares of its length."""
    square = max(float(way @ way), 1e-18)
    offset = rig.heads[bone] - rig.heads[start]
    along = float(offset @ way) / square
    return along, float(np.linalg.norm(offset - along * way)) / np.sqrt(square)


def _finger_rows(
    rig: RigDescription, mapping: BoneMapping, names: Sequence[BoneName], taken: set[int], side: str
) -> list[MappingRow]:
    """Fingers of a hand by name; where no bone below the hand is named so, by their places."""
    hand = mapping.bone_for(f"{side}_wrist")
    if hand is None:
        return []
    chains = [
        chain
        for chain in _chains_below(rig, rig.index[hand])
        if not (set(chain) & taken or any(names[b].side not in ("", side) for b in chain))
    ]
    named: dict[str, list[int]] = {}
    for chain in chains:
        fingers = {names[b].finger for b in chain} - {""}
        if len(fingers) == 1:
            named.setdefault(fingers.pop(), chain)
    if named:
        found = {f: _phalanges(rig, names, f, chain) for f, chain in named.items()}
        reason, confidence = "name of the finger, below the hand", 0.95
    else:
        found = _fingers_by_place(rig, mapping, chains, side)
        reason, confidence = "place in the hand", 0.6
    return [
        MappingRow(f"{side}_{f}", tuple(rig.bone_names[b] for b in found[f]), reason, confidence)
        for f in FINGERS
        if found.get(f)
    ]


def _chains_below(rig: RigDescription, hand: int) -> list[list[int]]:
    """Each unbranched line of bones below the hand, base first; a palm bone belongs to one of its fingers."""
    out: list[list[int]] = []
    queue = list(rig.children[hand])
    for first in queue:
        chain = [first]
        while len(rig.children[chain[-1]]) == 1:
            chain.append(rig.children[chain[-1]][0])
        if len(rig.children[chain[-1]]) > 1:
            queue += rig.children[chain[-1]]
        elif len(chain) > 1:
            out.append(chain)
    return out


def _phalanges(rig: RigDescription, names: Sequence[BoneName], finger: str, chain: list[int]) -> list[int]:
    """The bones of a named finger without the palm's, the tip marker's and others' bones."""
    bones = [b for b in chain if names[b].finger == finger and (finger == "thumb" or not names[b].palm)]
    bones = [b for b in bones if not _marks_an_end(rig, b)] or bones
    if len(bones) > 3:
        # One of four is no phalanx: the palm's, if the next one starts the count, else a tip.
        counted = [re.findall(r"\d+", rig.bone_names[b])[-1:] for b in bones]
        palm = finger != "thumb" and (not counted[0] or counted[0] == counted[1])
        bones = bones[1:] if palm else bones[:-1]
    return bones[:3]


_END_WORDS = ("end", "leaf", "nub", "tip")


def _marks_an_end(rig: RigDescription, bone: int) -> bool:
    """Whether a leaf is named as a marker of where the bone before it ends."""
    name = rig.bone_names[bone].lower()
    return not rig.children[bone] and any(word in name for word in _END_WORDS)


def _fingers_by_place(
    rig: RigDescription, mapping: BoneMapping, chains: list[list[int]], side: str
) -> dict[str, list[int]]:
    """Fingers of a hand without names, in the order of their distance from the thumb."""
    hand = rig.index[mapping.bone_for(f"{side}_wrist") or ""]
    if not 2 <= len(chains) <= 5:
        return {}
    wrist = rig.heads[hand]
    elbow = mapping.bone_for(f"{side}_elbow")
    forearm = wrist - rig.heads[rig.index[elbow]] if elbow else np.zeros(3)
    # Along the forearm the thumb starts and ends before the fingers.
    along = [float((rig.heads[c[0]] + rig.heads[c[-1]] - 2 * wrist) @ forearm) for c in chains]
    thumb = int(np.argmin(along))
    starts = [float(np.linalg.norm(rig.heads[c[0]] - wrist)) for c in chains]
    # Four bones from the knuckle on, or four of a thumb, are one too many: each chain ends in a marker.
    ends = any(len(c) > 3 and (k == thumb or starts[k] > 1.5 * starts[thumb]) for k, c in enumerate(chains))
    phalanges = [(c[:-1] if ends else c)[-3:] for c in chains]
    others = [k for k in range(len(chains)) if k != thumb]
    bases = np.array([rig.heads[p[0]] for p in phalanges])
    order = sorted(others, key=lambda k: float(np.linalg.norm(bases[k] - bases[thumb])))
    labels = FINGERS[1 : 1 + len(order)]
    return {"thumb": phalanges[thumb], **{f: phalanges[k] for f, k in zip(labels, order, strict=True)}}
