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

    def features(self, layout: FeatureLayout, floor_each: bool = False) -> np.ndarray:
        """Features (2, T, F) float32 in the canonical frame of person A's first frame.

        floor_each: put each person's lowest joint on the floor, as the published preprocessing does, which
        loses the height of a lift. Contact flags are those of the motion as it is.
        """
        turn, shift = canonical_transform(self.positions[0])
        positions, rotations = move_rigidly(self.positions, self.rotations, turn, shift)
        contacts = foot_contacts(positions, self.fps)
        if floor_each:
            positions = positions - positions[..., 1].min(axis=(1, 2))[:, None, None, None] * [0.0, 1.0, 0.0]
        return features_from_motion(positions, rotations, contacts, layout)
