# SPDX-License-Identifier: GPL-3.0-or-later
"""Every figure on a motion whose answer is known."""

import numpy as np
import pytest

from training.scores import pair_scores, summary


def standing_pair(frames: int = 60) -> np.ndarray:
    positions = np.zeros((2, frames, 22, 3))
    positions[..., 1] = 1.0
    positions[:, :, [10, 11], 1] = 0.02
    positions[1, :, :, 0] = 0.8
    positions[1, :, 20, 0] = 0.1  # B's left wrist reaches to 10 cm from A's joints
    return positions


def test_two_people_who_stand_still():
    scores = pair_scores(standing_pair())
    assert scores["distance_m"] == pytest.approx(0.8)
    assert scores["wrists_m"] == pytest.approx(0.1)
    assert scores["closest_m"] == pytest.approx(0.1)
    assert scores["toe_m"] == pytest.approx(0.02)
    assert scores["slide_mm_s"] == scores["jerk_m_s3"] == scores["speed_a_m_s"] == 0


def test_a_sliding_person_slides_at_their_speed():
    positions = standing_pair()
    positions[0, :, :, 2] = np.arange(60)[:, None] / 30 * 0.5
    scores = pair_scores(positions)
    assert scores["slide_mm_s"] == pytest.approx(250)  # one of two people at 500 mm/s
    assert scores["speed_a_m_s"] == pytest.approx(0.5)
    assert scores["speed_b_m_s"] == 0


def test_a_lifted_toe_may_move():
    positions = standing_pair()
    positions[:, 20:40, 10, 1] = 0.2
    positions[:, 20:40, 10, 2] = np.sin(np.arange(20))
    assert pair_scores(positions)["slide_mm_s"] == 0


def test_constant_jerk():
    positions = standing_pair()
    positions[..., 2] += ((np.arange(60) / 30) ** 3)[None, :, None]
    assert pair_scores(positions)["jerk_m_s3"] == pytest.approx(6, rel=1e-6)


def test_summary_is_of_each_figure_over_motions():
    table = summary([standing_pair(), standing_pair() * [2, 1, 1]])
    assert table["distance_m"]["median"] == pytest.approx(1.2)
