# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where canonical space (y up) and Blender's space (z up) meet.

Canonical: metres, right-handed, y up, a person at rest faces +z with the left side at +x. Blender: z up,
characters face -Y with the left side at +X. Both are right-handed, so the way between is a proper rotation:
a quarter turn about x.
"""

from __future__ import annotations

import numpy as np

BLENDER_FROM_CANONICAL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""(3, 3), acts on columns: (x, y, z) canonical becomes (x, -z, y) in Blender."""

CANONICAL_FROM_BLENDER = BLENDER_FROM_CANONICAL.T


def to_blender(points: np.ndarray) -> np.ndarray:
    """Canonical points or directions (..., 3) in Blender's world axes."""
    return np.asarray(points) @ BLENDER_FROM_CANONICAL.T


def to_canonical(points: np.ndarray) -> np.ndarray:
    """Points or directions (..., 3) of Blender's world in canonical axes."""
    return np.asarray(points) @ CANONICAL_FROM_BLENDER.T


def canonical_world_matrix(matrix_world: np.ndarray) -> np.ndarray:
    """(4, 4) from an object's local space to the canonical world, given its Blender matrix_world (4, 4)."""
    turn = np.eye(4)
    turn[:3, :3] = CANONICAL_FROM_BLENDER
    return turn @ np.asarray(matrix_world, dtype=float)
