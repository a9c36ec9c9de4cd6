# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bones of a rig follow which joints of the take: a table that a person can read, edit and save."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..atomic import replacing
from .errors import RigError
from .rig import RigDescription

SIDES = ("l", "r")
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
BODY_SLOTS = (
    "root",
    "pelvis",
    "spine",
    "neck",
    "head",
    *(f"{s}_{joint}" for s in SIDES for joint in ("collar", "shoulder", "elbow", "wrist")),
    *(f"{s}_{joint}" for s in SIDES for joint in ("hip", "knee", "ankle", "foot")),
)
"""Rows of the body, named by SMPL joint (the joint at the bone's head). "spine" stands for spine1 to
spine3 and, like "neck", takes any number of bones from bottom to top; "root" is a control that carries the
pelvis's location where another bone carries its rotation (generated Rigify's torso), else empty."""

TWIST_SLOTS = tuple(f"{s}_{joint}_twist" for s in SIDES for joint in ("shoulder", "elbow", "hip", "knee"))
"""Twist bones of a limb bone, from its root to its end: they take their share of its roll."""

FINGER_SLOTS = tuple(f"{s}_{finger}" for s in SIDES for finger in FINGERS)
"""Finger bones, from the knuckle to the tip; the thumb's metacarpal is its first."""

SLOTS = (*BODY_SLOTS, *TWIST_SLOTS, *FINGER_SLOTS)
"""All rows of a mapping."""

CHAIN_SLOTS = ("spine", "neck", *TWIST_SLOTS, *FINGER_SLOTS)
REQUIRED = (
    "pelvis",
    *(f"{s}_{joint}" for s in SIDES for joint in ("hip", "knee", "ankle", "shoulder", "elbow")),
)
_PLAIN = {
    "pelvis": "hips",
    "hip": "upper leg",
    "knee": "lower leg",
    "ankle": "foot",
    "foot": "toes",
    "collar": "shoulder",
    "shoulder": "upper arm",
    "elbow": "lower arm",
    "wrist": "hand",
    "pinky": "little finger",
    **{finger: f"{finger} finger" for finger in ("index", "middle", "ring")},
}


def slot_label(slot: str) -> str:
    """What an animator calls the bone of a row: "l_knee" is the "left lower leg"."""
    side = {"l_": "left ", "r_": "right "}.get(slot[:2], "")
    joint, twist, _ = (slot[2:] if side else slot).partition("_twist")
    return side + _PLAIN.get(joint, joint) + twist.replace("_", " ")


@dataclass(frozen=True)
class MappingRow:
    """One row: the bones (bottom to top) that follow a joint, why, and how sure (0 to 1)."""

    joint: str
    bones: tuple[str, ...] = ()
    reason: str = ""
    confidence: float = 0.0


