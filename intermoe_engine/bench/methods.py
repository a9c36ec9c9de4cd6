# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to put a take on two rigs that the benchmark compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..retarget import (
    BoneMapping,
    RetargetSettings,
    RigDescription,
    RigKinematics,
    RigMotion,
    map_bones,
    retarget_pair,
)
from ..retarget.actor import ActorRetarget
from ..retarget.alignment import alignments, rest_frames, source_rest_pose
from ..retarget.report import pair_report
from ..retarget.source import SourceActor
from ..retarget.touch.binding import body_points
from ..retarget.touch.body import source_points
from ..retarget.touch.parts import POINTS
from ..retarget.touch.pose_model import LIMBS
from ..retarget.touch.skin import target_girths
from ..retarget.trajectory import pair_scale
from ..rotations import quat_between, quat_rotate, quat_to_matrix
from ..take import Take
from .interaction_mesh import deformed

METHODS = ("own height", "one scale", "interaction mesh", "together")
"""Two baselines, each person alone: scaled by its own legs, or both by one scale, with planted feet; an
interaction mesh (`interaction_mesh.py`) on top of the second; and the retargeter of this project, which
solves both together."""


@dataclass(frozen=True)
class Outcome:
    """points (2, T, 18, 3): both bodies (`touch.parts.POINTS`), metres. radii (2, P): of their parts, metres.
    scale: of the pair. ratios: leg lengths over the take's, for A and B. actors: the report's rows. hinges:
    for A and B, ("arm" or "leg", side) -> the axis (T, 3) about which elbow or knee closes, as the keyed
    bones turn it."""

    points: np.ndarray
    radii: np.ndarray
    scale: float
    ratios: tuple[float, float]
    actors: list[dict[str, Any]]
    hinges: list[dict[tuple[str, str], np.ndarray]]


def outcome(method: str, take: Take, rigs: tuple[RigDescription, RigDescription]) -> Outcome:
    """Run one of METHODS."""
    settings = RetargetSettings()
    sources = [SourceActor.from_motion(motion) for motion in take.actors]
    if method == "together":
        result = retarget_pair(take, *rigs, settings=settings)
        ratios = tuple(actor["leg_ratio"] for actor in result.report["actors"])
        hinges = [
            _hinges(*parts) for parts in zip(rigs, result.mappings, sources, result.actors, strict=True)
        ]
        rows = result.report["actors"]
        radii = _girths(rigs, result.points)
        return Outcome(result.points, radii, result.pair_scale, (ratios[0], ratios[1]), rows, hinges)
    a, b = (ActorRetarget(s, rig, map_bones(rig), settings) for s, rig in zip(sources, rigs, strict=True))
    shared = pair_scale((a.leg_ratio, b.leg_ratio))
    for actor in (a, b):
        scale = actor.leg_ratio if method == "own height" else shared
        actor.place(scale)
        actor.plant_feet(scale, take.fps)
    motions = (a.finish(take.fps), b.finish(take.fps))
    report = pair_report((a, b), motions, shared, take.fps)
    points = np.stack([body_points(actor) for actor in (a, b)])
    hinges = [
        _hinges(actor.rig, actor.mapping, source, motion)
        for actor, source, motion in zip((a, b), sources, motions, strict=True)
    ]
    radii = _girths(rigs, points)
    if method == "interaction mesh":
        alone = points
        points = deformed(np.stack([source_points(s) for s in sources]), alone, shared, take.fps)
        hinges = [_carried(*parts) for parts in zip(hinges, alone, points, strict=True)]
    return Outcome(points, radii, shared, (a.leg_ratio, b.leg_ratio), report["actors"], hinges)


def _girths(rigs: tuple[RigDescription, RigDescription], points: np.ndarray) -> np.ndarray:
    return np.stack([target_girths(rig, person) for rig, person in zip(rigs, points, strict=True)])


def _carried(
    hinges: dict[tuple[str, str], np.ndarray], before: np.ndarray, after: np.ndarray
) -> dict[tuple[str, str], np.ndarray]:
    """Axes of elbows and knees that go along with their upper limbs by the shortest arc."""
    out = {}
    for (limb, side), axis in hinges.items():
        i, j = (POINTS.index(f"{side}_{name}") for name in LIMBS[limb][:2])
        swing = quat_between(before[:, j] - before[:, i], after[:, j] - after[:, i])
        out[limb, side] = quat_rotate(swing, axis)
    return out


def _hinges(
    rig: RigDescription, mapping: BoneMapping, source: SourceActor, motion: RigMotion
) -> dict[tuple[str, str], np.ndarray]:
    """Axes of elbows and knees from the keys, composed as Blender does it."""
    aligned = alignments(rig, mapping, source.rest_offsets)
    frames = rest_frames(source_rest_pose(source.rest_offsets))
    keys = {rig.index[bone]: quat_to_matrix(motion.rotations[:, k]) for k, bone in enumerate(motion.bones)}
    kinematics = RigKinematics(rig, mapping.followers)
    root = rig.index[motion.root_bone]
    pose = kinematics.pose(motion.frames, keys, root, motion.root_locations, basis=True)
    out = {}
    for limb, first in (("arm", "shoulder"), ("leg", "hip")):
        for side in ("l", "r"):
            bone = mapping.bone_for(f"{side}_{first}")
            assert bone is not None  # a required row
            # The axis in the T-pose, carried into the bone's own frame and out again where the bone is now.
            own = aligned[bone].T @ frames[f"{side}_{first}"][:, 2]
            out[limb, side] = kinematics.world_rotations(pose, rig.index[bone]) @ own
    return out
