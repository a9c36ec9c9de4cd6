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
_STEP_TOLERANCE = 0.05
_LONGEST = 20
_MOST_ON_ONE_BONE, _MOST = 4, 20
"""No limb has more bones, tip and twist bones included; no body needs more pairs to be looked at."""

_Chains = tuple[tuple[int, ...], tuple[int, ...]]
_Known = dict[tuple[int, int], tuple[float, _Chains]]


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
    """Mirrored pairs of chains of three bones or more, on any bone, the longest first.

    Of many on one bone (strands of hair) the longest few stand for all.
    """
    out: list[LimbPair] = []
    known: _Known = {}
    for branch, children in enumerate(tree.rig.children):
        here: list[LimbPair] = []
        long = [c for c in children if tree.reach[c] > 0.08 * tree.size]
        for k, a in enumerate(long):
            for b in long[k + 1 :]:
                pair = _mirrored(tree, branch, a, b, known)
                if pair is not None:
                    here.append(pair)
        out += sorted(here, key=lambda p: -p.length)[:_MOST_ON_ONE_BONE]
    return sorted(out, key=lambda p: -p.length)[:_MOST]


def _mirrored(tree: Tree, branch: int, a: int, b: int, known: _Known) -> LimbPair | None:
    heads = tree.rig.heads
    _, chains = _descend(tree, a, b, known)
    if not 3 <= len(chains[0]) <= _LONGEST:
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


def _descend(tree: Tree, a: int, b: int, known: _Known, depth: int = 1) -> tuple[float, _Chains]:
    """The longest two chains downwards from a and b whose steps are alike, and their common length.

    Bones on one side alone (a weapon) have no partner and are passed by.
    """
    if (a, b) not in known:
        heads, children = tree.rig.heads, tree.rig.children
        best, below = 0.0, ((), ())
        for ca in children[a] if depth <= _LONGEST else ():
            for cb in children[b]:
                step_a = float(np.linalg.norm(heads[ca] - heads[a]))
                step_b = float(np.linalg.norm(heads[cb] - heads[b]))
                if abs(step_a - step_b) > _STEP_TOLERANCE * tree.size:
                    continue
                length, chains = _descend(tree, ca, cb, known, depth + 1)
                length += min(step_a, step_b) - 2 * abs(step_a - step_b)
                if length > best or not below[0]:
                    best, below = length, chains
        known[a, b] = best, ((a, *below[0]), (b, *below[1]))
    return known[a, b]


def heads_along(points: np.ndarray, shares: np.ndarray | float) -> np.ndarray:
    """Points (..., 3) at shares (...) of the length of a polyline (n, 3)."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=-1))])
    at = np.asarray(shares) * along[-1]
    return np.stack([np.interp(at, along, column) for column in points.T], axis=-1)
