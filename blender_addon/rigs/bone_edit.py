# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to a bone mapping by hand. Plain functions on the engine's table; each returns a new one."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from intermoe_engine.retarget import SLOTS, BoneMapping, MappingRow, RigDescription

BY_HAND = "chosen by hand"
_MIRROR_TOLERANCE = 0.03  # of the skeleton's size
# Left and right as a word, or as a letter of its own: at a separator, before a capital (lThigh), after one
# (ThighL).
_SIDE = re.compile(
    r"left|right|Left|Right|LEFT|RIGHT"
    r"|(?<![A-Za-z])[LR](?![A-Za-z])|(?<![A-Za-z])[lr](?![a-z])|(?<=[a-z])[LR](?![A-Za-z])"
)
_OTHER = {"left": "right", "Left": "Right", "LEFT": "RIGHT", "l": "r", "L": "R"}
_OTHER |= {other: side for side, other in _OTHER.items()}


@dataclass(frozen=True)
class Cell:
    """One bone of a row: rows of spine and neck hold several, counted from the bottom."""

    joint: str
    place: int = 0


def with_bone(mapping: BoneMapping, cell: Cell, bone: str) -> BoneMapping:
    """The mapping with `bone` in the cell, taken out of any other row; an empty name clears the cell.

    A place beyond the row's bones adds to its end.
    """
    rows = {row.joint: row for row in mapping.rows}
    old = rows.get(cell.joint, MappingRow(cell.joint))
    bones = list(old.bones)
    if cell.place < len(bones):
        bones[cell.place] = bone
    else:
        bones.append(bone)
    bones = [name for i, name in enumerate(bones) if name and (i == cell.place or name != bone)]
    if bone:
        for joint, row in rows.items():
            if joint != cell.joint and bone in row.bones:
                rest = tuple(name for name in row.bones if name != bone)
                rows[joint] = replace(row, bones=rest, reason=row.reason if rest else f"{bone} moved away")
    reason = BY_HAND if bones else "cleared by hand"
    rows[cell.joint] = MappingRow(cell.joint, tuple(dict.fromkeys(bones)), reason, float(bool(bones)))
    return _with_rows(mapping, rows, {cell.joint})


def mirrored(mapping: BoneMapping, rig: RigDescription, empty_side: str = "r") -> tuple[BoneMapping, int]:
    """The mapping with rows of one side ("l" or "r") filled from the other side's, and how many changed.

    The partner of a bone has the same name with the side swapped, else lies at its mirror image. Rows that
    have no partner stay as they are.
    """
    full_side = "l" if empty_side == "r" else "r"
    rows = {row.joint: row for row in mapping.rows}
    partners = _Partners(rig, mapping)
    changed: set[str] = set()
    for joint, row in list(rows.items()):
        if not joint.startswith(f"{full_side}_") or not row.bones:
            continue
        other = f"{empty_side}_{joint[2:]}"
        bones = tuple(name for bone in row.bones if (name := partners.of(bone)) is not None)
        if len(bones) != len(row.bones) or (other in rows and rows[other].bones == bones):
            continue
        rows[other] = MappingRow(other, bones, f"mirror image of {', '.join(row.bones)}", row.confidence)
        changed.add(other)
    return _with_rows(mapping, rows, changed), len(changed)


def fitted(mapping: BoneMapping, rig: RigDescription) -> tuple[BoneMapping, list[str]]:
    """A mapping made for another rig, on this one: bones that are not here are left out, and named.

    A bone also counts as here if it differs by a namespace alone ("mixamorig:Hips" and "Hips").
    """
    plain = {_plain(name): name for name in rig.bone_names}
    absent: list[str] = []

    def here(bone: str) -> str | None:
        found = bone if bone in rig.index else plain.get(_plain(bone))
        if found is None:
            absent.append(bone)
        return found

    rows = {}
    for row in mapping.rows:
        found = [here(bone) for bone in row.bones]
        bones = tuple(name for name in found if name is not None)
        gone = [bone for bone, name in zip(row.bones, found, strict=True) if name is None]
        reason = f"no bone called {', '.join(gone)}" if gone else row.reason
        rows[row.joint] = replace(row, bones=bones, reason=reason, confidence=row.confidence * bool(bones))
    for joint in SLOTS:
        rows.setdefault(joint, MappingRow(joint, reason="not in the preset"))
    anchors = {joint: bone for joint, bone in mapping.anchors.items() if bone in rig.index}
    switches = tuple(entry for entry in mapping.properties if entry[0] in rig.index)
    followers = {a: b for a, b in mapping.followers.items() if a in rig.index and b in rig.index}
    handles = {joint: bone for joint, bone in mapping.ik_controls.items() if bone in rig.index}
    result = BoneMapping(tuple(rows.values()), mapping.preset, anchors, switches, followers, handles)
    return result, list(dict.fromkeys(absent))


def mirror_name(name: str) -> str:
    """The name with its left and right swapped; the same name where it has no side."""
    return _SIDE.sub(lambda match: _OTHER[match[0]], name)


def _plain(name: str) -> str:
    return re.split(r"[:|]", name)[-1].lower()


def _with_rows(mapping: BoneMapping, rows: dict[str, MappingRow], changed: set[str]) -> BoneMapping:
    """Changed rows lose their anchor, which belonged to the bone before."""
    anchors = {joint: bone for joint, bone in mapping.anchors.items() if joint not in changed}
    return replace(mapping, rows=tuple(rows.values()), anchors=anchors)


class _Partners:
    """Finds the bone on the other side."""

    def __init__(self, rig: RigDescription, mapping: BoneMapping) -> None:
        self.rig = rig
        self.size = max(float(np.ptp(rig.heads, axis=0).max()), 1e-9)
        self.normal, self.middle = _plane(rig, mapping)

    def of(self, bone: str) -> str | None:
        """The partner's name; None where there is none."""
        rig = self.rig
        if bone not in rig.index:
            return None
        named = mirror_name(bone)
        if named != bone and named in rig.index:
            return named
        i = rig.index[bone]
        apart = np.linalg.norm(self._image(rig.heads[i]) - rig.heads, axis=-1)
        apart += np.linalg.norm(self._image(rig.tails[i]) - rig.tails, axis=-1)
        apart[i] = np.inf
        best = int(np.argmin(apart))
        return rig.bone_names[best] if apart[best] < 2 * _MIRROR_TOLERANCE * self.size else None

    def _image(self, point: np.ndarray) -> np.ndarray:
        return point - 2 * (point @ self.normal - self.middle) * self.normal


def _plane(rig: RigDescription, mapping: BoneMapping) -> tuple[np.ndarray, float]:
    """Normal (3,) and offset of the plane between left and right, armature space: as mapped pairs of limbs
    lie, else x = 0 as Blender has it."""
    for joint in ("hip", "shoulder", "collar"):
        left, right = (mapping.bone_for(f"{side}_{joint}") for side in ("l", "r"))
        if left in rig.index and right in rig.index:
            a, b = rig.heads[rig.index[left]], rig.heads[rig.index[right]]
            length = float(np.linalg.norm(a - b))
            if length > 1e-6:
                normal = (a - b) / length
                return normal, float((a + b) @ normal / 2)
    # The plane may have to be found from one side alone: through the trunk.
    trunk = [b for joint in ("pelvis", "spine", "head") for b in mapping.bones_for(joint) if b in rig.index]
    normal = np.array([1.0, 0.0, 0.0])
    heads = np.array([rig.heads[rig.index[b]] for b in trunk]) if trunk else np.zeros((1, 3))
    return normal, float((heads @ normal).mean())
