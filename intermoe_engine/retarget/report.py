# SPDX-License-Identifier: GPL-3.0-or-later
"""What a retarget kept and what it lost, in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..measures import NEAR_FLOOR, low_toe_speeds
from ..rotations import quat_rotate
from .actor import ActorRetarget
from .hands import ArmReach, HandContact
from .mapping import SIDES, SLOTS, slot_label
from .motion import RigMotion
from .source import SIDE_JOINTS

_LIMB_BONES = [(f"{s}_{a}", f"{s}_{b}") for s in SIDES for a, b in (("hip", "knee"), ("knee", "ankle"))] + [
    (f"{s}_{a}", f"{s}_{b}") for s in SIDES for a, b in (("shoulder", "elbow"), ("elbow", "wrist"))
]
Arms = dict[str, ArmReach]


def pair_report(
    actors: tuple[ActorRetarget, ActorRetarget],
    motions: tuple[RigMotion, RigMotion],
    contacts: list[HandContact],
    arms_before: tuple[Arms, Arms],
    scale: float,
    fps: float,
) -> dict[str, Any]:
    """Plain numbers, ready for JSON: lengths in mm, speeds in mm/s, angles in degrees.

    foot_slide: mean ground speed of the lower toe near its own floor (`measures.low_toe_speeds`), of the
    source times the pair's scale and of the target. foot_slide_in_contact: the same of each foot's support
    (the stiller of ankle and toe joint) between frames in which the take calls it down, so feet that should
    stand and were not found standing are left out.
    hip_distance_error: how far the ground distance between the two pelvises is from the take's times the
    scale. hand_gap_error: how far the distances of joined wrists are from the take's times the scale,
    before and after the hands were brought together.
    """
    heads = [_joint_heads(actor, motion) for actor, motion in zip(actors, motions, strict=True)]
    target = heads[0]["pelvis"] - heads[1]["pelvis"]
    source = actors[0].source.positions[:, 0] - actors[1].source.positions[:, 0]
    up = actors[0].settings.scene[:3, 1]
    flat = target - (target @ up)[:, None] * up
    error = np.abs(np.linalg.norm(flat, axis=-1) - scale * np.linalg.norm(source[:, [0, 2]], axis=-1))
    return {
        "pair_scale": round(scale, 6),
        "frames": actors[0].source.frames,
        "fps": fps,
        "hip_distance_error_mm": _mm(error.max()),
        "hands": _hands(heads, contacts, arms_before, scale),
        "actors": [_actor(actor, joints, scale, fps) for actor, joints in zip(actors, heads, strict=True)],
    }


def _joint_heads(actor: ActorRetarget, motion: RigMotion) -> dict[str, np.ndarray]:
    index, mapping = actor.rig.index, actor.mapping
    return {
        slot: motion.heads_world[:, index[mapping.anchors.get(slot) or bone]]
        for slot in SLOTS
        if (bone := mapping.bone_for(slot)) is not None
    }


def _actor(actor: ActorRetarget, joints: dict[str, np.ndarray], scale: float, fps: float) -> dict[str, Any]:
    source, mapping = actor.source, actor.mapping
    scene = actor.settings.scene
    local = {
        slot: (p - scene[:3, 3]) @ scene[:3, :3] for slot, p in joints.items()
    }  # back to the pair's floor
    angles = []
    for upper, lower in _LIMB_BONES:
        if lower in local:
            side, (a, b) = upper[0], (upper[2:], lower[2:])
            model = source.positions[:, SIDE_JOINTS[side][b]] - source.positions[:, SIDE_JOINTS[side][a]]
            angles.append(_angle(local[lower] - local[upper], model))
    slide_source, slide_target = [], []
    for s in SIDES:
        names = [name for name in ("ankle", "foot") if f"{s}_{name}" in local]
        ankle_down, toe_down = source.foot_contact(s)
        flags = {"ankle": ankle_down, "foot": toe_down}
        model = {name: scale * source.positions[:, SIDE_JOINTS[s][name]] for name in names}
        slide_source.append(_slide(model, flags, fps))
        slide_target.append(_slide({name: local[f"{s}_{name}"] for name in names}, flags, fps))
    warnings = []
    if not actor.rig.scale_is_uniform:
        warnings.append(
            f"The armature '{actor.rig.name}' is scaled differently along its axes; limbs will be skewed: "
            "make the object's scale uniform."
        )
    unmapped = [slot for slot in SLOTS if slot != "root" and not mapping.bones_for(slot)]
    if unmapped:
        warnings.append(f"'{actor.rig.name}': not mapped: {', '.join(map(slot_label, unmapped))}.")
    angle = np.concatenate(angles)
    source_toes = source.positions[:, [SIDE_JOINTS[s]["foot"] for s in SIDES]]
    return {
        "rig": actor.rig.name,
        "preset": mapping.preset,
        "bones_mapped": len(mapping.keyed_bones),
        "rows_empty": unmapped,
        "leg_ratio": round(actor.leg_ratio, 6),
        "foot_slide_source_mm_s": _mean_mm([low_toe_speeds(scale * source_toes, fps, scale * NEAR_FLOOR)]),
        "foot_slide_mm_s": _mean_mm([low_toe_speeds(_toes(actor, local), fps, scale * NEAR_FLOOR)]),
        "foot_slide_in_contact_source_mm_s": _mean_mm(slide_source),
        "foot_slide_in_contact_mm_s": _mean_mm(slide_target),
        "floor_penetration_mm": _penetration(actor, local),
        "limb_direction_error_deg": {
            "median": round(float(np.median(angle)), 3),
            "p95": round(float(np.percentile(angle, 95)), 3),
        },
        "warnings": warnings,
    }


def _toes(actor: ActorRetarget, local: dict[str, np.ndarray]) -> np.ndarray:
    """(T, 2, 3) both toe joints; where a rig has none, the point of the foot where the take has its own."""
    toes = []
    for s in SIDES:
        turn = actor.source.quaternions[:, SIDE_JOINTS[s]["ankle"]]
        guess = local[f"{s}_ankle"] + quat_rotate(turn, actor.foot_shape(s).toe_offset)
        toes.append(local.get(f"{s}_foot", guess))
    return np.stack(toes, axis=1)


def _penetration(actor: ActorRetarget, local: dict[str, np.ndarray]) -> float | None:
    """Deepest point of the soles (under ankle and toe joint) below the floor; None without a floor."""
    depth: list[float] = []
    for s in SIDES:
        foot = actor.foot_shape(s)
        if foot.ankle_height is None:
            continue
        turn = actor.source.quaternions[:, SIDE_JOINTS[s]["ankle"]]
        for x, z in ((0.0, 0.0), (foot.toe_offset[0], foot.toe_offset[2])):
            sole = local[f"{s}_ankle"] + quat_rotate(turn, np.array([x, -foot.ankle_height, z]))
            depth.append(float(-sole[:, 1].min()))
    return _mm(max(0.0, *depth)) if depth else None


def _hands(
    heads: list[dict[str, np.ndarray]], contacts: list[HandContact], before: tuple[Arms, Arms], scale: float
) -> dict[str, Any]:
    errors_before, errors_after = [], []
    for c in contacts:
        if c.side_a in before[0] and c.side_b in before[1]:
            gap = scale * np.linalg.norm(c.offset, axis=-1)
            was = before[1][c.side_b].wrist - before[0][c.side_a].wrist
            now = heads[1][f"{c.side_b}_wrist"] - heads[0][f"{c.side_a}_wrist"]
            errors_before.append(np.abs(np.linalg.norm(was, axis=-1) - gap)[c.active])
            errors_after.append(np.abs(np.linalg.norm(now, axis=-1) - gap)[c.active])
    return {
        "holds": [f"{c.side_a}-{c.side_b}" for c in contacts],
        "frames_in_contact": int(sum(int(c.active.sum()) for c in contacts)),
        "gap_error_before_mm": _mean_mm(errors_before),
        "gap_error_mm": _mean_mm(errors_after),
        "gap_error_p95_mm": _mm(np.percentile(np.concatenate(errors_after), 95)) if errors_after else None,
    }


def _slide(joints: dict[str, np.ndarray], down: dict[str, np.ndarray], fps: float) -> np.ndarray:
    """Ground speeds of one foot where it is down; of two joints down, the stiller one is its support."""
    speeds = []
    for name, path in joints.items():
        speed = np.linalg.norm(np.diff(path[:, [0, 2]], axis=0), axis=-1) * fps
        speeds.append(np.where(down[name][1:] & down[name][:-1], speed, np.inf))
    support = np.min(speeds, axis=0)
    return support[np.isfinite(support)]


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.sum(a * b, axis=-1)))


def _mm(metres: Any) -> float:
    return round(float(metres) * 1000, 3)


def _mean_mm(parts: list[np.ndarray]) -> float | None:
    values = np.concatenate(parts) if parts else np.zeros(0)
    return _mm(values.mean()) if len(values) else None
