# SPDX-License-Identifier: GPL-3.0-or-later
"""One actor of a take, prepared for retargeting."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..kinematics import forward_kinematics
from ..rotations import quat_normalize, quat_to_matrix
from ..skeleton import CONTACT_JOINTS, SMPL22
from ..take import ActorMotion

PELVIS = 0
SIDE_JOINTS = {
    side: {
        name: SMPL22.index(f"{side}_{name}")
        for name in ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")
    }
    for side in ("l", "r")
}


@dataclass(frozen=True)
class SourceActor:
    """positions (T, 22, 3) in metres and rotations (T, 22, 4), (T, 22, 3, 3) since the T-pose, canonical;
    contacts (T, 4) bool of left ankle, left toe, right ankle, right toe; rest_offsets (22, 3)."""

    positions: np.ndarray
    quaternions: np.ndarray
    matrices: np.ndarray
    contacts: np.ndarray
    rest_offsets: np.ndarray

    @staticmethod
    def from_motion(motion: ActorMotion) -> SourceActor:
        """Double precision, unit quaternions, positions from forward kinematics."""
        offsets = np.asarray(motion.rest_offsets, dtype=float)
        local = quat_normalize(np.asarray(motion.joint_rotations, dtype=float))
        root = np.asarray(motion.root_translation, dtype=float)
        positions, rotations = forward_kinematics(root, local, SMPL22.parents, offsets)
        contacts = np.asarray(motion.foot_contacts) > 0.5
        return SourceActor(positions, rotations, quat_to_matrix(rotations), contacts, offsets)

    @property
    def frames(self) -> int:
        return len(self.positions)

    @cached_property
    def leg_length(self) -> float:
        """Upper plus lower leg in metres, mean of both sides."""
        joints = [SIDE_JOINTS[s][j] for s in ("l", "r") for j in ("knee", "ankle")]
        return float(np.linalg.norm(self.rest_offsets[joints], axis=-1).sum() / 2)

    @cached_property
    def has_floor(self) -> bool:
        """Whether the feet ever touch the floor (y = 0); without contacts nothing says where it is."""
        return bool(self.contacts.any())

    @cached_property
    def toe_height(self) -> float:
        """Height in metres of the toe joints above the floor when the feet are down."""
        if not self.has_floor:
            return 0.0
        joints = np.array([j for j in CONTACT_JOINTS if j in (10, 11)])
        planted = self.contacts[:, [1, 3]]
        heights = self.positions[:, joints, 1]
        low = heights[planted] if planted.any() else heights.ravel()
        return float(np.clip(np.median(low) if planted.any() else np.percentile(low, 5), 0.0, 0.06))

    def ankle_height(self, side: str) -> float:
        """Height in metres of the ankle above the floor when the foot is flat."""
        return self.toe_height - float(self.rest_offsets[SIDE_JOINTS[side]["foot"], 1])

    def foot_contact(self, side: str) -> tuple[np.ndarray, np.ndarray]:
        """Ankle and toe contacts (T,) bool."""
        first = 0 if side == "l" else 2
        return self.contacts[:, first], self.contacts[:, first + 1]
