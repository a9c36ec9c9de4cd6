# SPDX-License-Identifier: GPL-3.0-or-later
"""Distances and shared volumes of capsules against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from intermoe_engine.kinematics import rest_positions
from intermoe_engine.retarget.touch.parts import HAND_TO_FOREARM
from intermoe_engine.rotations import quat_from_axis_angle
from intermoe_engine.skeleton import SMPL22
from training.evaluation.capsules import (
    HANDS,
    Capsules,
    body_capsules,
    body_volume,
    segment_distance,
    shared_volume,
    surface_distances,
)

T_POSE = rest_positions(SMPL22.parents, SMPL22.offsets)
UNTURNED = np.tile([1.0, 0.0, 0.0, 0.0], (22, 1))


def capsules(*rows: tuple[tuple, tuple, float]) -> Capsules:
    start, end, radius = zip(*rows, strict=True)
    return Capsules(np.array([start], float), np.array([end], float), np.array(radius, float))


def lens(r: float, d: float) -> float:
    """Volume that two balls of radius r share whose centres are d apart."""
    return math.pi * (4 * r + d) * (2 * r - d) ** 2 / 12


def test_segment_distance_is_the_minimum() -> None:
    rng = np.random.default_rng(0)
    ends = rng.standard_normal((4, 40, 3))
    ends[:, 30:] = np.round(ends[:, 30:])  # parallel, touching and degenerate ones among them
    ends[1, 35:] = ends[0, 35:]
    found = segment_distance(*ends)
    for n in range(40):
        p, q, r, s = ends[:, n]
        gap = lambda t: np.sum((p + t[0] * (q - p) - r - t[1] * (s - r)) ** 2)  # noqa: B023
        best = min(
            minimize(gap, x0, bounds=[(0, 1)] * 2, tol=1e-14).fun for x0 in ([0, 0], [1, 1], [0.5, 0.5])
        )
        assert found[n] == pytest.approx(math.sqrt(best), abs=1e-5)


def test_segments_whose_answer_is_known() -> None:
    vectors = lambda *rows: [np.array(row, float) for row in rows]
    assert segment_distance(*vectors((0, 0, 0), (1, 0, 0), (0.5, -1, 2), (0.5, 1, 2))) == 2  # crossing
    assert segment_distance(*vectors((0, 0, 0), (1, 0, 0), (3, 1, 0), (9, 1, 0))) == math.sqrt(5)  # parallel
    assert segment_distance(*vectors((0, 0, 0), (0, 0, 0), (0, 3, 4), (0, 3, 4))) == 5  # two points
    assert segment_distance(*vectors((0, 0, 0), (0, 0, 0), (-1, 2, 0), (1, 2, 0))) == 2  # point and segment


def test_surfaces() -> None:
    a = capsules(((0, 0, 0), (1, 0, 0), 0.2))
    b = capsules(((0, 1, 0), (1, 1, 0), 0.3), ((0, 0.4, 0), (1, 0.4, 0), 0.3))
    np.testing.assert_allclose(surface_distances(a, b), [[[0.5, -0.1]]], atol=1e-12)


def test_shared_volume_of_balls_is_a_lens() -> None:
    ball = ((0, 0, 0), (0, 0, 0), 0.1)
    for distance in (0.0, 0.05, 0.1, 0.15):
        other = ((distance, 0, 0), (distance, 0, 0), 0.1)
        shared = shared_volume(capsules(ball), capsules(other), points=2000)[0]
        assert shared == pytest.approx(lens(0.1, distance), rel=0.03)
    apart = capsules(((0.21, 0, 0), (0.21, 0, 0), 0.1))
    assert shared_volume(capsules(ball), apart)[0] == 0


def test_shared_volume_of_capsules_in_closed_form() -> None:
    length, r = 0.4, 0.05
    a = capsules(((0, 0, 0), (0, length, 0), r))
    whole = math.pi * r**2 * length + 4 / 3 * math.pi * r**3
    assert body_volume(a)[0] == pytest.approx(whole, rel=1e-9)
    # A thin capsule wholly inside a thick one, and a thick one cut by it: the thin one's volume both ways.
    thick = capsules(((0, -0.1, 0), (0, 0.6, 0), 0.1))
    assert shared_volume(a, thick)[0] == pytest.approx(whole, rel=1e-9)
    assert shared_volume(thick, a, points=4000)[0] == pytest.approx(whole, rel=0.04)
    # Shifted along itself by half its length: half the cylinder and the caps.
    half = capsules(((0, length / 2, 0), (0, 1.5 * length, 0), r))
    expected = math.pi * r**2 * length / 2 + 4 / 3 * math.pi * r**3
    assert shared_volume(a, half, points=2000)[0] == pytest.approx(expected, rel=0.02)


def test_capsules_of_one_body_count_once() -> None:
    r = 0.1
    twice = capsules(((0, 0, 0), (0, 0, 0), r), ((0, 0, 0), (0, 0, 0), r))
    assert body_volume(twice)[0] == pytest.approx(4 / 3 * math.pi * r**3, rel=1e-9)
    two = capsules(((0, 0, 0), (0, 0, 0), r), ((0.1, 0, 0), (0.1, 0, 0), r))
    assert body_volume(two, points=2000)[0] == pytest.approx(
        2 * 4 / 3 * math.pi * r**3 - lens(r, 0.1), rel=0.01
    )


def test_a_body_weighs_what_an_adult_does() -> None:
    body = body_capsules(T_POSE[None], UNTURNED[None])
    volume = body_volume(body, points=400)[0]
    assert 0.055 < volume < 0.085  # about a litre a kilogram
    giant = body_capsules(1.2 * T_POSE[None], UNTURNED[None])
    assert body_volume(giant, points=400)[0] == pytest.approx(1.2**3 * volume, rel=1e-6)


def test_hands_follow_the_wrists() -> None:
    turns = np.stack([UNTURNED, UNTURNED])
    turns[1, 20] = quat_from_axis_angle(np.array([0.0, 0.0, 1.0]), np.array(np.pi / 2))
    body = body_capsules(np.stack([T_POSE, T_POSE]), turns)
    left = HANDS[0]
    np.testing.assert_allclose(body.start[:, left], np.stack([T_POSE[20]] * 2), atol=1e-12)
    forearm = T_POSE[20] - T_POSE[18]
    turned = np.array([-forearm[1], forearm[0], forearm[2]])  # a quarter about z
    reach = np.stack([forearm, turned]) * HAND_TO_FOREARM
    np.testing.assert_allclose(body.end[:, left] - body.start[:, left], reach, atol=1e-12)


def test_frames_are_independent_and_order_of_people_hardly_matters() -> None:
    shifts = np.array([0.1, 0.3, 0.8, 5.0])
    turns = np.repeat(UNTURNED[None], 4, axis=0)
    a = body_capsules(np.repeat(T_POSE[None], 4, axis=0), turns)
    b = body_capsules(T_POSE[None] + shifts[:, None, None] * np.array([0.0, 0.0, 1.0]), turns)
    ab, ba = shared_volume(a, b, points=600), shared_volume(b, a, points=600)
    assert (np.diff(ab) <= 0).all() and ab[0] > 0.01 and ab[3] == 0
    np.testing.assert_allclose(ab, ba, rtol=0.05, atol=1e-5)
    np.testing.assert_allclose(shared_volume(a.frames([1]), b.frames([1]), points=600), ab[1:2])
