# SPDX-License-Identifier: GPL-3.0-or-later
"""The pair solver's parts against closed forms and independent solutions."""

from __future__ import annotations

import numpy as np
import pytest

from intermoe_engine.bench.rigs import humanoid, proportions
from intermoe_engine.bench.takes import SCRIPTED
from intermoe_engine.retarget import RetargetSettings, map_bones
from intermoe_engine.retarget.actor import ActorRetarget
from intermoe_engine.retarget.source import SourceActor
from intermoe_engine.retarget.touch.binding import apply_solution, body_points, pose_model
from intermoe_engine.retarget.touch.closest import closest_of_segments, mix
from intermoe_engine.retarget.touch.parts import POINTS
from intermoe_engine.retarget.touch.pose_model import VARIABLES, WRIST
from intermoe_engine.retarget.touch.smooth_system import (
    second_difference_energy,
    solve_by_elimination,
    solve_smooth,
)
from intermoe_engine.rotations import quat_rotate
from intermoe_engine.two_bone import bend_axis_for_goal, solve_two_bone


def test_closest_points_of_segments_against_a_search() -> None:
    rng = np.random.default_rng(0)
    a0, a1, b0, b1 = rng.normal(size=(4, 60, 3))
    s, t = closest_of_segments(a0, a1, b0, b1)
    found = np.linalg.norm(mix(a0, a1, s) - mix(b0, b1, t), axis=-1)
    steps = np.linspace(0, 1, 201)
    on_a = a0[:, None] + steps[:, None] * (a1 - a0)[:, None]
    on_b = b0[:, None] + steps[:, None] * (b1 - b0)[:, None]
    best = np.linalg.norm(on_a[:, :, None] - on_b[:, None], axis=-1).min(axis=(1, 2))
    assert (found <= best + 5e-3).all() and (found >= best - 3e-2).all()


def test_smooth_system_against_a_direct_sparse_solve() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    linalg = pytest.importorskip("scipy.sparse.linalg")
    rng = np.random.default_rng(1)
    frames, size = 40, 5
    half = rng.normal(size=(frames, size, size))
    blocks = half @ np.swapaxes(half, -1, -2) + np.eye(size)
    right, weights = rng.normal(size=(frames, size)), rng.uniform(1, 50, size)
    second = sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(frames - 2, frames))
    whole = sparse.block_diag(list(blocks)) + sparse.kron(second.T @ second, sparse.diags(weights))
    expected = linalg.spsolve(whole.tocsc(), right.ravel()).reshape(frames, size)
    np.testing.assert_allclose(solve_smooth(blocks, right, weights), expected, atol=1e-9)
    np.testing.assert_allclose(solve_by_elimination(blocks, right, weights), expected, atol=1e-9)
    for count in (1, 2, 3, 39):  # too few frames for the whole stencil, and an odd number
        x = solve_smooth(blocks[:count], right[:count], weights)
        np.testing.assert_allclose(
            (blocks[:count] @ x[..., None])[..., 0] + second_difference_energy(x, weights),
            right[:count],
            atol=1e-8,
        )
        few = solve_by_elimination(blocks[:count], right[:count], weights)
        np.testing.assert_allclose(few, x, atol=1e-9)
    np.testing.assert_allclose(
        second_difference_energy(expected, weights),
        (sparse.kron(second.T @ second, sparse.diags(weights)) @ expected.ravel()).reshape(frames, size),
        atol=1e-9,
    )


def _actor(offsets: np.ndarray) -> ActorRetarget:
    source = SourceActor.from_motion(SCRIPTED["hug"]().take.actors[0])
    rig = humanoid("rig", offsets, 45.0)
    actor = ActorRetarget(source, rig, map_bones(rig), RetargetSettings())
    actor.place(1.0)
    actor.plant_feet(1.0, 30.0)
    return actor


def test_model_agrees_with_the_rig_and_its_derivative_with_differences() -> None:
    """What the solver believes of 18 points, and what the rig's bones do when the solution is put on them."""
    actor = _actor(proportions(1.1, arms=1.1))
    model = pose_model(actor)
    frames = model.frames
    np.testing.assert_allclose(model.at(np.zeros((frames, VARIABLES))), body_points(actor), atol=1e-9)
    rng = np.random.default_rng(2)
    wave = np.sin(np.linspace(0, 9, frames))[:, None]
    x = 0.04 * wave * rng.normal(size=VARIABLES)
    x[:, [0, 2]] *= 0.3
    x[:, 1] = -0.05 + 0.01 * wave[:, 0]  # down, so that the legs reach
    for side, variables in WRIST.items():  # and the arms: what is out of reach the rig cannot follow
        shoulder, wrist = (model.points[:, POINTS.index(f"{side}_{n}")] for n in ("shoulder", "wrist"))
        x[:, variables] += 0.25 * (shoulder - wrist)
    points = model.at(x)
    slope = model.derivative(x, points)
    direction = rng.normal(size=x.shape)
    numeric = (model.at(x + 1e-6 * direction) - model.at(x - 1e-6 * direction)) / 2e-6
    error = np.abs(numeric - np.einsum("tpcv,tv->tpc", slope, direction))
    assert np.median(error) < 1e-5 and np.percentile(error, 99) < 2e-2
    apply_solution(actor, model, x)
    joints = [i for i, name in enumerate(POINTS) if name != "crown"]  # the crown is a rule of thumb
    np.testing.assert_allclose(body_points(actor)[:, joints], points[:, joints], atol=2e-3)


def test_a_straight_arm_bends_without_a_jump() -> None:
    """A nearly straight arm, bent by a hair against its hinge, whose goal comes in from nothing."""
    frames = 60
    pull = np.linspace(0, 1, frames) ** 2 * 0.12
    start = np.zeros((frames, 3))
    middle = np.tile([0.26, -0.001, 0.0], (frames, 1))
    end = np.tile([0.515, 0.0, 0.0], (frames, 1))
    hinge = np.tile([0.0, 0.0, -1.0], (frames, 1))
    goal = end - pull[:, None] * [1.0, 0.0, 0.0]
    axis = bend_axis_for_goal(start, middle, end, goal, hinge)
    upper, lower = solve_two_bone(start, middle, end, goal, axis, straightest=1.0)
    elbow = quat_rotate(upper, middle)
    wrist = elbow + quat_rotate(lower, end - middle)
    np.testing.assert_allclose(wrist, goal, atol=1e-5)
    np.testing.assert_allclose(elbow[0], middle[0], atol=1e-9)
    assert np.linalg.norm(np.diff(elbow, axis=0), axis=-1).max() < 0.02
    assert (np.cross(elbow, wrist - elbow)[-10:, 2] < 0).all()  # in the end bent about the hinge
