# SPDX-License-Identifier: GPL-3.0-or-later
"""Between a take's own skeleton and the pair solver: its pose as a model, and the solution back on it."""

from __future__ import annotations

import numpy as np

from ...kinematics import local_from_global
from ...rotations import (
    quat_between,
    quat_continuous,
    quat_exp,
    quat_from_axis_angle,
    quat_multiply,
    quat_rotate,
)
from ...skeleton import SMPL22
from ...take import ActorMotion
from ...two_bone import bend_axis_for_goal, solve_two_bone
from ..alignment import rest_frames, source_rest_pose
from ..source import PELVIS, SIDE_JOINTS, SourceActor
from .body import source_points
from .palms import HandTurn
from .parts import POINTS
from .pose_model import COLLAR, LEAN, LIMBS, NECK_SHARE, SHIFT, SWIVEL, PoseModel
from .tracks import unit

_SPINE = tuple(SMPL22.index(f"spine{k}") for k in (1, 2, 3))
_NECK = SMPL22.index("neck")
_STRAIGHTEST_LEG = 0.995
_AS_IT_IS = 1 - 1e-6  # the goals themselves say how straight a limb may be


def skeleton_model(source: SourceActor) -> PoseModel:
    """The model of a take's own person."""
    frames = rest_frames(source_rest_pose(source.rest_offsets))
    hinge = {}
    for limb, names in LIMBS.items():
        for s, ids in SIDE_JOINTS.items():
            axis = frames[f"{s}_{names[0]}"][:, 2]
            hinge[limb, s] = source.matrices[:, ids[names[0]]] @ axis
    reach = np.full(source.frames, _STRAIGHTEST_LEG * source.leg_length)
    at = source.positions
    return PoseModel.of(
        source_points(source),
        [at[:, PELVIS], *(at[:, joint] for joint in _SPINE)],
        True,
        at[:, _NECK],
        {s: at[:, ids["collar"]] for s, ids in SIDE_JOINTS.items()},
        hinge,
        dict.fromkeys(SIDE_JOINTS, reach),
    )


def solved_rotations(
    source: SourceActor, model: PoseModel, x: np.ndarray, hands: dict[str, HandTurn] | None = None
) -> np.ndarray:
    """Rotations (T, 22, 4) since the T-pose, in the world, for variables x (T, 20); see `PoseModel`.

    hands: those, by side, that are turned otherwise than in the source; the model's finger tips must agree.
    """
    out = source.quaternions.copy()
    turn = lambda joint, by: out.__setitem__((slice(None), joint), quat_multiply(by, out[:, joint]))
    lean = x[:, LEAN]
    for joint, share in zip((PELVIS, *_SPINE), model.shares, strict=True):
        turn(joint, quat_exp(lean * share))
    turn(_NECK, quat_exp(lean * (NECK_SHARE * model.shares[-1])))
    # Limbs are turned where they stand in the source: only directions count.
    points = dict(zip(SMPL22.names, np.moveaxis(source.positions, 1, 0), strict=True))
    ends = _limb_ends(model, x)
    for s, ids in SIDE_JOINTS.items():
        bone = points[f"{s}_shoulder"] - points[f"{s}_collar"]
        turn(ids["collar"], quat_between(bone, bone + x[:, COLLAR[s]]))
        for limb, names in LIMBS.items():
            start, middle, end = (points[f"{s}_{name}"] for name in names)
            goal = start + ends[limb, s]
            axis = bend_axis_for_goal(start, middle, end, goal, model.hinge[limb, s])
            turns = solve_two_bone(start, middle, end, goal, axis, straightest=_AS_IT_IS)
            for name, by in zip(names[:2], turns, strict=True):
                turn(ids[name], by)
                if limb == "arm":
                    turn(ids[name], quat_from_axis_angle(unit(ends[limb, s]), x[:, SWIVEL[s].start]))
        if hands and s in hands:
            forearm = quat_rotate(out[:, ids["elbow"]], unit(source.rest_offsets[ids["wrist"]]))
            turn(ids["elbow"], quat_from_axis_angle(forearm, hands[s].twist))
            out[:, ids["wrist"]] = hands[s].rotation
    return out


def solved_motion(
    motion: ActorMotion, source: SourceActor, rotations: np.ndarray, x: np.ndarray
) -> ActorMotion:
    """The motion with these rotations (T, 22, 4) in the world and its pelvis moved by x; bones keep their
    lengths, foot contacts stay."""
    local = quat_continuous(local_from_global(rotations, SMPL22.parents))
    root: np.ndarray = source.positions[:, PELVIS] + x[:, SHIFT]
    return ActorMotion.from_rotations(root, local, motion.foot_contacts, source.rest_offsets)


def _limb_ends(model: PoseModel, x: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """Where wrists and ankles are, seen from shoulders and hips, (T, 3) by limb and side."""
    points = model.at(x)
    return {
        (limb, s): points[:, POINTS.index(f"{s}_{names[2]}")] - points[:, POINTS.index(f"{s}_{names[0]}")]
        for limb, names in LIMBS.items()
        for s in SIDE_JOINTS
    }
