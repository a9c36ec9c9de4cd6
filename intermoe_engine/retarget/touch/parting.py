# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole people moved apart on the floor where they stand in each other: no lean can mend that.

What is left, of arms and of shapes, is the pair solver's, whose feet stay where they are put here.
"""

from __future__ import annotations

import numpy as np

from ...intervals import runs
from ...kinematics import local_from_global
from ...rotations import quat_continuous, quat_multiply
from ...skeleton import SMPL22
from ...take import ActorMotion
from ...two_bone import bend_axis_for_goal, solve_two_bone
from ..legs import pelvis_drop
from ..smoothing import cover
from ..source import SIDE_JOINTS, SourceActor
from .body import Body
from .clearance import PartPairs, clearance, coming_near
from .parts import PARTS, TRUNK
from .pose_model import PoseModel

_ARMS = np.array([part.label in ("hand", "forearm", "upper arm") for part in PARTS])
_LEANING = np.array([part.name in (*TRUNK, "head") for part in PARTS])
_EASE = 0.5
"""Seconds in which two people come to be moved apart, and come back."""
_JOINED = 0.4
"""Seconds: overlaps with shorter pauses are one, and are mended in one direction."""
_ASKEW = 0.4
"""Least cosine between the way people are moved and the way two parts are parted by it."""
_LEANED = 0.03
"""Metres of overlap of trunks and heads that are left for the pair solver: nobody steps aside for it."""
_NEAR = 0.3  # metres: parts farther from each other do not come to overlap by the moves
_PASSES = 4
_MOST_DROP = 0.1  # of the leg's length


def distances_to_add(bodies: tuple[Body, Body], fps: float, allowance: float) -> np.ndarray:
    """What to add (T, 3), level, to the way from A to B so that their trunks, heads and legs overlap by at
    most `allowance` metres, and what a lean can mend; zero where they do not.

    Each overlap is mended in ONE direction, the way from A to B where they are nearest to each other: it is
    at a right angle to how they pass, so that who walks through the other comes to walk past.
    """
    pairs = PartPairs.all_pairs()
    pairs = pairs.kept(pairs.across & ~_ARMS[pairs.first] & ~_ARMS[pairs.second])
    pairs = coming_near(pairs, bodies, _NEAR)
    room = allowance + _LEANED * (_LEANING[pairs.first] & _LEANING[pairs.second])
    away = np.zeros((bodies[0].frames, 3))
    radius = max(1, round(_EASE * fps / 2))
    for _ in range(_PASSES):
        half = 0.5 * away[:, None]
        now = clearance(pairs, (bodies[0].on(bodies[0].points - half), bodies[1].on(bodies[1].points + half)))
        deep = np.maximum(-room - now.distance, 0.0)
        near = deep.max(axis=-1, initial=0.0) > 1e-4
        if not near.any():
            break
        between = (bodies[1].points - bodies[0].points)[:, :2].mean(axis=1) * [1.0, 0.0, 1.0] + away
        for start, end in zip(*runs(_joined(near, round(_JOINED * fps))), strict=True):
            nearest = start + int(np.argmin(np.linalg.norm(between[start:end], axis=-1)))
            way = between[nearest] / max(float(np.linalg.norm(between[nearest])), 1e-9)
            need = np.zeros(len(away))
            along = np.maximum(now.normal[start:end] @ way, _ASKEW)
            need[start:end] = (deep[start:end] / along).max(axis=-1)
            away = away + cover(need, radius)[:, None] * way
    return away


def moved(
    motion: ActorMotion, source: SourceActor, model: PoseModel, by: np.ndarray, fps: float
) -> ActorMotion:
    """A person moved by (T, 3); each foot that stands is moved once for as long as it stands."""
    rotations = source.quaternions.copy()
    goals = {
        s: source.positions[:, ids["ankle"]] + _in_steps(by, np.logical_or(*source.foot_contact(s)))
        for s, ids in SIDE_JOINTS.items()
    }
    hips = {s: source.positions[:, ids["hip"]] + by for s, ids in SIDE_JOINTS.items()}
    drop = pelvis_drop(
        [hips[s] for s in SIDE_JOINTS],
        [goals[s] for s in SIDE_JOINTS],
        [model.leg_reach[s] for s in SIDE_JOINTS],
        fps,
        _MOST_DROP * model.leg_length,
    )
    lowered = drop[:, None] * np.array([0.0, 1.0, 0.0])
    for s, ids in SIDE_JOINTS.items():
        hip, knee, ankle = (
            source.positions[:, ids[name]] + by - lowered for name in ("hip", "knee", "ankle")
        )
        axis = bend_axis_for_goal(hip, knee, ankle, goals[s], model.hinge["leg", s])
        turns = solve_two_bone(hip, knee, ankle, goals[s], axis)
        for name, turn in zip(("hip", "knee"), turns, strict=True):
            rotations[:, ids[name]] = quat_multiply(turn, rotations[:, ids[name]])
    local = quat_continuous(local_from_global(rotations, SMPL22.parents))
    root = source.positions[:, 0] + by - lowered
    return ActorMotion.from_rotations(root, local, motion.foot_contacts, source.rest_offsets)


def _joined(flags: np.ndarray, most: int) -> np.ndarray:
    """Flags (T,) with pauses of up to `most` frames between two that are set filled."""
    out = flags.copy()
    for start, end in zip(*runs(~flags), strict=True):
        if start > 0 and end < len(flags) and end - start <= most:
            out[start:end] = True
    return out


def _in_steps(by: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """`by` (T, 3), constant while a foot stands (its mean there), in between eased from one to the next."""
    first, end = runs(stands)
    if len(first) == 0:
        return by
    total = np.concatenate([np.zeros((1, 3)), np.cumsum(by, axis=0)])
    means = (total[end] - total[first]) / (end - first)[:, None]
    frames = np.arange(len(by))
    after = np.clip(
        np.searchsorted(first, frames, side="right"), 1, len(first)
    )  # the stance begun last, from 1
    last, coming = after - 1, np.minimum(after, len(first) - 1)
    span = np.maximum(first[coming] - (end[last] - 1), 1)
    s = np.clip((frames - (end[last] - 1)) / span, 0.0, 1.0)
    s = np.where(coming == last, 0.0, s * s * (3 - 2 * s))[:, None]
    return means[last] * (1 - s) + means[coming] * s
