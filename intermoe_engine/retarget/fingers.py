# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingers: the take's where it has hands, else a relaxed hand, whatever way the finger bones are rolled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..rotations import quat_from_axis_angle, quat_to_matrix
from .mapping import FINGERS, SIDES, BoneMapping
from .rig import RigDescription

RELAXED = {
    "thumb": (5.0, 10.0, 12.0),
    "index": (14.0, 24.0, 14.0),
    "middle": (18.0, 28.0, 16.0),
    "ring": (22.0, 32.0, 18.0),
    "pinky": (24.0, 34.0, 20.0),
}
"""Degrees by which each joint of a hanging hand is bent, from the knuckle to the tip."""

SMPLX_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
"""The order of SMPL-X's 15 hand joints: three of each finger, from the knuckle on."""


@dataclass(frozen=True)
class HandMotion:
    """Fingers of a take: side ("l", "r") -> local joint rotations (T, 15, 3, 3) since the flat T-pose hand,
    in SMPL-X's order and canonical axes."""

    rotations: dict[str, np.ndarray]


def finger_targets(
    rig: RigDescription,
    mapping: BoneMapping,
    frames: Mapping[str, np.ndarray],
    targets: Mapping[int, np.ndarray],
    hands: HandMotion | None = None,
    source_frames: Mapping[str, np.ndarray] | None = None,
) -> dict[int, np.ndarray]:
    """Armature-space rotations (T, 3, 3) by bone of all mapped finger bones.

    frames: the rig's rest frames (`alignment.rest_frames`). targets: rotations (T, 3, 3)
    of the mapped bones. hands: the take's fingers with the source's rest frames; a hand that they lack is
    relaxed. A finger that is bent more than that at rest stays as it is.
    """
    out: dict[int, np.ndarray] = {}
    for side in SIDES:
        wrist = mapping.bone_for(f"{side}_wrist")
        if wrist is None or rig.index[wrist] not in targets or f"{side}_wrist" not in frames:
            continue
        hand = rig.index[wrist]
        since_rest = targets[hand] @ rig.rest_rotations[hand].T
        taken = None if hands is None or source_frames is None else hands.rotations.get(side)
        for finger in FINGERS:
            bones = [rig.index[name] for name in mapping.bones_for(f"{side}_{finger}")]
            if not bones:
                continue
            frame = frames[f"{side}_wrist"]
            if taken is None or source_frames is None:
                turns = _relaxed(rig, frame, side, finger, bones)
            else:
                turns = _followed(taken, source_frames[f"{side}_wrist"], frame, rig, finger, bones)
            for bone, turn in zip(bones, turns, strict=True):
                out[bone] = since_rest @ turn @ rig.rest_rotations[bone]
    return out


def palm_normal(frame: np.ndarray, side: str) -> np.ndarray:
    """Out of the palm (3,), of a hand's rest frame (3, 3): fingers' direction, thumb side, their product."""
    return frame[:, 2] if side == "l" else -frame[:, 2]


def _relaxed(
    rig: RigDescription, frame: np.ndarray, side: str, finger: str, bones: list[int]
) -> list[np.ndarray]:
    """Turns (3, 3) in armature space at rest that bend a finger's joints to the relaxed angles."""
    steps = _directions(rig, bones)
    toward = palm_normal(frame, side)
    if finger == "thumb":
        # The thumb closes over the palm, towards the little finger.
        toward = toward - frame[:, 1]
    axis = np.cross(steps[0], toward)
    size = float(np.linalg.norm(axis))
    if size < 0.1 * float(np.linalg.norm(toward)):
        return [np.eye(3)] * len(bones)  # the finger points out of the palm: nothing says how it bends
    axis = axis / size
    before = [frame[:, 0] if finger != "thumb" else steps[0], *steps[:-1]]
    total, turns = 0.0, []
    for angle, old, new in zip(RELAXED[finger], before, steps, strict=False):
        bent = np.arctan2(np.cross(old, new) @ axis, old @ new)
        total += float(np.clip(np.radians(angle) - bent, 0.0, np.radians(angle)))
        turns.append(quat_to_matrix(quat_from_axis_angle(axis, np.asarray(total))))
    return turns


def _followed(
    taken: np.ndarray,
    source_frame: np.ndarray,
    frame: np.ndarray,
    rig: RigDescription,
    finger: str,
    bones: list[int],
) -> list[np.ndarray]:
    """Turns (T, 3, 3) of a finger's bones as the take's, from the source's hand to this one.

    The fingers' own rest directions are levelled to the hand's: a straight finger of the take is straight.
    """
    first = 3 * SMPLX_FINGERS.index(finger)
    carry = frame @ source_frame.T
    total, turns = np.eye(3), []
    for k, step in enumerate(_directions(rig, bones)):
        total = total @ taken[:, first + min(k, 2)]
        level = np.eye(3) if finger == "thumb" else _levelled(step, frame)
        turns.append(carry @ total @ carry.T @ level)
    return turns


def _levelled(step: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """The turn (3, 3) about the hand's side axis that takes a direction's bend out, leaving its spread."""
    side = frame[:, 1]
    flat = step - (step @ side) * side
    angle = np.arctan2(np.cross(flat, frame[:, 0]) @ side, flat @ frame[:, 0])
    return quat_to_matrix(quat_from_axis_angle(side, np.asarray(angle)))


def _directions(rig: RigDescription, bones: list[int]) -> list[np.ndarray]:
    """Unit directions (3,) of a finger's bones at rest: to the next bone, to a tip marker, or as before."""
    out: list[np.ndarray] = []
    for k, bone in enumerate(bones):
        marks = [bones[k + 1]] if k + 1 < len(bones) else rig.children[bone]
        step = rig.heads[marks[0]] - rig.heads[bone] if len(marks) == 1 else np.zeros(3)
        size = float(np.linalg.norm(step))
        if size > 1e-9:
            out.append(step / size)
        else:
            tail = rig.rest_rotations[bone][:, 1]
            out.append(out[-1] if out else tail)
    return out
