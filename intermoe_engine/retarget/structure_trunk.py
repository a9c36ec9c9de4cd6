# SPDX-License-Identifier: GPL-3.0-or-later
"""Pelvis, spine, neck and head of a skeleton without names, once its legs and arms are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .structure_limbs import Axes
from .structure_pairs import Tree


@dataclass(frozen=True)
class Levels:
    """Heights along the up axis in armature units, and the hip and shoulder joints' bones (left, right)."""

    hips: float
    shoulders: float
    legs: tuple[int, int]
    arms: tuple[int, int]

    @property
    def trunk(self) -> float:
        return self.shoulders - self.hips


@dataclass(frozen=True)
class Trunk:
    """Bone numbers from bottom to top; head may be None."""

    pelvis: int
    spine: tuple[int, ...]
    neck: tuple[int, ...]
    head: int | None


def find_trunk(tree: Tree, axes: Axes, levels: Levels, leg_branch: int, arm_branch: int) -> Trunk | None:
    """The bones between the limbs' branches and up to the head; None where nothing connects them."""
    carrier = tree.common(leg_branch, arm_branch)
    if carrier < 0:
        return None
    height = tree.rig.heads @ axes.up
    # Hips split from the pelvis: the bone that carries legs and spine is the hips, unless it is a root far
    # away from them.
    near = abs(height[carrier] - levels.hips) < 0.45 * levels.trunk
    pelvis = carrier if near else leg_branch
    way = tree.lineage[arm_branch]
    spine = way[: way.index(carrier)][::-1] if carrier in way else []
    over = _chain_up(tree, axes, levels, arm_branch)
    if len(spine) > 1 and over and height[spine[-1]] > levels.shoulders + 0.02 * levels.trunk:
        over = [spine.pop(), *over]  # the collars hang on the neck (3ds Max Biped)
    head = _head_place(tree, axes, levels, over)
    if head is None:
        return Trunk(pelvis, tuple(spine), (), None)
    return Trunk(pelvis, tuple(spine), tuple(over[:head]), over[head])


def _chain_up(tree: Tree, axes: Axes, levels: Levels, start: int) -> list[int]:
    """The bones from the arms' branch upwards in the middle plane, to the bone that carries the face."""
    heads, children = tree.rig.heads, tree.rig.children
    height, side = heads @ axes.up, heads @ axes.side - axes.middle
    limbs = {*tree.lineage[levels.legs[0]], *tree.lineage[levels.legs[1]]}
    limbs |= {*tree.lineage[levels.arms[0]], *tree.lineage[levels.arms[1]]}
    flat = 0.04 * tree.size
    out: list[int] = []
    bone = start
    while True:
        middle = [
            c
            for c in children[bone]
            if c not in limbs and abs(side[c]) < flat and height[c] > height[bone] - 0.05 * levels.trunk
        ]
        if out and _has_pairs(tree, bone, side, flat):
            return out  # eyes, ears or jaws hang here: this is the head, whatever lies above it
        if out and len(middle) != 1:
            return out
        if not middle:
            return out
        # From the chest the neck is what reaches highest; a collar or a breast bone does not.
        bone = max(middle, key=lambda c: max(height[b] for b in tree.subtree(c)))
        if not out and max(height[b] for b in tree.subtree(bone)) < levels.shoulders:
            return out
        out.append(bone)


def _has_pairs(tree: Tree, bone: int, side: np.ndarray, flat: float) -> bool:
    """Whether bones on both sides of the middle hang on a bone."""
    aside = side[tree.rig.children[bone]]
    return bool((aside > 0.2 * flat).any() and (aside < -0.2 * flat).any())


def _head_place(tree: Tree, axes: Axes, levels: Levels, chain: list[int]) -> int | None:
    """Which bone of the chain above the chest is the head."""
    if not chain:
        return None
    heads, children = tree.rig.heads, tree.rig.children
    height = (heads[chain] @ axes.up - levels.shoulders) / levels.trunk
    last = len(chain) - 1
    leaf = not children[chain[last]]
    if last > 0 and leaf and (height[last] > 0.62 or has_end_markers(tree, levels)):
        last -= 1
    # A face bone in the place of the head adds nothing: the lower of two bones at one place is the head.
    while last > 0 and np.linalg.norm(heads[chain[last]] - heads[chain[last - 1]]) < 1e-3 * tree.size:
        last -= 1
    return last


def has_end_markers(tree: Tree, levels: Levels) -> bool:
    """Whether chains end in a bone that only marks the tip of the one before.

    Seen at the hands: no thumb has four bones, so that fingers of four bones each end in a marker.
    """
    counts = [len(chain) for arm in levels.arms for chain in finger_chains(tree, arm)]
    return len(counts) >= 4 and min(counts) >= 4


def finger_chains(tree: Tree, arm: int) -> list[list[int]]:
    """The unbranched chains of two bones or more at the end of everything below a bone, base first."""
    children = tree.rig.children
    out = []
    for leaf in (b for b in tree.subtree(arm) if not children[b]):
        chain = [leaf]
        while (p := int(tree.rig.parents[chain[-1]])) != arm and p >= 0 and len(children[p]) == 1:
            chain.append(p)
        if len(chain) > 1:
            out.append(chain[::-1])
    return out
