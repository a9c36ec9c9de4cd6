# SPDX-License-Identifier: GPL-3.0-or-later
"""The measures on motions whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from intermoe_engine.measures import low_toe_speeds, toe_floor

FPS = 30.0


def walking_toes(frames: int = 120, glide: float = 0.0) -> np.ndarray:
    """Toes that stand in turn for half a second, 2 cm up; the standing one moves at `glide` m/s along z, the
    other one swings at 1 m/s, 15 cm up."""
    left_stands = (np.arange(frames) // 15) % 2 == 0
    toes = np.zeros((frames, 2, 3))
    for side, stands in enumerate((left_stands, ~left_stands)):
        toes[:, side, 1] = np.where(stands, 0.02, 0.15)
        step = np.where(stands, glide, 1.0) / FPS
        toes[1:, side, 2] = np.cumsum(step)[:-1]
        toes[:, side, 0] = 0.1 - 0.2 * side
    return toes


@pytest.mark.parametrize("glide", [0.0, 0.4])
def test_the_standing_toe_counts_and_the_swinging_one_does_not(glide: float) -> None:
    toes = walking_toes(glide=glide)
    assert toe_floor(toes) == pytest.approx(0.02)
    assert low_toe_speeds(toes, FPS) == pytest.approx(np.full(119, glide))


def test_the_floor_is_the_persons_own() -> None:
    toes = walking_toes(glide=0.4) + [0.0, 1.7, 0.0]
    assert toe_floor(toes) == pytest.approx(1.72)
    assert low_toe_speeds(toes, FPS).mean() == pytest.approx(0.4)


def test_a_jump_does_not_count() -> None:
    toes = walking_toes(glide=0.0)
    toes[40:60, :, 1] += 0.5
    toes[:, :, 0] += 2.0 * np.clip(np.arange(120) - 40, 0, 19)[:, None] / FPS
    assert len(low_toe_speeds(toes, FPS)) == 119 - 20
    assert low_toe_speeds(toes, FPS).max() == pytest.approx(0.0, abs=1e-12)


def test_height_is_no_speed_and_one_frame_has_none() -> None:
    toes = np.zeros((30, 2, 3))
    toes[:, :, 1] = 0.01 * np.sin(np.arange(30))[:, None]
    assert low_toe_speeds(toes, FPS).max() == 0.0
    assert low_toe_speeds(toes[:1], FPS).shape == (0,)
