# SPDX-License-Identifier: GPL-3.0-or-later
"""Between a rig and the pair solver: the rig's pose as a model, and the solution back on its bones."""

from __future__ import annotations

import numpy as np

from ...rotations import quat_between, quat_exp, quat_from_axis_angle, quat_to_matrix
from ..actor import ActorRetarget
from ..mapping import SIDES
from ..source import SIDE_JOINTS
from .body import source_points
from .parts import CROWN_TO_TRUNK, HAND_TO_FOREARM, POINTS
from .pose_model import COLLAR, LEAN, NECK_SHARE, SHIFT, SWIVEL, VARIABLES, WRIST, PoseModel


def body_points(actor: ActorRetarget) -> np.ndarray:
    """The 18 points (T, 18, 3) of a target as it is now, canonical; what it lacks comes from the take."""
    source = actor.source
    taken = source_points(source)
    out = np.zeros_like(taken)
    at = POINTS.index
    for s in SIDES:
        for name in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"):
            if actor.mapping.bone_for(f"{s}_{name}") is not None:
                out[:, at(f"{s}_{name}")] = actor.joint(f"{s}_{name}")
        ankle, shoulder, elbow, wrist = (at(f"{s}_{n}") for n in ("ankle", "shoulder", "elbow", "wrist"))
        if actor.mapping.bone_for(f"{s}_wrist") is None:
            out[:, wrist] = _continued(out, taken, shoulder, elbow, wrist)
        ids = SIDE_JOINTS[s]
        offset = actor.foot_shape(s).toe_offset
        out[:, at(f"{s}_toe")] = out[:, ankle] + source.matrices[:, ids["ankle"]] @ offset
        forearm = source.rest_offsets[ids["wrist"]]
        length = float(np.median(np.linalg.norm(out[:, wrist] - out[:, elbow], axis=-1)))
        hand = HAND_TO_FOREARM * length * forearm / np.linalg.norm(forearm)
        out[:, at(f"{s}_tip")] = out[:, wrist] + source.matrices[:, ids["wrist"]] @ hand
    low = (out[:, at("l_hip")] + out[:, at("r_hip")]) / 2
    high = (out[:, at("l_shoulder")] + out[:, at("r_shoulder")]) / 2
    trunk = np.median(np.linalg.norm(high - low, axis=-1))
    taken_trunk = np.linalg.norm(
        taken[:, [at("l_shoulder"), at("r_shoulder")]].mean(1) - taken[:, [at("l_hip"), at("r_hip")]].mean(1),
        axis=-1,
    )
    ratio = trunk / np.median(taken_trunk)
    if actor.mapping.bone_for("head") is not None:
        out[:, at("head")] = actor.joint("head")
    else:
        above = taken[:, at("head")] - taken[:, [at("l_shoulder"), at("r_shoulder")]].mean(axis=1)
        out[:, at("head")] = high + ratio * above
    out[:, at("crown")] = out[:, at("head")] + CROWN_TO_TRUNK * trunk * source.matrices[:, 15, :, 1]
    return out


def pose_model(actor: ActorRetarget) -> PoseModel:
    """The model of a target as it stands now, feet planted."""
    mapping, rig = actor.mapping, actor.rig
    points = body_points(actor)
    at = POINTS.index
    pelvis = mapping.bone_for("pelvis")
    assert pelvis is not None  # checked by the mapping
    spine = mapping.bones_for("spine")
    chain = [actor.joint("pelvis"), *(actor.bone_head(bone) for bone in spine)]
    below_pelvis = not spine or rig.index[pelvis] in actor.leaders_of(rig.index[spine[0]])
    neck_bone = mapping.bone_for("neck") or mapping.bone_for("head")
    middle = points[:, [at("l_shoulder"), at("r_shoulder")]].mean(axis=1)
    neck = middle if neck_bone is None else actor.bone_head(neck_bone)
    collars = {}
    for s in SIDES:
        collar, shoulder = mapping.bone_for(f"{s}_collar"), mapping.bone_for(f"{s}_shoulder")
        assert shoulder is not None
        if collar is not None and rig.index[collar] in actor.leaders_of(rig.index[shoulder]):
            collars[s] = actor.joint(f"{s}_collar")
    hinges = {(limb, s): actor.hinge(s, limb) for limb in ("arm", "leg") for s in SIDES}
    leg_reach = {s: actor.leg_reach(s) for s in SIDES}
    return PoseModel.of(points, chain, below_pelvis, neck, collars, hinges, leg_reach)


def frozen_variables(actor: ActorRetarget, model: PoseModel) -> np.ndarray:
    """Flags (20,) of what this rig cannot do: clavicles and hands that it has not."""
    out = np.zeros(VARIABLES, dtype=bool)
    for s in SIDES:
        out[COLLAR[s]] = s not in model.collars
        out[WRIST[s]] = out[SWIVEL[s]] = actor.mapping.bone_for(f"{s}_wrist") is None
    return out


def apply_solution(actor: ActorRetarget, model: PoseModel, x: np.ndarray) -> None:
    """Put variables (T, 20) on the rig: lean, clavicles and shift first, then arms and legs by IK."""
    points = model.at(x)
    at = POINTS.index
    lean = x[:, LEAN]
    actor.turn_bone_row("pelvis", [quat_to_matrix(quat_exp(lean * model.shares[0]))])
    spine = [quat_to_matrix(quat_exp(lean * share)) for share in model.shares[1:]]
    actor.turn_bone_row("spine", spine)
    neck = quat_to_matrix(quat_exp(lean * (NECK_SHARE * model.shares[-1])))
    actor.turn_bone_row("neck", [neck] * len(actor.mapping.bones_for("neck")))
    for s, collar in model.collars.items():
        bone = model.points[:, at(f"{s}_shoulder")] - collar
        turn = quat_to_matrix(quat_between(bone, bone + x[:, COLLAR[s]]))
        actor.turn_bone_row(f"{s}_collar", [turn] * len(actor.mapping.bones_for(f"{s}_collar")))
    ankles = {s: model.points[:, at(f"{s}_ankle")] for s in SIDES}
    actor.move(x[:, SHIFT])
    wrists = {s: points[:, at(f"{s}_wrist")] for s in SIDES if actor.mapping.bone_for(f"{s}_wrist")}
    actor.reach(ankles, wrists)
    for s in wrists:
        line = actor.joint(f"{s}_wrist") - actor.joint(f"{s}_shoulder")
        line /= np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-9)
        turn = quat_to_matrix(quat_from_axis_angle(line, x[:, SWIVEL[s].start]))
        for slot in (f"{s}_shoulder", f"{s}_elbow"):
            actor.turn_bone_row(slot, [turn] * len(actor.mapping.bones_for(slot)))


def _continued(out: np.ndarray, taken: np.ndarray, a: int, b: int, c: int) -> np.ndarray:
    """The end of a limb whose last joint the rig lacks: in the take's direction, in its proportions."""
    ratio = np.linalg.norm(out[:, b] - out[:, a], axis=-1) / np.linalg.norm(
        taken[:, b] - taken[:, a], axis=-1
    )
    return out[:, b] + ratio[:, None] * (taken[:, c] - taken[:, b])
