# SPDX-License-Identifier: GPL-3.0-or-later
"""Twist bones take their share of a limb's roll, so that skin does not wring at one joint.

An upper arm rolls against the shoulder and a forearm is rolled by the hand: a bone at the share s of the
limb's length gets s of that roll. Bones turn about their own lengths, so that no joint moves.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..rotations import matrix_to_quat, quat_from_axis_angle, quat_to_matrix
from .mapping import SIDES, BoneMapping
from .rig import RigDescription

_UPPER = {"shoulder": ("elbow", "collar", "spine"), "hip": ("knee", "pelvis", "root")}
_LOWER = {"elbow": "wrist", "knee": "ankle"}


def spread_twist(
    rig: RigDescription,
    mapping: BoneMapping,
    targets: Mapping[int, np.ndarray],
    aligned: Mapping[str, np.ndarray],
    source_frames: Mapping[str, np.ndarray],
) -> dict[int, np.ndarray]:
    """Armature-space rotations (T, 3, 3) by bone of all twist bones, and of limb bones in line with them.

    targets: rotations (T, 3, 3) of the mapped bones in armature space. aligned and source_frames: as
    `alignment.alignments` and `alignment.rest_frames` of the source give them.
    """
    out: dict[int, np.ndarray] = {}
    for side in SIDES:
        for joint, (end, *bases) in _UPPER.items():
            slot = f"{side}_{joint}"
            bones = _limb(rig, mapping, slot, f"{side}_{end}")
            base = next((b for row in bases if (b := _last(mapping, side, row)) is not None), None)
            if bones is not None and base is not None:
                roll = _roll(
                    rig, targets, aligned, source_frames[slot][:, 0], base, mapping.bones_for(slot)[0]
                )
                out |= _turned(rig, targets, bones, roll, -1.0)
        for joint, end in _LOWER.items():
            slot, tip = f"{side}_{joint}", mapping.bone_for(f"{side}_{end}")
            bones = _limb(rig, mapping, slot, f"{side}_{end}")
            if bones is not None and tip is not None:
                roll = _roll(
                    rig, targets, aligned, source_frames[slot][:, 0], mapping.bones_for(slot)[0], tip
                )
                out |= _turned(rig, targets, bones, roll, 0.0)
    return out


def _last(mapping: BoneMapping, side: str, row: str) -> str | None:
    """The last bone of a row, of the side's row where it has one for each side."""
    bones = mapping.bones_for(f"{side}_{row}") or mapping.bones_for(row)
    return bones[-1] if bones else None


def _limb(
    rig: RigDescription, mapping: BoneMapping, slot: str, end: str
) -> list[tuple[int, float, np.ndarray]] | None:
    """Bone, share of the roll and axis (3,) at rest of a limb's twist bones; None where it has none.

    Bones in line with the limb bone share from none to all, it being the first. Bones at its side stand for
    the stretch to the next one and take the share of its middle.
    """
    twists, first, last = mapping.bones_for(f"{slot}_twist"), mapping.bone_for(slot), mapping.bone_for(end)
    if not twists or first is None or last is None:
        return None
    main, tip = rig.index[first], rig.index[last]
    way = rig.heads[tip] - rig.heads[main]
    length = float(np.linalg.norm(way))
    if length < 1e-9:
        return None
    above = rig.ancestors(tip)
    bones = [rig.index[name] for name in twists]
    line = [main, *(b for b in bones if b in above)]
    beside = [b for b in bones if b not in above]
    out: list[tuple[int, float, np.ndarray]] = []
    if len(line) > 1:
        for k, (bone, following) in enumerate(zip(line, [*line[1:], tip], strict=True)):
            step = rig.heads[following] - rig.heads[bone]
            size = float(np.linalg.norm(step))
            axis = step / size if size > 1e-9 else way / length
            out.append((bone, k / (len(line) - 1), axis))
    along = [float(np.clip((rig.heads[b] - rig.heads[main]) @ way / length**2, 0.0, 1.0)) for b in beside]
    stops = [*along, 1.0][1:]
    out += [(b, (k + stop) / 2, way / length) for b, k, stop in zip(beside, along, stops, strict=True)]
    return out


def _roll(
    rig: RigDescription,
    targets: Mapping[int, np.ndarray],
    aligned: Mapping[str, np.ndarray],
    axis: np.ndarray,
    base: str,
    bone: str,
) -> np.ndarray:
    """How far (T,) in radians `bone` is rolled against `base` about an axis (3,) of the source's T-pose.

    The twist of a swing-twist decomposition, continuous in time.
    """
    world = rig.world_rotation
    turned = [world @ targets[rig.index[name]] @ aligned[name].T for name in (base, bone)]
    q = matrix_to_quat(np.swapaxes(turned[0], -1, -2) @ turned[1])
    angle = np.unwrap(2 * np.arctan2(q[:, 1:] @ axis, q[:, 0]))
    return angle - 2 * np.pi * np.round(np.median(angle) / (2 * np.pi))


def _turned(
    rig: RigDescription,
    targets: Mapping[int, np.ndarray],
    bones: list[tuple[int, float, np.ndarray]],
    roll: np.ndarray,
    start: float,
) -> dict[int, np.ndarray]:
    """Rotations of a limb's bones: that of the limb with `start` + share of the roll added."""
    main = _leader(rig, targets, bones)
    since_rest = targets[main] @ rig.rest_rotations[main].T
    out = {}
    for bone, share, axis in bones:
        turn = quat_to_matrix(quat_from_axis_angle(axis, (start + share) * roll))
        out[bone] = since_rest @ turn @ rig.rest_rotations[bone]
    return out


def _leader(
    rig: RigDescription, targets: Mapping[int, np.ndarray], bones: list[tuple[int, float, np.ndarray]]
) -> int:
    """The limb's own bone: the first of its line, or the bone that those at its side hang on."""
    bone = bones[0][0]
    while bone not in targets:
        bone = int(rig.parents[bone])
    return bone
