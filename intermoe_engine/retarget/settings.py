# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person may choose about a retarget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from .errors import RigError


@dataclass(frozen=True)
class RetargetSettings:
    """keep_feet: plant the feet by leg IK. keep_hands: keep joined hands joined by arm IK. hand_distance,
    hand_release: wrist distances in metres of the take at which a hold starts and ends. pair_scale: scale of
    horizontal positions; None computes it from both rigs. pelvis_anchor: "bone" puts the head of the hips
    bone at the scaled ground position of the take's pelvis, "hip_joints" the point between the legs.
    scene_matrix: rigid canonical (4, 4) that places the pair; None is the origin. pelvis_drop: the share of
    its leg length by which a pelvis may be lowered for the feet to reach."""

    keep_feet: bool = True
    keep_hands: bool = True
    hand_distance: float = 0.18
    hand_release: float = 0.22
    pair_scale: float | None = None
    pelvis_anchor: str = "bone"
    scene_matrix: tuple[tuple[float, ...], ...] | None = None
    pelvis_drop: float = 0.25

    def __post_init__(self) -> None:
        if self.pelvis_anchor not in ("bone", "hip_joints"):
            raise RigError(f"pelvis_anchor is '{self.pelvis_anchor}'; use 'bone' or 'hip_joints'.")
        if self.pair_scale is not None and not 0 < self.pair_scale < 1000:
            raise RigError(f"pair_scale is {self.pair_scale}; use a number above zero.")
        if not (isinstance(self.keep_feet, bool) and isinstance(self.keep_hands, bool)):
            raise RigError("keep_feet and keep_hands must be true or false.")
        if not 0 < self.hand_distance <= self.hand_release < float("inf"):
            raise RigError("hand_distance must be above zero and at most hand_release.")
        if not 0 <= self.pelvis_drop <= 1:
            raise RigError(f"pelvis_drop is {self.pelvis_drop}; use a share of the leg length from 0 to 1.")
        if self.scene.shape != (4, 4) or not _is_rigid(self.scene):
            raise RigError("scene_matrix must be 4 by 4 and only turn and move; take its scale out.")

    @property
    def scene(self) -> np.ndarray:
        """scene_matrix as an array (4, 4)."""
        return np.eye(4) if self.scene_matrix is None else np.asarray(self.scene_matrix, dtype=float)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**asdict(self), "scene_matrix": None if self.scene_matrix is None else self.scene.tolist()}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> RetargetSettings:
        """The inverse of to_dict; names that are not settings raise RigError."""
        known = {f.name for f in fields(RetargetSettings)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise RigError(f"Unknown retarget settings {', '.join(unknown)}; use {', '.join(sorted(known))}.")
        values = dict(data)
        try:
            if values.get("scene_matrix") is not None:
                values["scene_matrix"] = tuple(tuple(float(x) for x in row) for row in values["scene_matrix"])
            return RetargetSettings(**values)
        except (TypeError, ValueError) as error:
            raise RigError(f"The retarget settings cannot be read ({error}); use {_EXAMPLE}.") from error


_EXAMPLE = "true or false, numbers, and a 4 by 4 scene_matrix"


def _is_rigid(matrix: np.ndarray) -> bool:
    turn = matrix[:3, :3]
    last_row = np.allclose(matrix[3], [0, 0, 0, 1])
    orthonormal = np.allclose(turn @ turn.T, np.eye(3), atol=1e-4)
    return bool(last_row and orthonormal and np.isfinite(matrix).all() and np.linalg.det(turn) > 0)
