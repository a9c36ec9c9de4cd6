# SPDX-License-Identifier: GPL-3.0-or-later
"""Mapping by normalised bone names, checked against the hierarchy: the fall-back of the presets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .mapping import SIDES, SLOTS, BoneMapping, MappingRow
from .presets import load_table
from .rig import RigDescription

_TOKEN = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_SIDE_WORDS = {"l": "l", "left": "l", "lft": "l", "lf": "l", "r": "r", "right": "r", "rgt": "r", "rt": "r"}
_WORDS = load_table("words")
_NOISE, _EXCLUDED = frozenset(_WORDS["noise"]), frozenset(_WORDS["not_a_body_bone"])
_LEG = ("hip", "knee", "ankle", "foot")
_ARM = ("collar", "shoulder", "elbow", "wrist")


@dataclass(frozen=True)
class ParsedName:
    """A bone name taken apart: the key without side, numbers and prefixes; side "l", "r" or ""."""

    key: str
    side: str


def parse_name(name: str) -> ParsedName | None:
    """The meaning-bearing part of a bone name, or None for helpers, fingers and other non-body bones.

    "mixamorig:LeftForeArm", "forearm.L", "CC_Base_L_Forearm" and "lForeArm" all give ("forearm", "l").
    """
    tokens = [t.lower() for t in _TOKEN.findall(re.split(r"[:|]", name)[-1])]
    words: list[str] = []
    sides: set[str] = set()
    for token in tokens:
        if token in _SIDE_WORDS:
            sides.add(_SIDE_WORDS[token])
        elif match := re.fullmatch(r"(left|right)([a-z]{3,})", token):
            sides.add(match[1][0])
            words.append(match[2])
        elif not token.isdigit() and token not in _NOISE:
            words.append(token)
    if len(sides) > 1 or not words:
        return None
    if _EXCLUDED.intersection(words) and words[0] != "neck":
        return None
    return ParsedName("".join(words), next(iter(sides), ""))


def map_by_names(rig: RigDescription) -> BoneMapping:
    """Rows from normalised names, kept only where the hierarchy agrees; other rows stay empty.

    A limb is chosen as a whole: among all chains of candidate bones in which each lies below the one
    before, the chain whose names fit best. Where several bones fit equally well (five toes) the row stays
    empty.
    """
    table = load_table("synonyms")
    parsed = {name: p for name in rig.bone_names if (p := parse_name(name)) is not None}
    above = {name: {rig.bone_names[a] for a in rig.ancestors(i)} for name, i in rig.index.items()}
    found: dict[str, tuple[list[str], float]] = {}
    ambiguous: set[str] = set()
    for side in SIDES:
        mine = {name: p.key for name, p in parsed.items() if p.side == side}
        for chain, needed in ((_LEG, ("hip", "knee")), (_ARM, ("shoulder", "elbow"))):
            limb, unsure = _best_limb(mine, chain, needed, table, above)
            found.update({f"{side}_{slot}": ([bone], score) for slot, (bone, score) in limb.items()})
            ambiguous.update(f"{side}_{slot}" for slot in unsure)
    middle = {name: p.key for name, p in parsed.items() if not p.side}
    found.update(_trunk(middle, found, table, above))
    rows = []
    for slot in SLOTS:
        bones, score = found.get(slot, ([], 0.0))
        if bones:
            reason = f"name means {', '.join(sorted({parsed[b].key for b in bones}))}, hierarchy agrees"
        else:
            reason = "several bones fit equally well" if slot in ambiguous else "no bone with a known name"
        rows.append(MappingRow(slot, tuple(bones), reason, round(0.9 * score, 3)))
    return BoneMapping(tuple(rows), "names")


def _best_limb(
    names: dict[str, str],
    chain: tuple[str, ...],
    needed: tuple[str, ...],
    table: dict[str, dict[str, float]],
    above: dict[str, set[str]],
) -> tuple[dict[str, tuple[str, float]], set[str]]:
    """The best bones of one limb with their scores, and the slots for which several bones fit as well."""
    solutions: list[tuple[tuple[float, float], dict[str, tuple[str, float]]]] = []

    def extend(position: int, last: str | None, chosen: dict[str, tuple[str, float]]) -> None:
        if position == len(chain):
            if all(slot in chosen for slot in needed):
                depth = sum(len(above[bone]) for bone, _ in chosen.values())
                # Of equal names the bone nearest the root is the joint; deeper ones are its twist bones.
                solutions.append(((round(sum(s for _, s in chosen.values()), 6), -depth), chosen))
            return
        slot = chain[position]
        for bone, key in names.items():
            score = table[slot].get(key)
            if score is not None and (last is None or last in above[bone]):
                extend(position + 1, bone, {**chosen, slot: (bone, score)})
        extend(position + 1, last, chosen)

    extend(0, None, {})
    if not solutions:
        return {}, set()
    best = max(rank for rank, _ in solutions)
    tied = [chosen for rank, chosen in solutions if rank == best]
    agreed = {slot: pick for slot, pick in tied[0].items() if all(t.get(slot) == pick for t in tied)}
    unsure = {slot for t in tied for slot in t} - agreed.keys()
    return (agreed if all(slot in agreed for slot in needed) else {}), unsure


def _trunk(
    names: dict[str, str],
    limbs: dict[str, tuple[list[str], float]],
    table: dict[str, dict[str, float]],
    above: dict[str, set[str]],
) -> dict[str, tuple[list[str], float]]:
    """Pelvis, spine, neck and head: only bones on the way between the limbs that were found."""
    out: dict[str, tuple[list[str], float]] = {}

    def depth(bone: str) -> int:
        return len(above[bone])

    legs = [limbs[f"{s}_hip"][0][0] for s in SIDES if f"{s}_hip" in limbs]
    arms = [
        limbs[slot][0][0]
        for s in SIDES
        if (slot := f"{s}_collar") in limbs or (slot := f"{s}_shoulder") in limbs
    ]
    if len(legs) < 2 or len(arms) < 2:
        return out
    over_legs = above[legs[0]] & above[legs[1]]
    over_arms = above[arms[0]] & above[arms[1]]
    pelvis = [(table["pelvis"][names[b]], depth(b), b) for b in over_legs if names.get(b) in table["pelvis"]]
    if pelvis:
        score, _, bone = max(pelvis)
        out["pelvis"] = ([bone], score)
    used = set(out["pelvis"][0]) if pelvis else set()
    spine = [
        b for b in over_arms - used if table["spine"].get(names.get(b, "")) and not (above[b] & set(legs))
    ]
    # Spine bones are below the hips, or hang beside them on a common root; without hips nothing is sure.
    common = used | above[out["pelvis"][0][0]] if pelvis else set()
    spine = [b for b in spine if above[b] & common]
    if spine:
        spine.sort(key=depth)
        out["spine"] = (spine, min(table["spine"][names[b]] for b in spine))
    top = spine[-1] if spine else None
    heads = [b for b, key in names.items() if key in table["head"] and (top is None or top in above[b])]
    if heads:
        heads.sort(key=depth)
        out["head"] = ([heads[0]], table["head"][names[heads[0]]])
        necks = [b for b in above[heads[0]] if names.get(b) in table["neck"] and b not in over_arms]
        if necks:
            necks.sort(key=depth)
            out["neck"] = (necks, min(table["neck"][names[b]] for b in necks))
    return out
