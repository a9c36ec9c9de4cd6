# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone mappings of well-known rig families, one JSON file each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from ..mapping import CHAIN_SLOTS, REQUIRED, SIDES, BoneMapping, MappingRow
from ..rig import RigDescription

PRESETS = (
    "rigify_generated",
    "auto_rig_pro_controls",
    "mmd",
    "daz_genesis_8",
    "daz_genesis_9",
    "reallusion",
    "vroid",
    "xsens",
    "rigify_metarig",
    "mixamo",
    "rokoko",
    "unreal",
    "smpl",
    "cmu_bvh",
    "cmu_asf",
    "makehuman",
    "second_life",
    "kinect",
    "roblox_r15",
    "optitrack",
    "auto_rig_pro",
)
DEFORM_PRESETS = ("rigify_deform",)
"""Presets that read a control rig's deform bones instead of keying its controls."""


@cache
def load_table(name: str) -> dict[str, Any]:
    """One packaged table by name."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))


@cache
def load_tsv(name: str) -> list[dict[str, str]]:
    """The rows of one packaged table of tab-separated values, by its header."""
    lines = (Path(__file__).parent / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    header = lines[0].split("\t")
    return [dict(zip(header, line.split("\t"), strict=True)) for line in lines[1:] if line]


def map_by_presets(rig: RigDescription, presets: Iterable[str] = PRESETS) -> BoneMapping | None:
    """The mapping of the preset that fills the most rows; None where none has all required bones."""
    found = [m for name in presets if (m := apply_preset(rig, load_table(name))) is not None]
    # Earlier presets win ties, so the order above goes from special to general.
    return max(found, key=lambda m: len(m.keyed_bones), default=None)


def apply_preset(rig: RigDescription, table: dict[str, Any]) -> BoneMapping | None:
    """The preset's mapping of this rig, or None where a required bone or the hierarchy does not fit.

    Names are compared without regard to case, after a prefix common to all of them that ends in a
    separator ("mixamorig:", "Armature|", "m_avg_") or is "mixamorig" itself.
    """
    exact = bool(table.get("exact_names"))
    by_name = {(n if exact else n.lower()): n for n in rig.bone_names}
    best: BoneMapping | None = None
    for sides in table["sides"]:
        for prefix in [""] if exact else _prefixes(by_name, table["slots"]["pelvis"]):
            slots: dict[str, tuple[str, ...]] = {}
            for slot, names in _expand(table["slots"], sides):
                keys = [prefix + (n if exact else n.lower()) for n in names]
                bones = [by_name[k] for k in keys if k in by_name]
                slots[slot] = tuple(bones if slot in CHAIN_SLOTS else bones[:1])
            if any(not slots.get(slot) for slot in REQUIRED):
                continue
            if table.get("check_hierarchy", True):
                slots = sort_chains(rig, slots)
                if not hierarchy_fits(rig, slots):
                    continue
            rows = tuple(
                MappingRow(
                    slot, bones, f"{table['title']} name" if bones else "no such bone", float(bool(bones))
                )
                for slot, bones in slots.items()
            )
            mapping = BoneMapping(rows, table["name"], **_extras(rig, table, sides))
            if best is None or len(mapping.keyed_bones) > len(best.keyed_bones):
                best = mapping
    return best


def sort_chains(rig: RigDescription, slots: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The same rows with spine and neck bones from bottom to top."""
    depth = {name: len(rig.ancestors(i)) for name, i in rig.index.items()}
    return {
        slot: tuple(sorted(bones, key=lambda b: depth[b])) if slot in CHAIN_SLOTS else bones
        for slot, bones in slots.items()
    }


def hierarchy_fits(rig: RigDescription, slots: dict[str, tuple[str, ...]]) -> bool:
    """Whether every limb bone lies below the one that it should hang on."""
    chains: list[list[str]] = [["pelvis", "spine"], ["spine", "neck", "head"]]
    for s in SIDES:
        chains.append([f"{s}_{j}" for j in ("collar", "shoulder", "elbow", "wrist")])
        chains.append([f"{s}_{j}" for j in ("hip", "knee", "ankle", "foot")])
    for chain in chains:
        bones = [bone for slot in chain for bone in slots.get(slot, ())]
        if chain[0] == "pelvis" and len(bones) > 1 and not _shares_root(rig, bones[0], bones[1]):
            return False
        start = 1 if chain[0] == "pelvis" else 0  # the spine may hang beside the pelvis
        for upper, lower in zip(bones[start:], bones[start + 1 :], strict=False):
            if rig.index[upper] not in rig.ancestors(rig.index[lower]):
                return False
    return True


def _shares_root(rig: RigDescription, a: str, b: str) -> bool:
    roots = [([rig.index[n], *rig.ancestors(rig.index[n])])[-1] for n in (a, b)]
    return roots[0] == roots[1]


def _prefixes(by_name: dict[str, str], pelvis_names: Iterable[str]) -> list[str]:
    out: list[str] = []
    for pelvis in pelvis_names:
        for key in by_name:
            prefix = key.removesuffix(pelvis.lower())
            if prefix != key and (
                not prefix or not prefix[-1].isalnum() or re.fullmatch(r"mixamorig\d*", prefix)
            ):
                out.append(prefix)
    return sorted(set(out), key=len)


def _expand(slots: dict[str, list[str]], sides: dict[str, str]) -> Iterable[tuple[str, list[str]]]:
    for slot, names in slots.items():
        if "{side}" in slot:
            for side, text in sides.items():
                yield slot.replace("{side}", side), [n.replace("{s}", text) for n in names]
        else:
            yield slot, names


def _extras(rig: RigDescription, table: dict[str, Any], sides: dict[str, str]) -> dict[str, Any]:
    anchors = {
        joint: next(n for n in names if n in rig.index)
        for joint, names in table.get("anchors", {}).items()
        if any(n in rig.index for n in names)
    }
    properties, ik_properties = (
        _switches(rig, table.get(key, ()), sides) for key in ("properties", "ik_properties")
    )
    followers: dict[str, str] = {}
    for pattern, *replacements in table.get("followers", ()):
        for name in rig.bone_names:
            if re.match(pattern, name):
                leaders = [re.sub(pattern, text, name) for text in replacements]
                leader = next((n for n in leaders if n in rig.index and n != name), None)
                if leader is not None:
                    followers[name] = leader
    ik_controls = {
        slot: names[0]
        for slot, names in _expand(table.get("ik_controls", {}), sides)
        if names[0] in rig.index
    }
    return {
        "anchors": anchors,
        "properties": properties,
        "followers": followers,
        "ik_controls": ik_controls,
        "ik_properties": ik_properties,
    }


def _switches(
    rig: RigDescription, entries: Iterable[tuple[str, str, float]], sides: dict[str, str]
) -> tuple[tuple[str, str, float], ...]:
    """Custom properties to set, for both sides, of the bones that the rig has."""
    out: list[tuple[str, str, float]] = []
    for bone, prop, value in entries:
        names = [bone.replace("{s}", text) for text in sides.values()] if "{s}" in bone else [bone]
        out += [(name, prop, float(value)) for name in names if name in rig.index]
    return tuple(out)