@dataclass(frozen=True)
class BoneMapping:
    """The rows of one rig and what the rig needs beside them.

    preset: the preset's name, "names" for the fall-back or "custom". anchors: joint -> the bone whose head
    marks the joint where the keyed bone's head does not. properties: (pose bone, custom property, value)
    that must be set for the keyed bones to drive the rig. followers: bone -> the bone that it follows
    rigidly through constraints rather than through its parent (for the forward kinematics). ik_controls:
    end joint (l_wrist, l_ankle) -> the rig's IK control, middle joint (l_elbow, l_knee) -> its pole target,
    l_foot -> the toes' control. ik_properties: like `properties`, for the IK controls to drive the rig.
    """

    rows: tuple[MappingRow, ...]
    preset: str = "custom"
    anchors: dict[str, str] = field(default_factory=dict)
    properties: tuple[tuple[str, str, float], ...] = ()
    followers: dict[str, str] = field(default_factory=dict)
    ik_controls: dict[str, str] = field(default_factory=dict)
    ik_properties: tuple[tuple[str, str, float], ...] = ()

    def bones_for(self, joint: str) -> tuple[str, ...]:
        """The bones of a row, empty where there is none."""
        return next((row.bones for row in self.rows if row.joint == joint), ())

    def bone_for(self, joint: str) -> str | None:
        """The first bone of a row, or None."""
        return next(iter(self.bones_for(joint)), None)

    @property
    def body_rows(self) -> tuple[MappingRow, ...]:
        """The rows of the body that have bones, without twist bones and fingers."""
        return tuple(row for row in self.rows if row.bones and row.joint in BODY_SLOTS)

    @property
    def body_bones(self) -> list[str]:
        """The bones of the body's rows, in row order."""
        return [bone for row in self.body_rows for bone in row.bones]

    @property
    def keyed_bones(self) -> list[str]:
        """All mapped bones, in row order, each once."""
        return list(dict.fromkeys(bone for row in self.rows for bone in row.bones))

    def missing(self) -> list[str]:
        """Required rows that have no bone."""
        return [slot for slot in REQUIRED if not self.bones_for(slot)]

    def checked(self, rig: RigDescription) -> BoneMapping:
        """Itself, if it fits the rig; RigError saying what is missing and what to do otherwise."""
        unknown = [row.joint for row in self.rows if row.joint not in SLOTS]
        if unknown:
            raise RigError(f"The bone mapping has unknown rows {', '.join(unknown)}; use {', '.join(SLOTS)}.")
        named = dict.fromkeys([*self.keyed_bones, *self.anchors.values()])
        absent = [bone for bone in named if bone not in rig.index]
        if absent:
            raise RigError(
                f"'{rig.name}' has no bone called {', '.join(map(repr, absent))}; "
                "correct these rows of the bone mapping or map the rig again."
            )
        missing = self.missing()
        if missing:
            raise RigError(
                f"'{rig.name}': no bone found for {', '.join(map(slot_label, missing))}; "
                "give them usual names, such as Mixamo's, or choose a humanoid armature."
            )
        seen: dict[str, str] = {}
        for row in self.rows:
            for bone in row.bones:
                if bone in seen:
                    raise RigError(
                        f"'{rig.name}': bone '{bone}' is mapped to both {slot_label(seen[bone])} and "
                        f"{slot_label(row.joint)}; leave it in one row."
                    )
                seen[bone] = row.joint
        return self

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "schema": 1,
            "preset": self.preset,
            "rows": [
                {"joint": r.joint, "bones": list(r.bones), "reason": r.reason, "confidence": r.confidence}
                for r in self.rows
            ],
            "anchors": dict(self.anchors),
            "properties": [list(p) for p in self.properties],
            "followers": dict(self.followers),
            "ik_controls": dict(self.ik_controls),
            "ik_properties": [list(p) for p in self.ik_properties],
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> BoneMapping:
        """The inverse of to_dict; RigError on a malformed table."""
        try:
            rows = tuple(
                MappingRow(
                    str(r["joint"]),
                    tuple(str(b) for b in r["bones"]),
                    str(r.get("reason", "chosen by hand")),
                    float(r.get("confidence", 1.0)),
                )
                for r in data["rows"]
            )
            properties, ik_properties = (
                tuple((str(b), str(p), float(v)) for b, p, v in data.get(key, ()))
                for key in ("properties", "ik_properties")
            )
            return BoneMapping(
                rows,
                str(data.get("preset", "custom")),
                {str(k): str(v) for k, v in dict(data.get("anchors", {})).items()},
                properties,
                {str(k): str(v) for k, v in dict(data.get("followers", {})).items()},
                {str(k): str(v) for k, v in dict(data.get("ik_controls", {})).items()},
                ik_properties,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RigError(
                f"This is not a bone mapping ({error}); save it again from a mapped rig."
            ) from error

    def save(self, path: str | Path) -> None:
        """Write the table as JSON, whole or not at all. Raises OSError."""
        with replacing(Path(path)) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: str | Path) -> BoneMapping:
        """Read a saved table; RigError if it cannot be read."""
        try:
            return BoneMapping.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise RigError(
                f"The bone mapping '{path}' cannot be read ({error}); save it again from a mapped rig."
            ) from error


def map_bones(rig: RigDescription) -> BoneMapping:
    """The best mapping of a rig, as `find_bones` finds it; RigError where a required bone is missing."""
    return find_bones(rig).checked(rig)


def find_bones(rig: RigDescription) -> BoneMapping:
    """The best mapping of a rig, complete or not, to look at and to correct: names of known rigs, words in
    many languages, and the skeleton's structure where names fail. Rows without a safe candidate stay empty.
    """
    from .mapping_search import search

    return search(rig)
