# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleanup: feet that stand stop sliding, jitter goes, movement and the pair's heights stay."""

from __future__ import annotations

import numpy as np
import pytest

from intermoe_engine.cleanup import clean_pair
from intermoe_engine.cleanup.contacts import foot_slide, planted_feet
from intermoe_engine.cleanup.foot_lock import lock_feet
from intermoe_engine.cleanup.pair import floor_error
from intermoe_engine.cleanup.smoothing import jitter, smooth_actor
from intermoe_engine.intervals import runs
from intermoe_engine.rotations import quat_exp, quat_multiply
from intermoe_engine.skeleton import SMPL22
from intermoe_engine.take import ActorMotion

FPS = 30.0
REST_HEIGHT = -(SMPL22.offsets[2] + SMPL22.offsets[5] + SMPL22.offsets[8] + SMPL22.offsets[11])[1]


def standing(frames: int = 60, drift: float = 0.0, height: float = 0.0) -> ActorMotion:
    """A person with bent knees whose whole body drifts along x by `drift` m/s, with feet said to stand."""
    local = np.zeros((frames, 22, 3))
    for side in ("l", "r"):
        local[:, SMPL22.index(f"{side}_hip"), 0] = -0.35
        local[:, SMPL22.index(f"{side}_knee"), 0] = 0.7
        local[:, SMPL22.index(f"{side}_ankle"), 0] = -0.35
    root = np.zeros((frames, 3))
    actor = ActorMotion.from_rotations(root, quat_exp(local), np.ones((frames, 4)), SMPL22.offsets)
    root = root.copy()
    root[:, 1] = height - actor.joint_positions[0, :, 1].min()
    root[:, 0] = drift * np.arange(frames) / FPS
    return ActorMotion.from_rotations(root, actor.joint_rotations, actor.foot_contacts, SMPL22.offsets)


def test_locked_feet_do_not_slide() -> None:
    actor = standing(drift=0.08)
    planted = planted_feet(actor, FPS)
    assert planted.all()
    assert foot_slide(actor.joint_positions, planted, FPS) == pytest.approx(0.08, rel=1e-3)
    locked = lock_feet(actor, planted, FPS)
    assert foot_slide(locked.joint_positions, planted, FPS) < 1e-3
    np.testing.assert_allclose(locked.joint_positions[:, :3], actor.joint_positions[:, :3], atol=1e-9)
    lengths = np.linalg.norm(
        locked.joint_positions[:, 1:] - locked.joint_positions[:, SMPL22.parents[1:]], axis=-1
    )
    np.testing.assert_allclose(
        lengths, np.broadcast_to(np.linalg.norm(SMPL22.offsets[1:], axis=-1), lengths.shape)
    )


def test_locking_makes_no_pops() -> None:
    """A foot that stands twice with a step between: no frame-to-frame jump beyond the decoded one by much."""
    actor = standing(frames=90, drift=0.08)
    planted = planted_feet(actor, FPS)
    planted[:] = False
    planted[10:35] = planted[55:80] = True
    locked = lock_feet(actor, planted, FPS)
    step = np.linalg.norm(np.diff(locked.joint_positions, axis=0), axis=-1).max()
    assert step < 0.08 / FPS + 0.012
    np.testing.assert_allclose(locked.joint_positions[45], actor.joint_positions[45], atol=1e-3)


def test_feet_are_lifted_out_of_the_floor() -> None:
    actor = standing(height=-0.05)
    locked = lock_feet(actor, np.zeros((60, 4), dtype=bool), FPS)
    feet = locked.joint_positions[:, [7, 8, 10, 11], 1]
    assert feet.min() > -1e-4


def test_fast_and_high_feet_do_not_stand() -> None:
    assert not planted_feet(standing(drift=1.5), FPS).any()
    assert not planted_feet(standing(height=0.3), FPS).any()
    silent = standing()
    silent.foot_contacts[:] = 0
    assert not planted_feet(silent, FPS).any()


def test_contact_gaps_close_and_blinks_vanish() -> None:
    actor = standing()
    actor.foot_contacts[20:22, 0] = 0
    actor.foot_contacts[:, 1] = 0
    actor.foot_contacts[30:32, 1] = 1
    planted = planted_feet(actor, FPS)
    assert planted[:, 0].all() and not planted[:, 1].any()


def test_runs() -> None:
    starts, ends = runs(np.array([1, 1, 0, 1, 0, 0, 1], dtype=bool))
    assert starts.tolist() == [0, 3, 6] and ends.tolist() == [2, 4, 7]


