# SPDX-License-Identifier: GPL-3.0-or-later
"""Limbs of a skeleton without names: pairs of bone chains that mirror each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .rig import RigDescription

_SAMPLES = 12
_MIRROR_TOLERANCE = 0.06
"""How far mirrored chains may deviate, as a share of the skeleton's size (scans are never symmetric)."""


@dataclass(frozen=True)
class Tree:
    """A rig's hierarchy with what the search needs: size (the largest extent of all heads), reach (N,):
    the longest way down from a bone's head over the heads below, both in armature units."""

    rig: RigDescription
    size: float
    reach: np.ndarray

    @staticmethod
    def of(rig: RigDescription) -> Tree:
        """The tree of a rig."""
        reach = np.zeros(len(rig.bone_names))
        for i in reversed(rig.order):
            p = int(rig.parents[i])
            if p >= 0:
                step = float(np.linalg.norm(rig.heads[i] - rig.heads[p]))
                reach[p] = max(reach[p], reach[i] + step)
        return Tree(rig, float(np.ptp(rig.heads, axis=0).max()), reach)

    @cached_property
    def lineage(self) -> list[list[int]]:
        """Each bone with the bones above it, the bone first."""
        return [[i, *self.rig.ancestors(i)] for i in range(len(self.rig.bone_names))]

    def is_below(self, bone: int, above: int) -> bool:
        """Whether `bone` is `above` or hangs below it."""
        return above in self.lineage[bone]

    def common(self, a: int, b: int) -> int:
        """The lowest bone that carries both, -1 where there is none."""
        over = set(self.lineage[b])
        return next((i for i in self.lineage[a] if i in over), -1)

    def subtree(self, bone: int) -> list[int]:
        """The bone and all below it."""
        out = [bone]
        for b in out:
            out += self.rig.children[b]
        return out


@dataclass(frozen=True)
class LimbPair:
    """Two chains on one bone, each other's mirror image.

    branch: the bone on which both hang. chains: bone numbers from the branch outwards, equally many.
    normal (3,): unit, from the second chain to the first. length: way along the chain's heads.
    """

    branch: int
    chains: tuple[tuple[int, ...], tuple[int, ...]]
    normal: np.ndarray
    middle: float
    length: float


def limb_pairs(tree: Tree) -> list[LimbPair]:
    """All mirrored pairs of chains of three bones or more, on any bone."""
    out = []
    for branch, children in enumerate(tree.rig.children):
        long = [c for c in children if tree.reach[c] > 0.08 * tree.size]
        for k, a in enumerate(long):
            for b in long[k + 1 :]:
                pair = _mirrored(tree, branch, a, b)
                if pair is not None:
                    out.append(pair)
    return out


def _mirrored(tree: Tree, branch: int, a: int, b: int) -> LimbPair | None:
    heads = tree.rig.heads
    if not 0.8 < (tree.reach[a] + 1e-9) / (tree.reach[b] + 1e-9) < 1.25:
        return None
    chains = _descend(tree, a, b)
    if len(chains[0]) < 3:
        return None
    sampled = [heads_along(heads[list(c)], np.linspace(0.0, 1.0, _SAMPLES)) for c in chains]
    apart = sampled[0] - sampled[1]
    if np.linalg.norm(apart, axis=-1).max() < 0.04 * tree.size:
        return None
    normal = apart.sum(axis=0)
    normal = normal / max(float(np.linalg.norm(normal)), 1e-12)
    off = apart - (apart @ normal)[:, None] * normal
    middles = (sampled[0] + sampled[1]) @ normal / 2
    tolerance = _MIRROR_TOLERANCE * tree.size
    if np.linalg.norm(off, axis=-1).max() > tolerance or np.ptp(middles) > tolerance:
        return None
    if (apart @ normal).min() < -0.02 * tree.size:
        return None
    steps = np.linalg.norm(np.diff(heads[list(chains[0])], axis=0), axis=-1)
    return LimbPair(branch, chains, normal, float(middles.mean()), float(steps.sum()))


def _descend(tree: Tree, a: int, b: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Both chains downwards, at every fork along the longest two branches that are alike.

    Bones on one side alone (a weapon) have no partner and are passed by.
    """
    heads, reach, children = tree.rig.heads, tree.reach, tree.rig.children
    chain_a, chain_b = [a], [b]
    while True:
        best, found = -1.0, None
        for ca in children[a]:
            for cb in children[b]:
                step_a = float(np.linalg.norm(heads[ca] - heads[a]))
                step_b = float(np.linalg.norm(heads[cb] - heads[b]))
                length = min(step_a + reach[ca], step_b + reach[cb])
                difference = abs(step_a - step_b) + abs(reach[ca] - reach[cb])
                if difference < 0.06 * tree.size and length - difference > best:
                    best, found = length - difference, (ca, cb)
        if found is None:
            return tuple(chain_a), tuple(chain_b)
        a, b = found
        chain_a.append(a)
        chain_b.append(b)


def heads_along(points: np.ndarray, shares: np.ndarray | float) -> np.ndarray:
    """Points (..., 3) at shares (...) of the length of a polyline (n, 3)."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=-1))])
    at = np.asarray(shares) * along[-1]
    return np.stack([np.interp(at, along, column) for column in points.T], axis=-1)
