# SPDX-License-Identifier: GPL-3.0-or-later
"""Automatic mapping: names of known rigs, then words, then structure, each checked against the others."""

from __future__ import annotations

from dataclasses import replace

from .mapping import BODY_SLOTS, REQUIRED, SIDES, BoneMapping, MappingRow
from .mapping_details import with_details
from .names_mapping import map_by_names
from .presets import DEFORM_PRESETS, hierarchy_fits, map_by_presets
from .rig import RigDescription
from .structure import Structure, find_structure

TRUSTED = 0.5
"""Structure alone fills a row only above this confidence: a wrong bone costs more than an empty row."""

_AGREES, _DIFFERS = 0.5, 0.6
_UNSURE = "several bones fit equally well"


def search(rig: RigDescription, deform: bool = False) -> BoneMapping:
    """The mapping of a rig from its names and its structure; rows without a safe candidate stay empty.

    deform: read a control rig's deform bones, to look at a pose, instead of keying its controls.
    """
    preset = map_by_presets(rig, DEFORM_PRESETS) if deform else map_by_presets(rig)
    if preset is not None and (preset.followers or deform):
        return with_details(rig, preset)  # controls lie where they are handy: positions say nothing
    structure = find_structure(rig)
    names = map_by_names(rig)
    if preset is not None:
        mapping = _filled(rig, _checked(rig, preset, structure), names)
        return with_details(rig, _filled(rig, mapping, _from_structure(rig, structure)))
    if not names.missing():
        mapping = _checked(rig, names, structure)
        return with_details(rig, _filled(rig, mapping, _from_structure(rig, structure)))
    found = _from_structure(rig, structure)
    if found.missing():
        return with_details(rig, names)
    # Names that cover a part of the body count only if they contradict nothing.
    agreed = sum(row.bones == found.bones_for(row.joint) for row in names.rows if row.bones)
    if not agreed or any(_differ(names, found, slot) for slot in BODY_SLOTS):
        return with_details(rig, found, named=False)
    return with_details(rig, _filled(rig, _confirmed(found, names), names))


def _from_structure(rig: RigDescription, structure: Structure) -> BoneMapping:
    trusted = structure.confidence >= TRUSTED
    rows = []
    for slot in BODY_SLOTS:
        bones = tuple(rig.bone_names[b] for b in structure.slots.get(slot, ())) if trusted else ()
        reason = "found by position, symmetry and proportions" if bones else "nothing there by position"
        rows.append(MappingRow(slot, bones, reason, structure.confidence if bones else 0.0))
    return BoneMapping(tuple(rows), "structure")


def _differ(a: BoneMapping, b: BoneMapping, slot: str) -> bool:
    """Whether both fill a row and with other bones; for chains, with bones that share none."""
    mine, other = set(a.bones_for(slot)), set(b.bones_for(slot))
    return bool(mine and other and not mine & other)


def _confirmed(mapping: BoneMapping, other: BoneMapping) -> BoneMapping:
    """The mapping with more confidence in the rows on which another one agrees."""
    rows = []
    for row in mapping.rows:
        if row.bones and row.bones == other.bones_for(row.joint):
            confidence = 1 - _AGREES * (1 - row.confidence)
            row = replace(row, confidence=round(confidence, 3), reason=f"{row.reason}; its name agrees")
        rows.append(row)
    return replace(mapping, rows=tuple(rows))


def _checked(rig: RigDescription, mapping: BoneMapping, structure: Structure) -> BoneMapping:
    """Names weighed against structure: agreement raises the confidence, disagreement lowers it."""
    if structure.confidence < TRUSTED:
        return mapping
    found = _from_structure(rig, structure)
    mirrored = all(
        mapping.bones_for(slot) == found.bones_for(f"{'r' if slot[0] == 'l' else 'l'}{slot[1:]}")
        for slot in REQUIRED
        if slot[:2] in ("l_", "r_")
    )
    rows = []
    for row in mapping.rows:
        other = found.bones_for(row.joint)
        if row.bones and row.bones == other:
            confidence = 1 - _AGREES * (1 - row.confidence)
            row = replace(row, confidence=round(confidence, 3), reason=f"{row.reason}; position agrees")
        elif mirrored and row.joint[0] in SIDES and _differ(mapping, found, row.joint):
            row = _doubted(row, "the feet point as if left and right were exchanged")
        elif _differ(mapping, found, row.joint):
            row = _doubted(row, f"by position it would be {', '.join(other)}")
        rows.append(row)
    return replace(mapping, rows=tuple(rows))


def _doubted(row: MappingRow, why: str) -> MappingRow:
    return replace(
        row, confidence=round(_DIFFERS * row.confidence, 3), reason=f"{row.reason}, but {why}: look at it"
    )


def _filled(rig: RigDescription, mapping: BoneMapping, other: BoneMapping) -> BoneMapping:
    """The mapping with its empty rows taken from another one where they fit the rows that it has.

    Rows for which names know several bones stay empty, as do rows whose neighbours the other sees otherwise.
    """
    chains = [["pelvis", "spine", "neck", "head"]]
    for s in SIDES:
        chains.append([f"{s}_{j}" for j in ("collar", "shoulder", "elbow", "wrist")])
        chains.append([f"{s}_{j}" for j in ("hip", "knee", "ankle", "foot")])
    rows = {row.joint: row for row in mapping.rows}
    for chain in chains:
        for slot in chain:
            row, taken = rows.get(slot), {b for r in rows.values() for b in r.bones}
            if row is not None and (row.bones or _UNSURE in row.reason):
                continue
            offered = next((r for r in other.rows if r.joint == slot), None)
            if offered is None or not offered.bones or taken & set(offered.bones):
                continue
            if any(_differ(mapping, other, neighbour) for neighbour in chain):
                continue
            slots = {joint: r.bones for joint, r in rows.items()} | {slot: offered.bones}
            if hierarchy_fits(rig, slots):
                rows[slot] = offered
    order = [slot for slot in BODY_SLOTS if slot in rows]
    return replace(mapping, rows=tuple(rows[slot] for slot in order))
