# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a mapping from bone names in any of the known languages, checked against the hierarchy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .mapping import SIDES, SLOTS, BoneMapping, MappingRow
from .names import BoneName, lexicon, read_names
from .rig import RigDescription

_LEG = ("hip", "knee", "ankle", "foot")
_ARM = ("collar", "shoulder", "elbow", "wrist")
_UNNAMED = 0.6


@dataclass(frozen=True)
class _Named:
    """A rig with its names read. lineage: bone -> itself and the bones above it, in that order."""

    rig: RigDescription
    names: Sequence[BoneName]
    lineage: list[list[int]]

    def common(self, bones: Iterable[int]) -> int:
        """The lowest bone that carries all of them, -1 where there is none."""
        first, *others = [self.lineage[b] for b in bones]
        return next((b for b in first if all(b in line for line in others)), -1)

    def score(self, bone: int, row: str) -> float:
        """How well a bone in the middle is named for a row."""
        name = self.names[bone]
        return 0.0 if name.helper or name.side else lexicon().rows[row].get(name.key, 0.0)

    def way_down(self, above: int, below: int) -> list[int]:
        """The bones below `above` on the way to `below`, which comes last; empty where it is not below."""
        line = self.lineage[below]
        return line[: line.index(above)][::-1] if above in line else []


Found = dict[str, tuple[tuple[int, ...], float]]


def map_by_names(rig: RigDescription) -> BoneMapping:
    """Rows from names, kept only where the hierarchy agrees; other rows stay empty.

    A limb is chosen as a whole: among all chains of candidate bones in which each lies below the one
    before, the chain whose names fit best. Where several bones fit equally well (five toes) the row stays
    empty. Trunk and neck are the bones on the way between the limbs and the head.
    """
    n = len(rig.bone_names)
    named = _Named(rig, read_names(rig.bone_names), [[i, *rig.ancestors(i)] for i in range(n)])
    found: Found = {}
    unsure: set[str] = set()
    for side in SIDES:
        for chain, needed in ((_LEG, ("hip", "knee")), (_ARM, ("shoulder", "elbow"))):
            limb, tied = _best_limb(named, side, chain, needed)
            found |= {f"{side}_{slot}": ((bone,), score) for slot, (bone, score) in limb.items()}
            unsure |= {f"{side}_{slot}" for slot in tied}
    found |= _trunk(named, found)
    rows = []
    for slot in SLOTS:
        bones, score = found.get(slot, ((), 0.0))
        if bones:
            keys = ", ".join(dict.fromkeys(named.names[b].key or rig.bone_names[b] for b in bones))
            reason = f"name says {keys}, hierarchy agrees"
        else:
            reason = "several bones fit equally well" if slot in unsure else "no bone with a known name"
        names = tuple(rig.bone_names[b] for b in bones)
        rows.append(MappingRow(slot, names, reason, round(0.9 * score, 3)))
    return BoneMapping(tuple(rows), "names")


def _best_limb(
    named: _Named, side: str, chain: tuple[str, ...], needed: tuple[str, ...]
) -> tuple[dict[str, tuple[int, float]], set[str]]:
    """The best bones of one limb with their scores, and the slots for which several bones fit as well."""
    table = lexicon().rows
    candidates = {
        slot: [
            (bone, table[slot][name.key])
            for bone, name in enumerate(named.names)
            if name.side == side and not name.helper and name.key in table[slot]
        ]
        for slot in chain
    }
    solutions: list[tuple[tuple[float, float], dict[str, tuple[int, float]]]] = []

    def extend(position: int, last: int, chosen: dict[str, tuple[int, float]]) -> None:
        if position == len(chain):
            if all(slot in chosen for slot in needed):
                # Of equal names the bone nearest the root is the joint; deeper ones are parts of it.
                depth = sum(len(named.lineage[bone]) for bone, _ in chosen.values())
                solutions.append(((round(sum(s for _, s in chosen.values()), 6), -depth), chosen))
            return
        slot = chain[position]
        for bone, score in candidates[slot]:
            if last < 0 or (bone != last and last in named.lineage[bone]):
                extend(position + 1, bone, {**chosen, slot: (bone, score)})
        extend(position + 1, last, chosen)

    extend(0, -1, {})
    if not solutions:
        return {}, set()
    best = max(rank for rank, _ in solutions)
    tied = [chosen for rank, chosen in solutions if rank == best]
    agreed = {slot: pick for slot, pick in tied[0].items() if all(t.get(slot) == pick for t in tied)}
    unsure = {slot for t in tied for slot in t} - agreed.keys()
    return (agreed if all(slot in agreed for slot in needed) else {}), unsure


def _trunk(named: _Named, limbs: Found) -> Found:
    """Pelvis, spine, neck and head: the bones on the way between the limbs that were found."""
    legs = [limbs[f"{s}_hip"][0][0] for s in SIDES if f"{s}_hip" in limbs]
    arms = [
        limbs[slot][0][0]
        for s in SIDES
        if (slot := f"{s}_collar") in limbs or (slot := f"{s}_shoulder") in limbs
    ]
    if len(legs) < 2 or len(arms) < 2:
        return {}
    leg_branch, arm_branch = named.common(legs), named.common(arms)
    if leg_branch < 0 or arm_branch < 0:
        return {}
    carrier = named.common((leg_branch, arm_branch))
    if carrier < 0:
        return {}
    out: Found = {}
    pelvis = _pelvis(named, carrier, leg_branch)
    if pelvis is not None:
        out["pelvis"] = ((pelvis[0],), pelvis[1])
    way = [b for b in named.way_down(carrier, arm_branch) if pelvis is None or b != pelvis[0]]
    spine, neck = [], []
    for bone in way:
        if named.score(bone, "neck") > named.score(bone, "spine"):
            neck.append(bone)  # collars that hang on the neck (3ds Max Biped)
        elif not named.names[bone].helper and named.score(bone, "pelvis") < 1.0:
            spine.append(bone)
    if spine and any(named.score(b, "spine") for b in spine):
        out["spine"] = (tuple(spine), min(named.score(b, "spine") or _UNNAMED for b in spine))
    heads = [
        (-len(named.lineage[b]), named.score(b, "head"), b)
        for b in range(len(named.names))
        if named.score(b, "head") and carrier in named.lineage[b] and b != carrier
    ]
    if heads:
        _, score, head = max(heads)
        out["head"] = ((head,), score)
        start = named.common((head, arm_branch))
        neck += [
            b
            for b in named.way_down(start, head)[:-1]
            if named.score(b, "neck") or not (named.names[b].helper or named.score(b, "spine"))
        ]
        if any(named.score(b, "neck") for b in neck):
            out["neck"] = (tuple(neck), min(named.score(b, "neck") or _UNNAMED for b in neck))
    return out


def _pelvis(named: _Named, carrier: int, leg_branch: int) -> tuple[int, float] | None:
    """The hips: the best name among the bones that carry legs and spine, else among those above the legs.

    A bone called root is the hips only where legs and spine hang on it and nothing near is better named.
    """
    for line in (named.lineage[carrier], named.way_down(carrier, leg_branch)[::-1]):
        scores = [(named.score(b, "pelvis"), -k, b) for k, b in enumerate(line)]
        scores = [s for s in scores if s[0] > 0.5]
        if scores:
            score, _, bone = max(scores)
            return bone, score
    weak = named.score(carrier, "pelvis")
    return (carrier, weak) if weak else None
