# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed distances between parts, of two people and of one person's arms and trunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .body import Body
from .closest import closest_of_segments, mix
from .parts import INDEX, PARTS

_ARM = [INDEX[f"{s}_{n}"] for s in ("l", "r") for n in ("hand", "forearm")]
_TRUNK = [INDEX[n] for n in ("hips", "belly", "chest", "head")]


@dataclass(frozen=True)
class PartPairs:
    """Pairs (N,): part `first` of person owner_first against part `second` of person owner_second."""

    owner_first: np.ndarray
    first: np.ndarray
    owner_second: np.ndarray
    second: np.ndarray

    @staticmethod
    def all_pairs() -> PartPairs:
        """Every part of A against every part of B, and each one's hands and forearms against its trunk."""
        n = len(PARTS)
        grid = np.indices((n, n)).reshape(2, -1)
        arm, trunk = (a.ravel() for a in np.meshgrid(_ARM, _TRUNK, indexing="ij"))
        own = [(np.full(len(arm), k), arm, np.full(len(arm), k), trunk) for k in (0, 1)]
        across = (np.zeros(n * n, dtype=int), grid[0], np.ones(n * n, dtype=int), grid[1])
        return PartPairs(*(np.concatenate(parts) for parts in zip(across, *own, strict=True)))

    def kept(self, flags: np.ndarray) -> PartPairs:
        """The pairs whose flag (N,) is set."""
        return PartPairs(
            self.owner_first[flags], self.first[flags], self.owner_second[flags], self.second[flags]
        )

    @property
    def across(self) -> np.ndarray:
        """Which pairs (N,) lie between the two people."""
        return self.owner_first != self.owner_second

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class Clearance:
    """distance (T, N): metres between surfaces, below zero where they overlap. along_first, along_second
    (T, N): where on the axes; normal (T, N, 3): unit, from the first part to the second."""

    distance: np.ndarray
    along_first: np.ndarray
    along_second: np.ndarray
    normal: np.ndarray


def coming_near(pairs: PartPairs, bodies: tuple[Body, Body], within: float = 0.0) -> PartPairs:
    """The pairs whose surfaces may come as near as `within` metres in some frame, by spheres around them."""
    starts, ends = (np.stack(sides) for sides in zip(*(body.ends() for body in bodies), strict=True))
    middles = 0.5 * (starts + ends)
    sizes = 0.5 * np.linalg.norm(ends - starts, axis=-1).max(axis=1)
    sizes += np.stack([body.radii for body in bodies])
    between = middles[pairs.owner_second, :, pairs.second] - middles[pairs.owner_first, :, pairs.first]
    nearest = np.sqrt(np.einsum("nti,nti->nt", between, between).min(axis=-1))
    around = sizes[pairs.owner_first, pairs.first] + sizes[pairs.owner_second, pairs.second]
    return pairs.kept(nearest < around + within)


def clearance(pairs: PartPairs, bodies: tuple[Body, Body]) -> Clearance:
    """How far the parts of each pair are apart in each frame."""
    starts, ends = (np.stack(sides) for sides in zip(*(body.ends() for body in bodies), strict=True))
    pick = lambda side, owner, part: np.swapaxes(side[owner, :, part], 0, 1)
    a0, a1 = (pick(side, pairs.owner_first, pairs.first) for side in (starts, ends))
    b0, b1 = (pick(side, pairs.owner_second, pairs.second) for side in (starts, ends))
    s, t = closest_of_segments(a0, a1, b0, b1)
    between = mix(b0, b1, t) - mix(a0, a1, s)
    length = np.linalg.norm(between, axis=-1)
    # Axes that cross have no direction between them: part them by their middles instead.
    middles = 0.5 * (b0 + b1 - a0 - a1)
    middles /= np.maximum(np.linalg.norm(middles, axis=-1, keepdims=True), 1e-9)
    sure = length[..., None] > 1e-3
    normal = np.where(sure, between / np.maximum(length, 1e-9)[..., None], middles)
    radii = np.stack([body.radii for body in bodies])
    thick = radii[pairs.owner_first, pairs.first] + radii[pairs.owner_second, pairs.second]
    return Clearance(length - thick, s, t, normal)
