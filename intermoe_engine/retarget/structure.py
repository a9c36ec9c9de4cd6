# SPDX-License-Identifier: GPL-3.0-or-later
"""Mapping without names: a humanoid found by symmetry, chains, positions and proportions.

Two pairs of mirrored chains that hang on one trunk are legs and arms; the legs run against the direction
from one branch to the other. What faces forward (feet, knees, face, thumbs) decides left and right.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from .rig import RigDescription
from .structure_facing import Facing, find_facing
from .structure_limbs import Axes, Limb, arm_joints, leg_joints
from .structure_pairs import LimbPair, Tree, heads_along, limb_pairs
from .structure_trunk import Levels, Trunk, find_trunk

_WORST_LIMB = 12.0


@dataclass(frozen=True)
class Structure:
    """What was found. slots: row -> bone numbers. confidence: 0 to 1. facing: which way is forward."""

    slots: dict[str, tuple[int, ...]] = field(default_factory=dict)
    confidence: float = 0.0
    facing: Facing | None = None


@dataclass(frozen=True)
class _Body:
    legs: LimbPair
    arms: LimbPair
    axes: Axes
    leg: Limb
    arm: Limb
    trunk: Trunk
    levels: Levels
    cost: float


def find_structure(rig: RigDescription) -> Structure:
    """The humanoid in a rig, whatever its bones are called; empty slots where there is none.

    Only heads and parents are used, in armature space: object transforms and bone rolls do not matter.
    """
    tree = Tree.of(rig)
    if tree.size <= 0:
        return Structure()
    bodies = [
        body
        for legs, arms in permutations(limb_pairs(tree), 2)
        if (body := _body(tree, legs, arms)) is not None
    ]
    if not bodies:
        return Structure()
    body = min(bodies, key=lambda b: b.cost)
    facing = find_facing(tree, body.axes, body.legs, body.leg, body.arms, body.arm, body.trunk.head)
    if facing is None:
        return Structure()
    certainty = float(np.clip(1.0 - body.cost / (2 * _WORST_LIMB), 0.3, 0.9))
    return Structure(_slots(body, facing), round(certainty * facing.confidence, 3), facing)


def _body(tree: Tree, legs: LimbPair, arms: LimbPair) -> _Body | None:
    """The body that two pairs make as legs and arms, or None where they cannot be that."""
    heads = tree.rig.heads
    if legs.branch == arms.branch or tree.is_below(legs.branch, arms.branch):
        return None
    if abs(legs.normal @ arms.normal) < 0.9:
        return None
    normal = legs.normal * np.sign(legs.normal @ arms.normal) * legs.length + arms.normal * arms.length
    side = normal / np.linalg.norm(normal)
    # Both chains of a pair in one order: first on the positive side.
    legs = legs if legs.normal @ side > 0 else _swapped(legs)
    arms = arms if arms.normal @ side > 0 else _swapped(arms)
    starts = [heads[[c[0] for c in pair.chains]].mean(axis=0) for pair in (legs, arms)]
    ends = heads[[c[-1] for c in legs.chains]].mean(axis=0)
    leg_way = ends - starts[0]
    # Feet point forward and would tilt the axis; two thirds of the way down a leg are above the ankle.
    shins = np.mean([heads_along(heads[list(c)], 0.65) for c in legs.chains], axis=0)
    up = starts[1] - shins
    up = up - (up @ side) * side
    up = up / max(float(np.linalg.norm(up)), 1e-12)
    middle = float(np.mean([heads[[c[0] for c in pair.chains]] @ side for pair in (legs, arms)]))
    axes = Axes(up, side, middle)
    trunk_rise = (starts[1] - starts[0]) @ up
    if trunk_rise < 0.1 * tree.size or -(leg_way @ up) < 0.6 * np.linalg.norm(leg_way):
        return None
    leg, arm = leg_joints(tree, legs, axes), arm_joints(tree, arms, axes)
    if leg is None or arm is None or leg.cost > _WORST_LIMB or arm.cost > _WORST_LIMB:
        return None
    hips, shoulders = (
        [chain[limb.joints[0]] for chain in pair.chains] for pair, limb in ((legs, leg), (arms, arm))
    )
    levels = Levels(
        float((heads[hips] @ up).mean()),
        float((heads[shoulders] @ up).mean()),
        (hips[0], hips[1]),
        (shoulders[0], shoulders[1]),
    )
    if levels.trunk < 0.05 * tree.size:
        return None
    trunk = find_trunk(tree, axes, levels, legs.branch, arms.branch)
    if trunk is None:
        return None
    sizes = [_span(heads, pair, limb) / levels.trunk for pair, limb in ((legs, leg), (arms, arm))]
    cost = leg.cost + arm.cost
    cost += (np.log(sizes[0] / 1.6) / 0.4) ** 2 + (np.log(sizes[1] / 1.05) / 0.4) ** 2
    cost += 4.0 * (trunk.head is None) + 4.0 * (not trunk.spine)
    # Of two pairs that fit, the one that makes more of the skeleton (a coat's tails are shorter than legs).
    cost -= 6.0 * (legs.length + arms.length) / tree.size
    return _Body(legs, arms, axes, leg, arm, trunk, levels, float(cost))


def _span(heads: np.ndarray, pair: LimbPair, limb: Limb) -> float:
    """Length of upper and lower bone together, mean of both sides."""
    points = np.stack([heads[[chain[j] for j in limb.joints]] for chain in pair.chains])
    return float(np.linalg.norm(np.diff(points, axis=1), axis=-1).sum() / 2)


def _swapped(pair: LimbPair) -> LimbPair:
    return LimbPair(pair.branch, (pair.chains[1], pair.chains[0]), -pair.normal, pair.middle, pair.length)


def _slots(body: _Body, facing: Facing) -> dict[str, tuple[int, ...]]:
    """Bone numbers by row."""
    trunk = body.trunk
    out = {"pelvis": (trunk.pelvis,), "spine": trunk.spine, "neck": trunk.neck}
    if trunk.head is not None:
        out["head"] = (trunk.head,)
    sides = ("l", "r") if facing.first_is_left else ("r", "l")
    for k, side in enumerate(sides):
        leg, arm = body.legs.chains[k], body.arms.chains[k]
        for name, place in zip(("hip", "knee", "ankle"), body.leg.joints, strict=True):
            out[f"{side}_{name}"] = (leg[place],)
        if body.leg.toe is not None:
            out[f"{side}_foot"] = (leg[body.leg.toe],)
        for name, place in zip(("shoulder", "elbow", "wrist"), body.arm.joints, strict=True):
            out[f"{side}_{name}"] = (arm[place],)
        if body.arm.joints[0] > 0:
            out[f"{side}_collar"] = (arm[0],)
    return {slot: bones for slot, bones in out.items() if bones}
