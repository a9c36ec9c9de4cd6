# SPDX-License-Identifier: GPL-3.0-or-later
"""Two-bone inverse kinematics: goals are reached, the swivel stays, hinges rule where planes are noise."""

from __future__ import annotations

import numpy as np
import pytest

from intermoe_engine.rotations import quat_exp, quat_multiply, quat_rotate
from intermoe_engine.two_bone import solve_two_bone, trusted_bend_axis

X = np.array([[1.0, 0, 0]])
START = np.array([[0, 0.8, 0.0]])
IDENTITY = np.array([1.0, 0, 0, 0])


def end_of(start, middle, end, turns):
    return start + quat_rotate(turns[0], middle - start) + quat_rotate(turns[1], end - middle)


def leg(bend: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hip, knee, ankle (1, 3) of a leg that hangs down with its knee bent by `bend` radians (shin to -z)."""
    middle = START + np.array([[0, -0.4, 0.0]])
    return START, middle, middle + np.array([[0, -0.42 * np.cos(bend), -0.42 * np.sin(bend)]])


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_every_goal_in_reach_is_reached(seed: int, trusted: bool) -> None:
    rng = np.random.default_rng(seed)
    n = 200
    upper, lower = np.array([0.02, -0.4, 0.0]), np.array([0.0, -0.42, -0.03])
    turn, knee = quat_exp(rng.normal(0, 1, (n, 3))), quat_exp(rng.normal(0, 0.8, (n, 3)))
    start = rng.normal(0, 1, (n, 3))
    middle = start + quat_rotate(turn, upper)
    end = middle + quat_rotate(quat_multiply(turn, knee), lower)
    direction = rng.normal(0, 1, (n, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    goal = start + direction * rng.uniform(0.1, 0.81, (n, 1))
    hinge = quat_rotate(turn, X[0])
    axis = trusted_bend_axis(start, middle, end, hinge) if trusted else np.cross(middle - start, end - middle)
    turns = solve_two_bone(start, middle, end, goal, axis)
    np.testing.assert_allclose(end_of(start, middle, end, turns), goal, atol=1e-7)
    for q in turns:
        np.testing.assert_allclose(np.linalg.norm(q, axis=-1), 1, atol=1e-9)


def test_a_goal_that_is_met_changes_nothing() -> None:
    start, middle, end = leg(0.0)
    for q in solve_two_bone(start, middle, end, end, X):
        np.testing.assert_array_equal(q[0], IDENTITY)


@pytest.mark.parametrize("bend", [0.0, 0.02, 0.3, 1.2])
def test_a_small_step_of_the_goal_is_a_small_step_of_the_knee(bend: float) -> None:
    """No jump between frames whose goal is met and frames whose goal is a hair away, however straight."""
    start, middle, end = leg(bend)
    axis = np.cross(middle - start, end - middle) + 1e-5 * X
    first, _ = solve_two_bone(start, middle, end, end + [[2e-6, 0, 0]], axis)
    moved = start + quat_rotate(first, middle - start) - middle
    assert np.linalg.norm(moved) < 1e-4


def test_the_swivel_stays() -> None:
    """A goal that turns rigidly with the limb turns both bones alike: nothing twists."""
    start, middle, end = leg(0.7)
    # About an axis at a right angle to the line from hip to ankle, as the shortest arc turns.
    line = (end - start) / np.linalg.norm(end - start)
    turn = quat_exp(0.6 * np.cross(line, [[0.3, 0.2, 1.0]]))
    goal = start + quat_rotate(turn, end - start)
    for q in solve_two_bone(start, middle, end, goal, np.cross(middle - start, end - middle)):
        np.testing.assert_allclose(np.abs(np.sum(q * turn)), 1, atol=1e-9)


def test_a_straight_leg_bends_forward() -> None:
    """Where the bones' own plane is undefined, the hinge decides: knees go to the front (+z)."""
    start, middle, end = leg(0.0)
    first, _ = solve_two_bone(start, middle, end, end + [[0, 0.2, 0]], trusted_bend_axis(*leg(0.0), X))
    knee = start + quat_rotate(first, middle - start)
    assert knee[0, 2] > 0.15


def test_the_hinge_rules_a_knee_bent_the_wrong_way() -> None:
    start, middle, end = leg(-0.3)
    np.testing.assert_allclose(trusted_bend_axis(start, middle, end, X), X, atol=1e-12)
    tilted = np.array([[0.8, 0.0, 0.6]])
    np.testing.assert_allclose(trusted_bend_axis(*leg(0.5), tilted), X, atol=1e-12)
    np.testing.assert_allclose(trusted_bend_axis(*leg(0.01), tilted), tilted, atol=1e-12)


def test_out_of_reach_is_met_in_direction() -> None:
    start, middle, end = leg(0.25)
    goal = start + [[0.0, -2.0, 1.0]]
    got = end_of(start, middle, end, solve_two_bone(start, middle, end, goal, X)) - start
    np.testing.assert_allclose(
        got / np.linalg.norm(got), (goal - start) / np.linalg.norm(goal - start), atol=1e-6
    )
    assert np.linalg.norm(got) == pytest.approx(0.9995 * 0.82, abs=1e-9)


def test_a_goal_at_the_joint_itself_gives_numbers() -> None:
    start, middle, end = leg(0.7)
    turns = solve_two_bone(start, middle, end, start, X)
    assert all(np.isfinite(q).all() for q in turns)
    assert np.linalg.norm(end_of(start, middle, end, turns) - start) < 0.03
