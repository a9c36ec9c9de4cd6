# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person may choose about a retarget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from .errors import RigError

MODES = ("fk", "ik", "both")
"""Limbs are keyed on their FK bones, on the IK controls of hands and feet, or on both, with the switches on
FK."""
LEADERS = ("share", "A", "B")


@dataclass(frozen=True)
class RetargetSettings:
    """keep_feet: plant the feet by leg IK. keep_contacts: solve both people together so that what touches in
    the take touches on the rigs. keep_apart: let no parts overlap more than in the take. contact_distance,
    contact_release: gaps in metres between the take's bodies at which a contact starts and ends, where the
    take has no contacts of its own. leads: who keeps the pose where one has to give way, "A", "B" or "share".
    pair_scale: scale of
    horizontal positions; None computes it from both rigs. pelvis_anchor: "bone" puts the head of the hips
    bone at the scaled ground position of the take's pelvis, "hip_joints" the point between the legs.
    scene_matrix: rigid canonical (4, 4) that places the pair; None is the origin. pelvis_drop: the share of
    its leg length by which a pelvis may be lowered for the feet to reach. limb_controls: what is keyed of the
    arms and legs of A and of B where their rigs have IK, each "fk", "ik" or "both"."""

    keep_feet: bool = True
    keep_contacts: bool = True
    keep_apart: bool = True
    contact_distance: float = 0.03
    contact_release: float = 0.06
    leads: str = "share"
    pair_scale: float | None = None
    pelvis_anchor: str = "bone"
    scene_matrix: tuple[tuple[float, ...], ...] | None = None
    pelvis_drop: float = 0.25
    limb_controls: tuple[str, str] = ("fk", "fk")

    def __post_init__(self) -> None:
        if self.pelvis_anchor not in ("bone", "hip_joints"):
            raise RigError(f"pelvis_anchor is '{self.pelvis_anchor}'; use 'bone' or 'hip_joints'.")
        if self.pair_scale is not None and not 0 < self.pair_scale < 1000:
            raise RigError(f"pair_scale is {self.pair_scale}; use a number above zero.")
        if not all(isinstance(v, bool) for v in (self.keep_feet, self.keep_contacts, self.keep_apart)):
            raise RigError("keep_feet, keep_contacts and keep_apart must be true or false.")
        if self.leads not in LEADERS:
            raise RigError(f"leads is {self.leads!r}; use one of {', '.join(map(repr, LEADERS))}.")
        if not 0 < self.contact_distance <= self.contact_release < float("inf"):
            raise RigError("contact_distance must be above zero and at most contact_release.")
        if not 0 <= self.pelvis_drop <= 1:
            raise RigError(f"pelvis_drop is {self.pelvis_drop}; use a share of the leg length from 0 to 1.")
        if len(self.limb_controls) != 2 or not set(self.limb_controls) <= set(MODES):
            choices = ", ".join(map(repr, MODES))
            raise RigError(f"limb_controls is {self.limb_controls!r}; use one of {choices} for A and for B.")
        if self.scene.shape != (4, 4) or not _is_rigid(self.scene):
            raise RigError("scene_matrix must be 4 by 4 and only turn and move; take its scale out.")

    @property
    def scene(self) -> np.ndarray:
        """scene_matrix as an array (4, 4)."""
        return np.eye(4) if self.scene_matrix is None else np.asarray(self.scene_matrix, dtype=float)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        scene = None if self.scene_matrix is None else self.scene.tolist()
        return {**asdict(self), "scene_matrix": scene, "limb_controls": list(self.limb_controls)}

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
            if "limb_controls" in values:
                values["limb_controls"] = tuple(str(mode) for mode in values["limb_controls"])
            return RetargetSettings(**values)
        except (TypeError, ValueError) as error:
            raise RigError(f"The retarget settings cannot be read ({error}); use {_EXAMPLE}.") from error


_EXAMPLE = "true or false, numbers, and a 4 by 4 scene_matrix"


def _is_rigid(matrix: np.ndarray) -> bool:
    turn = matrix[:3, :3]
    last_row = np.allclose(matrix[3], [0, 0, 0, 1])
    orthonormal = np.allclose(turn @ turn.T, np.eye(3), atol=1e-4)
    return bool(last_row and orthonormal and np.isfinite(matrix).all() and np.linalg.det(turn) > 0)
