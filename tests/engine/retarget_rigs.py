# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigs and motions made up for the retargeting tests, with every number known."""

from __future__ import annotations

import numpy as np

from intermoe_engine.bench.rigs import MIXAMO
from intermoe_engine.kinematics import forward_kinematics, local_from_global
from intermoe_engine.retarget import RigDescription
from intermoe_engine.rotations import (
    quat_exp,
    quat_from_axis_angle,
    quat_multiply,
    quat_to_matrix,
)
from intermoe_engine.skeleton import SMPL22
from intermoe_engine.take import ActorMotion, Take
from intermoe_engine.two_bone import solve_two_bone, trusted_bend_axis
from tests.shared import SHARED

SHARED_RIGS = SHARED / "rigs"
Z_UP_TO_Y_UP = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], dtype=float)


def rest_rotations(pose: dict[str, tuple[np.ndarray, float]]) -> np.ndarray:
    """Global rotations (22, 4) of a pose given as joint -> (axis, degrees) relative to the parent."""
    local = np.tile(np.array([1.0, 0, 0, 0]), (22, 1))
    for joint, (axis, degrees) in pose.items():
        local[SMPL22.index(joint)] = quat_from_axis_angle(np.asarray(axis, float), np.radians(degrees))
    return local


def arms_lowered(degrees: float) -> dict[str, tuple[np.ndarray, float]]:
    """Both upper arms turned down in the frontal plane: 45 is an A-pose, 80 is arms down."""
    forward = np.array([0.0, 0.0, 1.0])
    return {"l_shoulder": (forward, -degrees), "r_shoulder": (forward, degrees)}


def smpl_rig(
    offsets: np.ndarray = SMPL22.offsets,
    pose: dict[str, tuple[np.ndarray, float]] | None = None,
    names: dict[str, str] | None = None,
    prefix: str = "mixamorig:",
    world: np.ndarray = Z_UP_TO_Y_UP,
    rolls: np.random.Generator | None = None,
    wild_axes: bool = False,
    floor: float = 0.025,
    name: str = "rig",
) -> RigDescription:
    """An armature with a bone for each SMPL joint, standing `floor` metres above its origin at the toes.

    Its rest is `pose`; the armature space is z up and `world` scales it (bone numbers are scaled back, so
    that the character has the same size for any `world`). Bones point to their first child with a random
    roll, or anywhere when `wild_axes`.
    """
    names = names or MIXAMO
    positions, _ = forward_kinematics(np.zeros(3), rest_rotations(pose or {}), SMPL22.parents, offsets)
    positions = positions + np.array([0.0, floor - positions[:, 1].min(), 0.0])
    unit = np.cbrt(np.linalg.det(world[:3, :3]))
    heads = positions @ Z_UP_TO_Y_UP[:3, :3] / unit  # the inverse of y-up from z-up, row vectors
    matrices, lengths = np.tile(np.eye(4), (22, 1, 1)), np.zeros(22)
    for j, joint in enumerate(SMPL22.names):
        child = {"pelvis": "spine1", "spine3": "neck"}.get(joint)
        children = [SMPL22.index(child)] if child else np.flatnonzero(SMPL22.parents == j)
        parent = SMPL22.parents[j]
        vector = heads[children[0]] - heads[j] if len(children) else 0.6 * (heads[j] - heads[parent])
        lengths[j] = np.linalg.norm(vector)
        y = vector / lengths[j]
        side = np.cross(y, [0.3, 0.5, 0.8])
        x = side / np.linalg.norm(side)
        basis = np.stack([x, y, np.cross(x, y)], axis=-1)
        if rolls is not None:
            spin = quat_from_axis_angle(np.array([0.0, 1.0, 0.0]), rolls.uniform(-np.pi, np.pi))
            basis = basis @ quat_to_matrix(spin)
            if wild_axes and len(children):
                basis = basis @ quat_to_matrix(quat_exp(rolls.normal(size=3)))
        matrices[j, :3, :3], matrices[j, :3, 3] = basis, heads[j]
    bones = [prefix + names[j] for j in SMPL22.names]
    return RigDescription(name, bones, SMPL22.parents, matrices, lengths, world)


def joint_heads(rig: RigDescription, heads_world: np.ndarray, prefix: str = "mixamorig:") -> np.ndarray:
    """Heads (T, 22, 3) in SMPL order."""
    return heads_world[:, [rig.index[prefix + MIXAMO[j]] for j in SMPL22.names]]


def random_take(seed: int, frames: int = 60, offsets: np.ndarray = SMPL22.offsets) -> Take:
    """Two people 1.5 m apart with smooth random rotations of all joints, no foot contacts."""
    rng = np.random.default_rng(seed)
    actors = []
    times = np.linspace(0, 2 * np.pi, frames)
    for k in range(2):
        waves = rng.normal(size=(3, 22, 3)) * 0.25
        vectors = (
            waves[0] + np.sin(times)[:, None, None] * waves[1] + np.cos(2 * times)[:, None, None] * waves[2]
        )
        root = np.stack(
            [1.5 * k + 0.2 * np.sin(times), 1.0 + 0.05 * np.cos(times), 0.3 * np.cos(times)], axis=-1
        )
        actors.append(ActorMotion.from_rotations(root, quat_exp(vectors), np.zeros((frames, 4)), offsets))
    return Take("random", seed, 30.0, (actors[0], actors[1]))


