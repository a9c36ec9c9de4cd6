# SPDX-License-Identifier: GPL-3.0-or-later
"""What a retarget kept and what it lost, in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..measures import NEAR_FLOOR, low_toe_speeds
from ..rotations import quat_rotate
from .actor import ActorRetarget
from .mapping import BODY_SLOTS, SIDES, slot_label
from .motion import RigMotion
from .source import SIDE_JOINTS

_LIMB_BONES = [(f"{s}_{a}", f"{s}_{b}") for s in SIDES for a, b in (("hip", "knee"), ("knee", "ankle"))] + [
    (f"{s}_{a}", f"{s}_{b}") for s in SIDES for a, b in (("shoulder", "elbow"), ("elbow", "wrist"))
]


def pair_report(
    actors: tuple[ActorRetarget, ActorRetarget],
    motions: tuple[RigMotion, RigMotion],
    scale: float,
    fps: float,
) -> dict[str, Any]:
    """Plain numbers, ready for JSON: lengths in mm, speeds in mm/s, angles in degrees.

    foot_slide: mean ground speed of the lower toe near its own floor (`measures.low_toe_speeds`), of the
    source times the pair's scale and of the target. foot_slide_in_contact: the same of each foot's support
    (the stiller of ankle and toe joint) between frames in which the take calls it down, so feet that should
    stand and were not found standing are left out.
    hip_distance_error: how far the ground distance between the two pelvises is from the take's times the
    scale.
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
        "actors": [_actor(actor, joints, scale, fps) for actor, joints in zip(actors, heads, strict=True)],
    }


def _joint_heads(actor: ActorRetarget, motion: RigMotion) -> dict[str, np.ndarray]:
    index, mapping = actor.rig.index, actor.mapping
    return {
        slot: motion.heads_world[:, index[mapping.anchors.get(slot) or bone]]
        for slot in BODY_SLOTS
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
    unmapped = [slot for slot in BODY_SLOTS if slot != "root" and not mapping.bones_for(slot)]
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
