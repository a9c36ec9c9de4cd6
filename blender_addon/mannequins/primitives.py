# SPDX-License-Identifier: GPL-3.0-or-later
"""The two solids that a mannequin is made of, as signed distances in metres."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Capsule:
    """A tapered capsule from a to b (3,), radii ra and rb, its axes stretched by `stretch` (3,).

    part: the role of the bone that it belongs to. blend: how softly it joins the others (metres).
    """

    part: str
    a: np.ndarray
    b: np.ndarray
    ra: float
    rb: float
    stretch: np.ndarray = field(default_factory=lambda: np.ones(3))
    blend: float = 0.02

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Signed distances (...) of points (..., 3), exact where stretch is one."""
        p, along = (points - self.a) / self.stretch, (self.b - self.a) / self.stretch
        length2 = max(float(along @ along), 1e-12)
        projected = p @ along
        t = np.clip(projected / length2, 0.0, 1.0)
        apart2 = np.einsum("...i,...i", p, p) - t * (2 * projected - t * length2)
        radius = self.ra + (self.rb - self.ra) * t
        return (np.sqrt(np.maximum(apart2, 0.0)) - radius) * float(self.stretch.min())

    def bounds(self, margin: float) -> tuple[np.ndarray, np.ndarray]:
        """The corners of a box that holds the capsule and `margin` metres around it."""
        reach = np.maximum(self.ra, self.rb) * self.stretch + margin
        return np.minimum(self.a, self.b) - reach, np.maximum(self.a, self.b) + reach


@dataclass(frozen=True)
class Disc:
    """A gap in the shells at a joint: the slab of half width `half` across `axis`, out to `radius`."""

    centre: np.ndarray
    axis: np.ndarray
    half: float
    radius: float

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Signed distances (...) of points (..., 3), negative within the gap."""
        offset = points - self.centre
        across = np.abs(offset @ self.axis) - self.half
        return np.maximum(across, np.sqrt((offset * offset).sum(-1)) - self.radius)
