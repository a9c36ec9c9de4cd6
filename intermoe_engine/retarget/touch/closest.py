# SPDX-License-Identifier: GPL-3.0-or-later
"""Closest points of line segments, for any number of pairs at once."""

from __future__ import annotations

import numpy as np


def closest_on_segment(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """How far along (…), 0..1, the segment start–end (…, 3) is nearest to `point` (…, 3)."""
    line = end - start
    length2 = np.maximum(np.einsum("...i,...i", line, line), 1e-12)
    return np.clip(np.einsum("...i,...i", point - start, line) / length2, 0.0, 1.0)


def closest_of_segments(
    a0: np.ndarray, a1: np.ndarray, b0: np.ndarray, b1: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far along (…), (…), each 0..1, two segments a0–a1 and b0–b1 (…, 3) are nearest to each other.

    Ericson, Real-Time Collision Detection (2005), 5.1.9. Of parallel segments, where many pairs of points
    are equally near, the one nearest to a's middle is taken.
    """
    da, db, r = a1 - a0, b1 - b0, a0 - b0
    aa = np.maximum(np.einsum("...i,...i", da, da), 1e-12)
    bb = np.maximum(np.einsum("...i,...i", db, db), 1e-12)
    ab = np.einsum("...i,...i", da, db)
    ar, br = np.einsum("...i,...i", da, r), np.einsum("...i,...i", db, r)
    # A little pull to the middle decides between parallel segments and moves others by a thousandth.
    pull = 1e-3 * aa * bb
    s = np.clip((ab * br - ar * bb + 0.5 * pull) / (aa * bb - ab * ab + pull), 0.0, 1.0)
    t = (ab * s + br) / bb
    s = np.where((t < 0) | (t > 1), np.clip((ab * np.clip(t, 0, 1) - ar) / aa, 0.0, 1.0), s)
    return s, np.clip(t, 0.0, 1.0)


def mix(start: np.ndarray, end: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Points (…, 3) between start and end (…, 3); along (…)."""
    return start + (end - start) * along[..., None]
