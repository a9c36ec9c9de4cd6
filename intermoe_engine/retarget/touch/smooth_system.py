# SPDX-License-Identifier: GPL-3.0-or-later
"""The sparse linear system of all frames: one dense block a frame, frames joined by smoothness alone."""

from __future__ import annotations

import numpy as np


def second_difference_energy(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Gradient (T, V) of ½ Σ w |x[t−1] − 2 x[t] + x[t+1]|² for x (T, V) and weights (V,)."""
    out = np.zeros_like(x)
    if len(x) > 2:
        bend = weights * (x[:-2] - 2 * x[1:-1] + x[2:])
        out[:-2] += bend
        out[1:-1] -= 2 * bend
        out[2:] += bend
    return out


def _stencils(frames: int) -> list[np.ndarray]:
    """Main, first and second diagonal (T,) of the second difference's normal matrix, padded with zeros."""
    out = [np.zeros(frames) for _ in range(min(frames, 3))]
    if frames > 2:
        for k, (of_first, of_middle, of_last) in enumerate(((1, 4, 1), (-2, -2, 0), (1, 0, 0))):
            out[k][:-2] += of_first
            out[k][1:-1] += of_middle
            out[k][2:] += of_last
    return out


def solve_smooth(blocks: np.ndarray, right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """x (T, V) with blocks[t] x[t] + (smoothness of all frames) = right[t].

    blocks (T, V, V) symmetric and positive definite, right (T, V), weights (V,) of the squared second
    differences. By a banded Cholesky factorisation where scipy is installed, else by elimination.
    """
    try:
        from scipy.linalg import solveh_banded
    except ImportError:  # Blender's own Python has numpy alone
        return solve_by_elimination(blocks, right, weights)
    frames, size = right.shape
    rows = max(size, min(2, frames - 1) * size + 1)  # row k: the k-th diagonal below the main one
    band = np.zeros((rows, frames, size))
    for k in range(size):
        band[k, :, : size - k] = np.diagonal(blocks, -k, axis1=1, axis2=2)
    for k, stencil in enumerate(_stencils(frames)):
        band[k * size] += stencil[:, None] * weights
    flat = band.reshape(len(band), -1)
    x = solveh_banded(flat, right.ravel(), lower=True, overwrite_ab=True, check_finite=False)
    return x.reshape(frames, size)


def solve_by_elimination(blocks: np.ndarray, right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The same with numpy alone, in about three times the time: block elimination of two frames after two.

    The one loop over frames: each step needs the one before it.
    """
    frames, size = right.shape
    pairs = (frames + 1) // 2
    stencils = np.zeros((3, 2 * pairs))
    stencils[: min(frames, 3), :frames] = _stencils(frames)
    diagonal = stencils[:, :, None, None] * np.diag(weights)
    square = np.tile(np.eye(size), (2 * pairs, 1, 1))  # a frame that is not there solves to zero
    square[:frames] = blocks
    square += diagonal[0]
    own = np.zeros((pairs, 2, size, 2, size))
    own[:, 0, :, 0], own[:, 1, :, 1] = square[::2], square[1::2]
    own[:, 0, :, 1] = own[:, 1, :, 0] = diagonal[1, ::2]
    below = np.zeros((pairs, 2, size, 2, size))  # rows of the next two frames, columns of these
    below[:, 0, :, 0], below[:, 1, :, 1] = diagonal[2, ::2], diagonal[2, 1::2]
    below[:, 0, :, 1] = diagonal[1, 1::2]
    own, below = (a.reshape(pairs, 2 * size, 2 * size) for a in (own, below))
    rest = np.zeros((2 * pairs, size))
    rest[:frames] = right
    rest = rest.reshape(pairs, 2 * size)
    to_next = np.zeros_like(below)
    x = np.zeros_like(rest)
    for k in range(pairs):
        if k > 0:
            own[k] -= below[k - 1] @ to_next[k - 1]
            rest[k] -= below[k - 1] @ x[k - 1]
        solved = np.linalg.solve(own[k], np.concatenate([below[k].T, rest[k, :, None]], axis=1))
        to_next[k], x[k] = solved[:, :-1], solved[:, -1]
    for k in range(pairs - 2, -1, -1):
        x[k] -= to_next[k] @ x[k + 1]
    return x.reshape(-1, size)[:frames]