def test_smoothing_takes_jitter_and_leaves_movement() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(90)[:, None] / FPS
    swing = np.zeros((90, 22, 3))
    swing[:, 16] = np.array([0.0, 0.0, 1.0]) * np.sin(2 * np.pi * 1.5 * t)  # an arm at 1.5 Hz, 57 degrees
    clean = ActorMotion.from_rotations(np.zeros((90, 3)), quat_exp(swing), np.zeros((90, 4)), SMPL22.offsets)
    noisy = ActorMotion.from_rotations(
        rng.normal(0, 0.003, (90, 3)),
        quat_multiply(clean.joint_rotations, quat_exp(rng.normal(0, 0.02, (90, 22, 3)))),
        clean.foot_contacts,
        SMPL22.offsets,
    )
    smoothed = smooth_actor(noisy, FPS)
    assert jitter(smoothed.joint_positions, FPS) < 0.3 * jitter(noisy.joint_positions, FPS)
    untouched = smooth_actor(clean, FPS)
    assert np.abs(untouched.joint_positions - clean.joint_positions).max() < 0.006
    error = [np.abs(a.joint_positions - clean.joint_positions).mean() for a in (noisy, smoothed)]
    assert error[1] < 0.75 * error[0]


def test_short_motions_pass_through() -> None:
    actor = standing(frames=4)
    pair, _ = clean_pair((actor, standing(frames=4)), FPS)
    np.testing.assert_allclose(pair[0].joint_positions, actor.joint_positions, atol=1e-5)
    clean_pair((standing(frames=1), standing(frames=1)), FPS)


def test_one_floor_for_both_keeps_a_lift() -> None:
    """B is carried 0.4 m above the floor that A stands on, and both come 7 cm too high."""
    lifted = standing(height=0.47)
    lifted.foot_contacts[:] = 0
    base = standing(height=0.07)
    assert floor_error((base, lifted)) == pytest.approx(0.05)  # a sole's 2 cm are no error
    (a, b), report = clean_pair((base, lifted), FPS)
    assert report.floor_shift == pytest.approx(-0.05)
    assert a.joint_positions[..., 1].min() == pytest.approx(0.02, abs=1e-5)
    np.testing.assert_allclose(
        b.root_translation - a.root_translation, lifted.root_translation - base.root_translation
    )


@pytest.mark.parametrize(("height", "error"), [(0.0, 0.0), (0.015, 0.0), (-0.03, -0.03), (0.1, 0.08)])
def test_floor_is_corrected_only_where_it_is_wrong(height: float, error: float) -> None:
    assert floor_error((standing(height=height), standing(height=0.2))) == pytest.approx(error, abs=1e-9)


def test_nobody_on_the_floor_moves_nothing() -> None:
    a, b = standing(height=0.5), standing(height=0.6)
    a.foot_contacts[:] = b.foot_contacts[:] = 0
    assert floor_error((a, b)) == 0.0


def test_report_measures_the_result() -> None:
    _, report = clean_pair((standing(drift=0.06), standing(drift=0.0)), FPS)
    assert report.foot_slide_before == pytest.approx(0.03, rel=1e-3)
    assert report.foot_slide_after < 1e-3


def shaking_actor(shake: float) -> ActorMotion:
    """Two seconds of slow swaying with white noise of `shake` radians on every joint."""
    rng = np.random.default_rng(2)
    time = np.arange(60) / FPS
    turns = 0.3 * np.sin(2 * np.pi * 0.8 * time)[:, None, None] * np.ones((1, 22, 3))
    rotations = quat_exp(turns + shake * rng.standard_normal((60, 22, 3)))
    root = np.stack([0.2 * time, np.full(60, 0.95), np.zeros(60)], axis=-1)
    return ActorMotion.from_rotations(root, rotations, np.zeros((60, 4)), SMPL22.offsets)


def test_smoothing_is_light_on_calm_motion_and_strong_on_shaking_motion() -> None:
    calm = shaking_actor(0.0)
    moved = np.linalg.norm(smooth_actor(calm, FPS).joint_positions - calm.joint_positions, axis=-1)
    assert moved.max() < 0.002
    shaking = shaking_actor(0.035)
    assert jitter(shaking.joint_positions, FPS) > 900
    smoothed = smooth_actor(shaking, FPS)
    assert jitter(smoothed.joint_positions, FPS) < 450
    error = np.linalg.norm(smoothed.joint_positions - calm.joint_positions, axis=-1).mean()
    assert error < 0.6 * np.linalg.norm(shaking.joint_positions - calm.joint_positions, axis=-1).mean()


def test_feet_that_glide_while_they_should_stand_are_held_too() -> None:
    actor = shaking_actor(0.0)
    still = np.zeros_like(actor.joint_positions)
    still[:, :, 1] = 1.0
    still[:, (7, 8), 1], still[:, (10, 11), 1] = 0.08, 0.02
    gliding = still + np.array([1.0, 0.0, 0.0]) * (0.5 * np.arange(60) / FPS)[:, None, None]
    flags = np.ones((60, 4))
    for positions, speed in ((still, 0.0), (gliding, 0.5)):
        motion = ActorMotion(
            actor.root_translation, actor.joint_rotations, positions, flags, actor.rest_offsets
        )
        assert planted_feet(motion, FPS).all(), speed
    running = still + np.array([1.0, 0.0, 0.0]) * (2.0 * np.arange(60) / FPS)[:, None, None]
    motion = ActorMotion(actor.root_translation, actor.joint_rotations, running, flags, actor.rest_offsets)
    assert not planted_feet(motion, FPS).any()
