# SPDX-License-Identifier: GPL-3.0-or-later
"""InterHuman's features exactly as the published preprocessing makes them, for figures to be comparable."""

from __future__ import annotations

import numpy as np

from intermoe_engine.representation import (
    INTERHUMAN,
    canonical_transform,
    features_from_motion,
    foot_contacts,
    move_rigidly,
)

from .pair_clip import PairClip


def published_features(clip: PairClip) -> np.ndarray:
    """Features (2, T − 1, 262) float32 in the canonical frame of person A's first frame.

    They differ from PairClip.features() in two ways, both the published code's: each person's lowest joint
    of the clip is put at y = 0 separately (a lifted person is lowered to the floor), and the last frame,
    whose velocity is not known, is left out. Cut the window first: both depend on it.
    """
    positions = clip.positions()
    positions = positions - positions[..., 1].min(axis=(1, 2))[:, None, None, None] * np.array(
        [0.0, 1.0, 0.0]
    )
    contacts = foot_contacts(positions, clip.fps)
    turn, shift = canonical_transform(positions[0])
    moved, rotations = move_rigidly(positions, clip.joint_rotations, turn, shift)
    return features_from_motion(moved, rotations, contacts, INTERHUMAN)[:, :-1]
