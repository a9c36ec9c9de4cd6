# SPDX-License-Identifier: GPL-3.0-or-later
"""One person's clip: what a file with one character in it gives, and what pairs can be composed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.skeleton import SMPL22


@dataclass(frozen=True)
class SingleClip:
    """One person on the floor (y = 0), metres, y up.

    root_translation (T, 3); joint_rotations (T, 22, 4) local, joint 0 global; rest_offsets (22, 3).
    """

    name: str
    fps: float
    root_translation: np.ndarray
    joint_rotations: np.ndarray
    rest_offsets: np.ndarray
    source: str = ""

    @property
    def frames(self) -> int:
        return len(self.root_translation)

    def positions(self) -> np.ndarray:
        """Joint positions (T, 22, 3)."""
        return forward_kinematics(
            self.root_translation, self.joint_rotations, SMPL22.parents, self.rest_offsets
        )[0]
