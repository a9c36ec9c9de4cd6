# SPDX-License-Identifier: GPL-3.0-or-later
"""From decoded features to a skeleton that moves: bone lengths that stay, rotations that fit the positions.

The features state positions and rotations separately, and they disagree a little. Here they become one:
each person gets constant bone lengths, and the rotations are corrected, parents first, so that forward
kinematics follows the decoded positions while the twist about each bone stays as decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .kinematics import forward_kinematics, local_from_global
from .representation import DecodedMotion, canonical_transform, move_rigidly
from .rotations import Array, matrix_to_quat, quat_continuous, quat_multiply, quat_rotate
from .skeleton import SMPL22, Skeleton
from .take import ActorMotion

# Joints that move nearly rigidly with the pelvis, and how far each is trusted for its rotation. The
# shoulders lie far away and fix the heading well, but the spine bends between them and the pelvis.
_ROOT_FIT = {"l_hip": 1.0, "r_hip": 1.0, "spine1": 1.0, "l_shoulder": 0.1, "r_shoulder": 0.1}
# How strongly a decoded rotation resists being turned towards the positions, as a share of the squared
# bone lengths: enough to keep the twist that positions cannot tell, too little to hold back a swing.
_ROTATION_TRUST = 0.02


@dataclass(frozen=True)
class FitError:
    """Distance in metres between forward kinematics and the decoded positions, over frames and joints."""

    mean: float
    maximum: float


def rotation_aligning(source: Array, target: Array, weights: Array) -> Array:
    """Unit quaternions (..., 4): the rotations R that minimise sum_i w_i |R source_i - target_i|^2.

    source, target (..., N, 3), weights (N,). Kabsch 1976, by singular value decomposition.
    """
    covariance = np.einsum("...ni,n,...nj->...ij", target, weights, source)
    return _nearest_rotation(covariance)


def solve_root_rotation(positions: Array, body_rotations: Array, offsets: Array) -> Array:
    """Root rotations (T, 4) that the layout `interhuman` does not store.

    positions (T, 22, 3) global; body_rotations (T, 21, 4) local, of joints 1..21; offsets (22, 3). A rigid
    weighted fit, about the pelvis, of the rest offsets posed by the body rotations to the positions.
    """
    frames = len(positions)
    identity = np.zeros((frames, 1, 4))
    identity[..., 0] = 1.0
    local = np.concatenate([identity, body_rotations], axis=1)
    posed, _ = forward_kinematics(np.zeros((frames, 3)), local, SMPL22.parents, offsets)
    joints = [SMPL22.index(name) for name in _ROOT_FIT]
    target = positions[:, joints] - positions[:, :1]
    return rotation_aligning(posed[:, joints], target, np.array(list(_ROOT_FIT.values())))


def constant_offsets(positions: Array, skeleton: Skeleton) -> Array:
    """One person's rest offsets (J, 3): the skeleton's directions, the median decoded bone lengths.

    positions (T, J, 3). Left and right get the mean of both.
    """
    parents = skeleton.parents[1:]
    lengths = np.median(np.linalg.norm(positions[:, 1:] - positions[:, parents], axis=-1), axis=0)
    lengths = np.concatenate([[0.0], lengths])
    lengths = (lengths + lengths[skeleton.mirror]) / 2
    norms = np.linalg.norm(skeleton.offsets, axis=-1)
    return skeleton.offsets * (lengths / np.maximum(norms, 1e-9))[:, None]


def follow_positions(positions: Array, local_rotations: Array, parents: np.ndarray, offsets: Array) -> Array:
    """Local rotations (T, J, 4) whose forward kinematics follows positions (T, J, 3).

    Each joint's global rotation is the carried-over decoded one, turned by the least-squares rotation
    that points its bones at the decoded children as seen from where the joint really lies, so that
    errors do not add up along a limb. Joints without children keep their decoded local rotation.
    """
    joints = len(parents)
    rotation: list[Array] = [local_rotations[:, 0]] * joints
    place: list[Array] = [positions[:, 0]] * joints
    for j in range(joints):
        p = int(parents[j])
        if p >= 0:
            place[j] = place[p] + quat_rotate(rotation[p], offsets[j])
            rotation[j] = quat_multiply(rotation[p], local_rotations[:, j])
        children = np.flatnonzero(parents == j)
        if len(children) == 0:
            continue
        bones = quat_rotate(rotation[j][:, None], offsets[children])
        wanted = positions[:, children] - place[j][:, None]
        trust = _ROTATION_TRUST * np.sum(offsets[children] ** 2)
        covariance = np.einsum("tni,tnj->tij", wanted, bones) + trust * np.eye(3)
        rotation[j] = quat_multiply(_nearest_rotation(covariance), rotation[j])
    return local_from_global(np.stack(rotation, axis=1), parents)


def actor_from_features(motion: DecodedMotion, skeleton: Skeleton) -> tuple[ActorMotion, FitError]:
    """One person's motion (features of shape (T, F), taken apart) on bones of constant length.

    The root's rotation is solved from the positions where the layout does not hold it. Foot contacts
    are the decoded ones, rounded to 0 or 1.
    """
    offsets = constant_offsets(motion.positions, skeleton)
    root = motion.root_rotation
    if root is None:
        root = solve_root_rotation(motion.positions, motion.body_rotations, offsets)
    decoded = np.concatenate([root[:, None], motion.body_rotations], axis=1)
    local = quat_continuous(follow_positions(motion.positions, decoded, skeleton.parents, offsets))
    contacts = (motion.contacts > 0.5).astype(np.float64)
    actor = ActorMotion.from_rotations(motion.positions[:, 0].copy(), local, contacts, offsets)
    distance = np.linalg.norm(actor.joint_positions - motion.positions, axis=-1)
    return actor, FitError(float(distance.mean()), float(distance.max()))


def canonical_pair(a: ActorMotion, b: ActorMotion) -> tuple[ActorMotion, ActorMotion]:
    """Both people moved by ONE rigid transform so that A's pelvis starts at x = z = 0, facing +z."""
    turn, shift = canonical_transform(a.joint_positions)
    return _moved(a, turn, shift), _moved(b, turn, shift)


def _moved(actor: ActorMotion, turn: Array, shift: Array) -> ActorMotion:
    root, rotations = move_rigidly(actor.joint_positions[:, 0], actor.joint_rotations, turn, shift)
    return ActorMotion.from_rotations(root, rotations, actor.foot_contacts, actor.rest_offsets)


def _nearest_rotation(covariance: Array) -> Array:
    u, _, vt = np.linalg.svd(covariance)
    flip = np.ones(covariance.shape[:-1])
    flip[..., 2] = np.linalg.det(u @ vt)
    return matrix_to_quat((u * flip[..., None, :]) @ vt)
