# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bones of a chain are the joints of a leg or an arm, by human proportions.

Every choice of three bones (hip, knee, ankle; shoulder, elbow, wrist) gets the cost of its proportions, a
sum of squared deviations from a human's in units of their spread over stylised and realistic characters.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .structure_pairs import LimbPair, Tree


@dataclass(frozen=True)
class Axes:
    """Unit up and sideways (from the second chain of a pair to the first), the middle plane's offset along
    sideways, armature space."""

    up: np.ndarray
    side: np.ndarray
    middle: float

    @property
    def depth(self) -> np.ndarray:
        """The axis on which the character faces one way or the other."""
        return np.cross(self.side, self.up)


@dataclass(frozen=True)
class Limb:
    """Places in a pair's chains: joints of the three joints, end of the toe or None. cost: of proportions."""

    joints: tuple[int, int, int]
    toe: int | None
    cost: float


def leg_joints(tree: Tree, pair: LimbPair, axes: Axes) -> Limb | None:
    """Hip, knee, ankle and toe of a pair of legs."""
    points = _mean_chain(tree, pair, axes)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    total = float(points[0, 1] - points[:, 1].min())
    if total <= 0:
        return None
    best: Limb | None = None
    for i, j, k in combinations(range(len(points)), 3):
        upper, lower = points[j] - points[i], points[k] - points[j]
        length = _norm(upper) + _norm(lower)
        if min(_norm(upper), _norm(lower)) < 0.15 * length:
            continue
        cost = (np.log(_norm(upper) / _norm(lower)) / 0.3) ** 2
        # A bone from the middle of the pelvis to the hip joint is not the thigh.
        cost += 8.0 * (points[i, 0] < 0.3 * max(points[j, 0], points[k, 0]))
        cost += ((total - (points[i, 1] - points[:, 1].min())) / total / 0.12) ** 2
        cost += ((points[k, 1] - points[:, 1].min()) / total / 0.25) ** 2
        cost += 8.0 * max(0.0, 1 - length / max(float(steps[i:k].sum()), 1e-9))
        cost += ((points[k, 2] - points[i, 2]) / length / 0.12) ** 2  # the ankle is below the hip
        cost += 3.0 if k == len(points) - 1 else 3.0 * _unit(lower) @ _unit(points[-1] - points[k])
        if best is None or cost < best.cost:
            best = Limb((i, j, k), None, float(cost))
    if best is None:
        return None
    return Limb(best.joints, _toe(tree, pair, best.joints[2], points), best.cost)


def arm_joints(tree: Tree, pair: LimbPair, axes: Axes) -> Limb | None:
    """Shoulder, elbow and wrist of a pair of arms."""
    points = _mean_chain(tree, pair, axes)
    forks = [_forks(tree, pair.chains, place) for place in range(len(points))]
    best: Limb | None = None
    for i, j, k in combinations(range(len(points)), 3):
        upper, lower = points[j] - points[i], points[k] - points[j]
        length = _norm(upper) + _norm(lower)
        if min(_norm(upper), _norm(lower)) < 0.2 * length:
            continue
        cost = (np.log(_norm(upper) / _norm(lower)) / 0.3) ** 2
        cost += ((points[i, 0] / length - 0.34) / 0.14) ** 2
        hand = float(np.linalg.norm(np.diff(points[k:], axis=0), axis=-1).sum())
        cost += 2.0 if k == len(points) - 1 else ((hand / length - 0.28) / 0.2) ** 2
        cost -= 3.0 * min(forks[k] - 1, 2)
        if best is None or cost < best.cost:
            best = Limb((i, j, k), None, float(cost))
    return best


def _mean_chain(tree: Tree, pair: LimbPair, axes: Axes) -> np.ndarray:
    """Heads (n, 3) of a chain as (distance from the middle plane, height, depth), mean of both sides."""
    basis = np.stack([axes.side, axes.up, axes.depth], axis=-1)
    sides = []
    for chain, sign in zip(pair.chains, (1.0, -1.0), strict=True):
        local = tree.rig.heads[list(chain)] @ basis
        sides.append(np.column_stack([sign * (local[:, 0] - axes.middle), local[:, 1:]]))
    return (sides[0] + sides[1]) / 2


def _forks(tree: Tree, chains: tuple[tuple[int, ...], tuple[int, ...]], place: int) -> int:
    """In how many branches of two bones or more a chain goes on at a place, on the poorer side."""
    return min(
        sum(1 for child in tree.rig.children[chain[place]] if tree.rig.children[child]) for chain in chains
    )


def _toe(tree: Tree, pair: LimbPair, ankle: int, points: np.ndarray) -> int | None:
    """The place of the toe joint: beyond the ankle, about two thirds along the foot."""
    after = range(ankle + 1, len(points))
    if not after or any(_toes(tree, chain[ankle]) > 2 for chain in pair.chains):
        return None  # five separate toes: none of them is the joint of all
    foot = np.linalg.norm(points[ankle + 1 :, ::2] - points[ankle, ::2], axis=-1)
    if len(foot) == 1:
        return ankle + 1
    share = foot / max(float(foot[-1]), 1e-9)
    return ankle + 1 + int(np.argmin(np.abs(share[:-1] - 0.62)))


def _toes(tree: Tree, foot: int) -> int:
    """How many toes of two bones or more hang on a foot bone."""
    return sum(1 for child in tree.rig.children[foot] if tree.rig.children[child])


def _norm(v: np.ndarray) -> float:
    return float(np.linalg.norm(v))


def _unit(v: np.ndarray) -> np.ndarray:
    return v / max(_norm(v), 1e-12)
