# SPDX-License-Identifier: GPL-3.0-or-later
"""One captured piece of two people's motion, in one format whatever file it came from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.representation import (
    INTERHUMAN_ROOT,
    FeatureLayout,
    canonical_transform,
    features_from_motion,
    foot_contacts,
    mirror_motion,
    move_rigidly,
)
from intermoe_engine.rotations import quat_slerp
from intermoe_engine.skeleton import SMPL22


@dataclass(frozen=True)
class PairClip:
    """Two people on one clock and one floor (y = 0), metres, y up.

    root_translation (2, T, 3); joint_rotations (2, T, 22, 4) local, joint 0 global; rest_offsets
    (2, 22, 3); roles: who is who, e.g. ("lead", "follow").
    """

    name: str
    fps: float
    root_translation: np.ndarray
    joint_rotations: np.ndarray
    rest_offsets: np.ndarray
    roles: tuple[str, str]

    @property
    def frames(self) -> int:
        return self.root_translation.shape[1]

    def positions(self) -> np.ndarray:
        """Joint positions (2, T, 22, 3)."""
        people = [
            forward_kinematics(
                self.root_translation[p], self.joint_rotations[p], SMPL22.parents, self.rest_offsets[p]
            )
            for p in (0, 1)
        ]
        return np.stack([positions for positions, _ in people])

    def window(self, start: int, length: int) -> PairClip:
        """Frames start … start + length − 1."""
        span = slice(start, start + length)
        return replace(
            self,
            root_translation=self.root_translation[:, span],
            joint_rotations=self.joint_rotations[:, span],
        )

    def swapped(self) -> PairClip:
        """Person B becomes person A, with the roles."""
        return replace(
            self,
            root_translation=self.root_translation[::-1],
            joint_rotations=self.joint_rotations[::-1],
            rest_offsets=self.rest_offsets[::-1],
            roles=self.roles[::-1],
        )

    def mirrored(self) -> PairClip:
        """Left and right change places, for both people about the same plane."""
        _, rotations, _ = mirror_motion(
            self.root_translation[..., None, :].repeat(22, -2), self.joint_rotations, np.zeros((1, 1, 4))
        )
        offsets = self.rest_offsets[:, SMPL22.mirror] * np.array([-1.0, 1.0, 1.0])
        return replace(
            self,
            root_translation=self.root_translation * np.array([-1.0, 1.0, 1.0]),
            joint_rotations=rotations,
            rest_offsets=offsets,
        )

    def retimed(self, speed: float) -> PairClip:
        """The same motion `speed` times as fast, at the same frame rate."""
        count = int((self.frames - 1) / speed) + 1
        times = np.arange(count) * speed
        low = np.minimum(times.astype(int), self.frames - 1)
        high = np.minimum(low + 1, self.frames - 1)
        t = times - low
        root, rot = self.root_translation, self.joint_rotations
        return replace(
            self,
            root_translation=root[:, low] + (root[:, high] - root[:, low]) * t[:, None],
            joint_rotations=quat_slerp(rot[:, low], rot[:, high], t[:, None]),
        )

    def features(self, layout: FeatureLayout = INTERHUMAN_ROOT) -> np.ndarray:
        """Features (2, T, F) float32 in the canonical frame of person A's first frame."""
        positions = self.positions()
        contacts = foot_contacts(positions, self.fps)
        turn, shift = canonical_transform(positions[0])
        moved, rotations = move_rigidly(positions, self.joint_rotations, turn, shift)
        return features_from_motion(moved, rotations, contacts, layout)
