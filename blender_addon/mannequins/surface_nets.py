# SPDX-License-Identifier: GPL-3.0-or-later
"""Polygons from a sampled distance field: naive surface nets (Gibson 1998), vectorised."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_CORNERS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
_EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 1]


def surface_nets(values: np.ndarray, origin: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """The zero surface of `values` (X, Y, Z), negative inside, as vertices (V, 3) and quads (F, 4).

    One vertex in each cell that the surface crosses, at the mean of its edge crossings; one quad around
    each crossed grid edge, wound so that normals point outward. The surface must not touch the border.
    """
    inside = values < 0
    size = np.array(values.shape) - 1
    corner = [inside[i : i + size[0], j : j + size[1], k : k + size[2]] for i, j, k in _CORNERS]
    count = np.sum(corner, axis=0)
    cells = np.argwhere((count > 0) & (count < 8))
    number = np.full(size, -1, dtype=np.int64)
    number[tuple(cells.T)] = np.arange(len(cells))

    at = cells[:, None, :] + _CORNERS
    v = values[at[..., 0], at[..., 1], at[..., 2]]
    total = np.zeros((len(cells), 3))
    crossings = np.zeros((len(cells), 1))
    for a, b in _EDGES:
        crossed = (v[:, a] < 0) != (v[:, b] < 0)
        t = np.divide(v[:, a], v[:, a] - v[:, b], out=np.zeros(len(v)), where=crossed)
        point = _CORNERS[a] + t[:, None] * (_CORNERS[b] - _CORNERS[a])
        total += np.where(crossed[:, None], point, 0.0)
        crossings[:, 0] += crossed
    vertices = origin + spacing * (cells + total / crossings)

    quads = []
    for axis in range(3):
        u, w = (axis + 1) % 3, (axis + 2) % 3
        low = np.moveaxis(inside, (axis, u, w), (0, 1, 2))
        cell = np.moveaxis(number, (axis, u, w), (0, 1, 2))
        crossed = low[:-1] != low[1:]
        i, j, k = np.nonzero(crossed[:, 1:-1, 1:-1])
        quad = np.stack([cell[i, j, k], cell[i, j + 1, k], cell[i, j + 1, k + 1], cell[i, j, k + 1]], axis=-1)
        leaving = low[i, j + 1, k + 1]  # inside before the edge, outside after: the normal points along axis
        quads.append(np.where(leaving[:, None], quad, quad[:, ::-1]))
    return vertices, np.concatenate(quads)


def snap_to_surface(
    field: Callable[[np.ndarray], np.ndarray], points: np.ndarray, steps: int = 2, reach: float = 0.02
) -> np.ndarray:
    """Points (N, 3) moved onto the zero set of `field` (which maps (N, 3) to (N,)) by Newton steps."""
    h = 1e-3
    directions = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], dtype=float)
    moved = points.copy()
    for _ in range(steps):
        samples = np.stack([field(moved + h * d) for d in directions])
        gradient = samples.T @ directions / (4 * h)
        norm2 = np.maximum((gradient**2).sum(-1), 0.1)
        moved -= (samples.mean(0) / norm2)[:, None] * gradient
    return np.where(np.linalg.norm(moved - points, axis=-1, keepdims=True) < reach, moved, points)
