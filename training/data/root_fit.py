# SPDX-License-Identifier: GPL-3.0-or-later
"""From joint positions and local rotations without a root to a whole skeleton: InterHuman's missing half."""

from __future__ import annotations

import numpy as np

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.reconstruction import constant_offsets, solve_root_rotation
from intermoe_engine.rotations import (
    quat_continuous,
    quat_exp,
    quat_multiply,
    quat_normalize,
    quat_rotate,
    quat_to_matrix,
)
from intermoe_engine.skeleton import SMPL22

_ROUNDS = 12
_NO_BETTER = 1e-7
# Metres by which a person's rest offsets may well differ from the generic body's. A body that hardly bends
# does not tell how its pelvis is turned inside it; there the generic body decides, the more so the less the
# numbers agree with any skeleton. Where they agree, this weighs nothing.
_LIKELY_DIFFERENCE = 0.02


def fit_root_and_offsets(positions: np.ndarray, body_rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The root's rotations (T, 4) and one person's rest offsets (22, 3) that explain the positions.

    positions (T, 22, 3) metres, finite; body_rotations (T, 21, 4) local, of joints 1..21. Starts from the
    rigid fit of the pelvis on a generic body, then minimises the squared error of all bones over both
    unknowns at once: Gauss–Newton, every frame's root rotation eliminated from the normal equations (Schur
    complement, as in bundle adjustment), so that a step costs one 63 × 63 system.
    """
    offsets = constant_offsets(positions, SMPL22)
    root = solve_root_rotation(positions, body_rotations, offsets)
    parents = SMPL22.parents[1:]
    bones = positions[:, 1:] - positions[:, parents]
    identity = np.zeros((len(positions), 1, 4))
    identity[..., 0] = 1.0
    local = np.concatenate([identity, body_rotations], axis=1)
    _, below_root = forward_kinematics(np.zeros((len(positions), 3)), local, SMPL22.parents, SMPL22.offsets)
    below_root = below_root[:, parents]
    generic = offsets[1:].copy()
    best, before = (root, offsets), np.inf
    for _ in range(_ROUNDS):
        posed = quat_rotate(quat_multiply(root[:, None], below_root), offsets[1:])
        error = float(np.sqrt(np.mean((bones - posed) ** 2)))
        if before - error < _NO_BETTER:
            break
        best, before = (root, offsets.copy()), error
        frames = quat_to_matrix(quat_multiply(root[:, None], below_root))
        trust = (error / _LIKELY_DIFFERENCE) ** 2
        turn, change = _gauss_newton_step(frames, posed, bones - posed, trust, generic - offsets[1:])
        root = quat_normalize(quat_multiply(quat_exp(turn), root))
        offsets[1:] += change
    return quat_continuous(best[0]), best[1]


def _gauss_newton_step(
    frames: np.ndarray, posed: np.ndarray, residual: np.ndarray, trust: float, homeward: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Turns of the root (T, 3), global rotation vectors, and changes of the offsets (J, 3).

    frames (T, J, 3, 3): global rotations of the bones' parents; posed, residual (T, J, 3); trust: weight of
    the way `homeward` (J, 3) to the generic offsets, relative to the data's.
    """
    count, joints = posed.shape[:2]
    squares = np.einsum("tjc,tjc->t", posed, posed)
    turning = squares[:, None, None] * np.eye(3) - np.einsum("tja,tjb->tab", posed, posed)
    turning += 1e-12 * np.eye(3)
    mixed = np.swapaxes(frames, -1, -2) @ _cross_matrix(-posed)
    mixed = mixed.reshape(count, 3 * joints, 3)
    push_turn = np.cross(posed, residual).sum(axis=1)
    push_offset = np.einsum("tjba,tjb->ja", frames, residual).reshape(-1) + count * trust * homeward.reshape(
        -1
    )
    solved = np.linalg.solve(turning, np.swapaxes(mixed, 1, 2))
    system = count * (1.0 + trust + 1e-9) * np.eye(3 * joints)
    system -= np.tensordot(mixed, solved, axes=([0, 2], [0, 1]))
    change = np.linalg.solve(system, push_offset - np.einsum("tca,tc->a", solved, push_turn))
    turn = np.linalg.solve(turning, push_turn[..., None])[..., 0] - solved @ change
    return turn, change.reshape(joints, 3)


def _cross_matrix(v: np.ndarray) -> np.ndarray:
    """Matrices (..., 3, 3) that take the cross product with v (..., 3) from the left."""
    x, y, z = np.moveaxis(v, -1, 0)
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*v.shape, 3)
