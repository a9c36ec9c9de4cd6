# SPDX-License-Identifier: GPL-3.0-or-later
"""One floor for both people: whoever is lifted keeps their height."""

from __future__ import annotations

import numpy as np

from .pair_clip import PairClip

_GLITCH = 0.05


def floor_height(positions: np.ndarray) -> float:
    """Metres at which the floor lies under two people's joints (2, T, J, 3): the lowest joint of all.

    Where the lowest moments, 2 % of the frames, lie more than 5 cm below the rest, they are a glitch of the
    capture, and the rest tells the floor.
    """
    lowest = positions[..., 1].min(axis=(0, 2))
    usual = float(np.percentile(lowest, 2.0, method="higher"))
    return usual if usual - float(lowest.min()) > _GLITCH else float(lowest.min())


def on_floor(clip: PairClip) -> PairClip:
    """The clip with both people lowered by the same height, so that the floor they share is at y = 0."""
    down = np.array([0.0, -floor_height(clip.positions()), 0.0])
    return clip.moved(np.array([1.0, 0.0, 0.0, 0.0]), down)
