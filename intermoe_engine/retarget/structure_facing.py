# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way a skeleton faces, and with that which of its sides is the left one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .structure_limbs import Axes, Limb
from .structure_pairs import LimbPair, Tree

_SURE = 1.0


@dataclass(frozen=True)
class Facing:
    """forward (3,): unit, armature space. first_is_left: whether the first chain of each pair is the left
    one. votes: evidence by name, positive for `depth`. confidence: 0 to 1."""

    forward: np.ndarray
    first_is_left: bool
    votes: dict[str, float]
    confidence: float


def find_facing(
    tree: Tree, axes: Axes, legs: LimbPair, leg: Limb, arms: LimbPair, arm: Limb, head: int | None
) -> Facing | None:
    """Forward by the feet, the bend of knees and elbows, the face and the thumbs; None without evidence.

    Each vote is the evidence in units of what it is in a human, capped so that none outvotes the rest.
    """
    heads = tree.rig.heads
    depth = axes.depth
    hip, knee, ankle = _joints(heads, legs, leg)
    shoulder, elbow, wrist = _joints(heads, arms, arm)
    leg_length = float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))
    arm_length = float(np.linalg.norm(elbow - shoulder) + np.linalg.norm(wrist - elbow))
    votes = {
        "feet": 4.0 * _capped(_foot(tree, legs, leg, axes) @ depth / (0.1 * leg_length)),
        "knees": 1.0 * _capped(_bend(hip, knee, ankle) @ depth / (0.03 * leg_length)),
        "elbows": -0.7 * _capped(_bend(shoulder, elbow, wrist) @ depth / (0.04 * arm_length)),
        "thumbs": 0.7 * _capped(_spread(tree, arms, arm) @ depth / (0.05 * arm_length)),
    }
    if head is not None and len(tree.rig.children[head]) > 1:
        face = heads[tree.subtree(head)[1:]] - heads[head]
        votes["face"] = 1.5 * _capped(float(np.median(face @ depth)) / (0.1 * arm_length))
    total = sum(votes.values())
    if abs(total) < 0.3:
        return None
    sign = float(np.sign(total))
    forward = sign * depth
    left = np.cross(axes.up, forward)
    agreement = abs(total) / sum(abs(v) for v in votes.values())
    confidence = float(np.clip(abs(total) / _SURE, 0.4, 1.0) * (0.6 + 0.4 * agreement))
    return Facing(forward, bool(left @ axes.side > 0), votes, confidence)


def _joints(heads: np.ndarray, pair: LimbPair, limb: Limb) -> list[np.ndarray]:
    """Mean places (3,) of a limb's three joints over both sides."""
    return [np.mean([heads[chain[j]] for chain in pair.chains], axis=0) for j in limb.joints]


def _foot(tree: Tree, legs: LimbPair, leg: Limb, axes: Axes) -> np.ndarray:
    """From the ankle to the tip of the toes, mean of both sides (3,).

    A foot without toe bones shows its direction by its own tail, if that does not go on along the shin.
    """
    rig = tree.rig
    out = np.zeros(3)
    for chain in legs.chains:
        ankle, last = chain[leg.joints[2]], chain[-1]
        if last != ankle:
            out += (rig.heads[last] - rig.heads[ankle]) / 2
        else:
            bone = rig.tails[ankle] - rig.heads[ankle]
            flat = bone - (bone @ axes.up) * axes.up
            if np.linalg.norm(flat) > 0.5 * np.linalg.norm(bone):
                out += flat / 2
    return out


def _bend(first: np.ndarray, middle: np.ndarray, last: np.ndarray) -> np.ndarray:
    """How far (3,) the middle joint lies off the line between the others."""
    line = last - first
    along = (middle - first) @ line / max(float(line @ line), 1e-12)
    return middle - first - along * line


def _spread(tree: Tree, arms: LimbPair, arm: Limb) -> np.ndarray:
    """From the middle of the fingers' bases to the base that is nearest to the wrist: where the thumb is."""
    heads, children = tree.rig.heads, tree.rig.children
    out = np.zeros(3)
    for chain in arms.chains:
        wrist = chain[arm.joints[2]]
        bases = np.array([heads[c] for c in children[wrist] if children[c]])
        if len(bases) > 1:
            tips = np.array([_tip(tree, c) for c in children[wrist] if children[c]])
            thumb = int(np.argmin(np.linalg.norm(tips - heads[wrist], axis=-1)))
            out += (tips[thumb] - np.delete(tips, thumb, axis=0).mean(axis=0)) / 2
    return out


def _tip(tree: Tree, bone: int) -> np.ndarray:
    """The head below a bone that is farthest from it."""
    heads = tree.rig.heads
    below = heads[tree.subtree(bone)]
    return below[int(np.argmax(np.linalg.norm(below - heads[bone], axis=-1)))]


def _capped(value: float | np.floating | np.ndarray) -> float:
    return float(np.clip(value, -1.0, 1.0))
