# SPDX-License-Identifier: GPL-3.0-or-later
"""A pair motion as every figure reads it, wherever it came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intermoe_engine.representation import (
    FeatureLayout,
    canonical_transform,
    features_from_motion,
    foot_contacts,
    move_rigidly,
)
from intermoe_engine.take import ActorMotion

from ..data.pair_clip import PairClip


@dataclass(frozen=True)
class PairMotion:
    """Two people on one clock and one floor (y = 0), metres, y up.

    positions (2, T, 22, 3); rotations (2, T, 22, 4) local, joint 0 global.
    """

    positions: np.ndarray
    rotations: np.ndarray
    fps: float

    @property
    def frames(self) -> int:
        return self.positions.shape[1]

    @classmethod
    def of_clip(cls, clip: PairClip, frames: int | None = None) -> PairMotion:
        """The first `frames` frames of a captured clip, or all."""
        if frames is not None and frames < clip.frames:
            clip = clip.window(0, frames)
        return cls(clip.positions(), clip.joint_rotations, clip.fps)

    @classmethod
    def of_actors(cls, actors: tuple[ActorMotion, ActorMotion], fps: float) -> PairMotion:
        """A generated take's motion."""
        return cls(
            np.stack([actor.joint_positions for actor in actors]),
            np.stack([actor.joint_rotations for actor in actors]),
            fps,
        )

    def swapped(self) -> PairMotion:
        """Person B becomes person A."""
        return PairMotion(self.positions[::-1], self.rotations[::-1], self.fps)

    def features(self, layout: FeatureLayout) -> np.ndarray:
        """Features (2, T, F) float32 in the canonical frame of person A's first frame."""
        turn, shift = canonical_transform(self.positions[0])
        positions, rotations = move_rigidly(self.positions, self.rotations, turn, shift)
        return features_from_motion(positions, rotations, foot_contacts(positions, self.fps), layout)
