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
    differences. Exact, by a banded Cholesky factorisation, where scipy is installed; else by conjugate
    gradients to within a few percent of a step, in two to three times the time.
    """
    try:
        from scipy.linalg import solveh_banded
    except ImportError:  # Blender's own Python has numpy alone
        return solve_by_conjugate_gradients(blocks, right, weights)
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


def solve_by_conjugate_gradients(
    blocks: np.ndarray, right: np.ndarray, weights: np.ndarray, tolerance: float = 1e-3, most: int = 120
) -> np.ndarray:
    """The same with numpy alone, each frame's own block inverted exactly as the preconditioner; ends when the
    preconditioned residual has fallen to `tolerance` of its first value."""
    frames, size = right.shape
    own = blocks + (_stencils(frames)[0][:, None] * weights)[:, :, None] * np.eye(size)
    inverse = np.linalg.inv(own)
    apply = lambda m, v: (m @ v[..., None])[..., 0]
    x = np.zeros_like(right)
    residual = right.copy()
    z = apply(inverse, residual)
    direction, energy = z, float(np.sum(residual * z))
    goal = tolerance**2 * energy
    for _ in range(most):
        if energy <= goal or energy <= 0:
            break
        image = apply(blocks, direction) + second_difference_energy(direction, weights)
        step = energy / float(np.sum(direction * image))
        x += step * direction
        residual -= step * image
        z = apply(inverse, residual)
        energy, before = float(np.sum(residual * z)), energy
        direction = z + (energy / before) * direction
    return x
