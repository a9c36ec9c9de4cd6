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


def _diagonal(frames: int) -> np.ndarray:
    """The diagonal (T,) of the second difference's normal matrix."""
    out = np.zeros(frames)
    if frames > 2:
        out[:-2] += 1
        out[1:-1] += 4
        out[2:] += 1
    return out


def solve_smooth(
    blocks: np.ndarray, right: np.ndarray, weights: np.ndarray, tolerance: float = 1e-3, most: int = 60
) -> np.ndarray:
    """x (T, V) with blocks[t] x[t] + (smoothness of all frames) = right[t].

    blocks (T, V, V) symmetric and positive definite, right (T, V), weights (V,) of the squared second
    differences. Conjugate gradients, each frame's own block inverted exactly as the preconditioner; ends
    when the preconditioned residual has fallen to `tolerance` of its first value.
    """
    frames, size = right.shape
    own = blocks + (_diagonal(frames)[:, None] * weights)[:, :, None] * np.eye(size)
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
