# SPDX-License-Identifier: GPL-3.0-or-later
"""A moving body as capsules: where its surface is, on the take's person and on the target alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...rotations import quat_between, quat_multiply, quat_to_matrix
from ..source import SIDE_JOINTS, SourceActor
from .parts import (
    CROWN_TO_TRUNK,
    ENDS,
    HAND_TO_FOREARM,
    INDEX,
    IS_TRUNK,
    JOINTS,
    POINTS,
    RADII,
    STARTS,
    SWINGS,
)

_REFERENCE_LEG = 0.805
_REFERENCE_ARM = 0.515
_REFERENCE_SHOULDERS = 0.38
_REFERENCE_TRUNK = 0.551


@dataclass(frozen=True)
class Body:
    """points (T, 18, 3): `parts.POINTS`, canonical metres. radii (P,): of `parts.PARTS`, metres.
    turns (T, P, 4): how each part is turned since the take's T-pose, whatever skeleton carries it, so that
    a direction of a part's surface means the same on all bodies."""

    points: np.ndarray
    radii: np.ndarray
    turns: np.ndarray

    @staticmethod
    def of_source(source: SourceActor) -> Body:
        """The take's own person."""
        points = source_points(source)
        return Body(points, girths(points), source.quaternions[:, JOINTS])

    def on(self, points: np.ndarray, radii: np.ndarray | None = None) -> Body:
        """The same motion on other points (T, 18, 3): parts turn by the shortest arc along with their bone.

        radii None: taken from the new skeleton's lengths.
        """
        before: np.ndarray = SWINGS @ self.points
        after: np.ndarray = SWINGS @ points
        turn = quat_between(before, after)
        return Body(points, girths(points) if radii is None else radii, quat_multiply(turn, self.turns))

    @property
    def frames(self) -> int:
        return len(self.points)

    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Both ends of all capsules' axes (T, P, 3)."""
        return self._ends

    @cached_property
    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        return STARTS @ self.points, ENDS @ self.points

    def axis_point(self, part: str, along: np.ndarray) -> np.ndarray:
        """Points (T, 3) on a capsule's axis; along (T,) 0 at its start, 1 at its end."""
        return (axis_weights(part, along)[:, None, :] @ self.points)[:, 0]

    def matrix(self, part: str) -> np.ndarray:
        """How a part is turned (T, 3, 3)."""
        if part not in self._matrices:
            self._matrices[part] = quat_to_matrix(self.turns[:, INDEX[part]])
        return self._matrices[part]

    @cached_property
    def _matrices(self) -> dict[str, np.ndarray]:
        """By part, filled as they are asked for."""
        return {}

    def surface_point(self, part: str, along: np.ndarray, outward: np.ndarray) -> np.ndarray:
        """Points (T, 3) of a part's surface; along (T,), outward (T, 3) unit, in the part's frame."""
        direction = (self.matrix(part) @ outward[..., None])[..., 0]
        return self.axis_point(part, along) + self.radii[INDEX[part]] * direction


def axis_weights(part: str, along: np.ndarray) -> np.ndarray:
    """Weights (T, 18) of the body's points that give points of a capsule's axis; along (T,)."""
    i = INDEX[part]
    along = np.asarray(along, dtype=float)[:, None]
    return (1 - along) * STARTS[i] + along * ENDS[i]


def source_points(source: SourceActor) -> np.ndarray:
    """The 18 points (T, 18, 3) of a take's person; hands lie along the forearm's direction of the T-pose."""
    out = np.zeros((source.frames, len(POINTS), 3))
    positions = source.positions
    for side in ("l", "r"):
        ids = SIDE_JOINTS[side]
        for name in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"):
            out[:, POINTS.index(f"{side}_{name}")] = positions[:, ids[name]]
        out[:, POINTS.index(f"{side}_toe")] = positions[:, ids["foot"]]
        forearm = source.rest_offsets[ids["wrist"]]
        tip = source.matrices[:, ids["wrist"]] @ (HAND_TO_FOREARM * forearm)
        out[:, POINTS.index(f"{side}_tip")] = positions[:, ids["wrist"]] + tip
    out[:, POINTS.index("head")] = positions[:, 15]
    height = CROWN_TO_TRUNK * _trunk_length(out)
    out[:, POINTS.index("crown")] = positions[:, 15] + height * source.matrices[:, 15, :, 1]
    return out


def girths(points: np.ndarray) -> np.ndarray:
    """Radii (P,) of a body from its lengths alone: the trunk from its height and shoulder width, limbs and
    head from the mean of all proportions (a long arm is not a thick one)."""
    leg = _chain(points, ("hip", "knee", "ankle")) / _REFERENCE_LEG
    arm = _chain(points, ("shoulder", "elbow", "wrist")) / _REFERENCE_ARM
    trunk = _trunk_length(points) / _REFERENCE_TRUNK
    across = points[:, POINTS.index("l_shoulder")] - points[:, POINTS.index("r_shoulder")]
    wide = float(np.median(np.linalg.norm(across, axis=-1))) / _REFERENCE_SHOULDERS
    limbs = (leg * arm * trunk * wide) ** 0.25
    return RADII * np.where(IS_TRUNK, np.sqrt(trunk * wide), limbs)


def _trunk_length(points: np.ndarray) -> float:
    low = points[:, POINTS.index("l_hip")] + points[:, POINTS.index("r_hip")]
    high = points[:, POINTS.index("l_shoulder")] + points[:, POINTS.index("r_shoulder")]
    return float(np.median(np.linalg.norm(high - low, axis=-1))) / 2


def _chain(points: np.ndarray, names: tuple[str, ...]) -> float:
    total = 0.0
    for side in ("l", "r"):
        ids = [POINTS.index(f"{side}_{name}") for name in names]
        total += float(np.median(np.linalg.norm(np.diff(points[:, ids], axis=1), axis=-1).sum(axis=-1)))
    return total / 2