def dancing_take(frames: int = 120, offsets: np.ndarray = SMPL22.offsets, fps: float = 30.0) -> Take:
    """Two people facing each other, stepping in place and aside, A's left hand holding B's right one.

    Flat planted feet, toes 2 cm above the floor, exact contact flags; wrists about 10 cm apart throughout.
    """
    a = _stepper(offsets, frames, fps, np.array([0.0, 0.0, 0.0]), 0.0)
    b = _stepper(offsets, frames, fps, np.array([0.0, 0.0, 0.75]), np.pi)
    positions = [
        forward_kinematics(r, local_from_global(g, SMPL22.parents), SMPL22.parents, offsets)[0]
        for r, g, _ in (a, b)
    ]
    t = np.arange(frames) / fps
    middle = np.stack(
        [0.35 + 0.05 * np.sin(2 * t), 1.15 + 0.05 * np.cos(3 * t), 0.37 + 0.03 * np.sin(t)], axis=-1
    )
    apart = np.array([0.0, 0.0, 0.05])
    _reach(a[1], positions[0], ("l_shoulder", "l_elbow", "l_wrist"), middle - apart)
    _reach(b[1], positions[1], ("r_shoulder", "r_elbow", "r_wrist"), middle + apart)
    actors = [
        ActorMotion.from_rotations(root, local_from_global(g, SMPL22.parents), contacts, offsets)
        for root, g, contacts in (a, b)
    ]
    return Take("two people dance", 0, fps, (actors[0], actors[1]))


def _stepper(
    offsets: np.ndarray, frames: int, fps: float, place: np.ndarray, heading: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    t = np.arange(frames) / fps
    yaw = quat_from_axis_angle(np.array([0.0, 1.0, 0.0]), heading + 0.15 * np.sin(1.3 * t))
    still = np.broadcast_to(quat_from_axis_angle(np.array([0.0, 1.0, 0.0]), np.asarray(heading)), (frames, 4))
    sway = quat_from_axis_angle(np.array([0.0, 0.0, 1.0]), 0.06 * np.sin(2 * t))
    pelvis = quat_multiply(yaw, sway)
    rotations = np.tile(pelvis[:, None], (1, 22, 1))
    legs = -offsets[[1, 4, 7]].sum(axis=0)[1]
    foot_drop = -offsets[10, 1]
    root = place + np.stack(
        [
            0.06 * np.sin(2 * t),
            np.full(frames, 0.02 + foot_drop + 0.97 * legs) + 0.01 * np.cos(4 * t),
            0.03 * np.sin(t),
        ],
        axis=-1,
    )
    contacts = np.zeros((frames, 4))
    home = quat_to_matrix(still[0])
    for k, (side, phase) in enumerate((("l", 0.0), ("r", 0.5))):
        step = (t / 1.0 + phase) % 1.0
        air = np.clip((step - 0.6) / 0.4, 0, 1)  # planted for 0.6 s, in the air for 0.4 s
        count = np.floor(t / 1.0 + phase)
        swing = 0.5 - 0.5 * np.cos(np.pi * air)
        aside = 0.06 * ((count % 2) * (1 - swing) + ((count + 1) % 2) * swing)
        hip_x = offsets[1 if side == "l" else 2, 0]
        local = np.stack([np.full(frames, hip_x) + aside, np.zeros(frames), np.zeros(frames)], axis=-1)
        ankle = place + local @ home.T
        ankle[:, 1] = 0.02 + foot_drop + 0.08 * np.sin(np.pi * air) ** 2
        contacts[:, 2 * k : 2 * k + 2] = (air == 0)[:, None]
        chain = tuple(f"{side}_{j}" for j in ("hip", "knee", "ankle"))
        for joint in (f"{side}_ankle", f"{side}_foot"):
            rotations[:, SMPL22.index(joint)] = still
        positions, _ = forward_kinematics(
            root, local_from_global(rotations, SMPL22.parents), SMPL22.parents, offsets
        )
        _reach(rotations, positions, chain, ankle)
    return root, rotations, contacts


def _reach(rotations: np.ndarray, positions: np.ndarray, chain: tuple[str, ...], goal: np.ndarray) -> None:
    ids = [SMPL22.index(name) for name in chain]
    hinge_at_rest = (
        np.array([-1.0, 0, 0])
        if "hip" in chain[0]
        else np.array([0.0, -1.0 if chain[0][0] == "l" else 1.0, 0])
    )
    # cross(upper, lower): knees send the shin back, elbows the forearm forward
    hinge_at_rest = -hinge_at_rest if "hip" in chain[0] else hinge_at_rest
    hinge = quat_to_matrix(rotations[:, ids[0]]) @ hinge_at_rest
    limb = [positions[:, i] for i in ids]
    turns = solve_two_bone(*limb, goal, trusted_bend_axis(*limb, hinge))
    for i, turn in zip(ids[:2], turns, strict=True):
        rotations[:, i] = quat_multiply(turn, rotations[:, i])
