# SPDX-License-Identifier: GPL-3.0-or-later
"""Features back to a moving skeleton: exact where the features agree, close where they are noisy."""

from __future__ import annotations

import numpy as np
import pytest

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.reconstruction import (
    actor_from_features,
    canonical_pair,
    constant_offsets,
    follow_positions,
    rotation_aligning,
    solve_root_rotation,
)
from intermoe_engine.representation import (
    INTERHUMAN,
    INTERHUMAN_ROOT,
    facing_direction,
    features_from_motion,
    motion_from_features,
)
from intermoe_engine.rotations import quat_exp, quat_log, quat_multiply, quat_rotate
from intermoe_engine.skeleton import SMPL22
from intermoe_engine.take import ActorMotion

PARENTS = SMPL22.parents


def random_actor(seed: int, frames: int = 40, size: float = 1.0) -> ActorMotion:
    """Smooth random motion: every joint swings by slow sines up to 40 degrees, the root turns freely."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None, None] / 30
    swing = 0.4 * np.sin(2 * np.pi * rng.uniform(0.2, 1, (1, 22, 3)) * t + rng.uniform(0, 6, (1, 22, 3)))
    swing[:, 0, 1] += rng.uniform(-3, 3)
    root = np.array([0, 1.0, 0]) + 0.3 * np.sin(t[:, 0] * rng.uniform(0.5, 2, 3)) + rng.uniform(-1, 1, 3)
    contacts = np.zeros((frames, 4))
    return ActorMotion.from_rotations(root, quat_exp(swing), contacts, SMPL22.offsets * size)


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(quat_log(quat_multiply(a, b * np.array([1, -1, -1, -1]))), axis=-1)


def test_aligning_rotation_is_recovered() -> None:
    rng = np.random.default_rng(1)
    rotation = quat_exp(rng.standard_normal((30, 3)))
    source = rng.standard_normal((30, 4, 3))
    got = rotation_aligning(source, quat_rotate(rotation[:, None], source), np.array([1.0, 2, 0.5, 1]))
    assert angle(got, rotation).max() < 1e-6


def test_aligning_never_mirrors() -> None:
    source = np.random.default_rng(2).standard_normal((10, 5, 3))
    got = rotation_aligning(source, source * np.array([-1.0, 1, 1]), np.ones(5))
    np.testing.assert_allclose(np.linalg.norm(got, axis=-1), 1, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_root_rotation_is_solved_from_positions(seed: int) -> None:
    actor = random_actor(seed)
    got = solve_root_rotation(actor.joint_positions, actor.joint_rotations[:, 1:], actor.rest_offsets)
    assert angle(got, actor.joint_rotations[:, 0]).max() < 1e-5


def test_root_rotation_survives_noise() -> None:
    actor = random_actor(5)
    noisy = actor.joint_positions + np.random.default_rng(0).normal(0, 0.005, actor.joint_positions.shape)
    got = solve_root_rotation(noisy, actor.joint_rotations[:, 1:], actor.rest_offsets)
    assert np.degrees(angle(got, actor.joint_rotations[:, 0])).mean() < 3


def test_bone_lengths_are_the_median_and_symmetric() -> None:
    actor = random_actor(6, size=1.13)
    positions = actor.joint_positions.copy()
    positions[3] *= 2.0  # one broken frame does not count
    offsets = constant_offsets(positions, SMPL22)
    np.testing.assert_allclose(offsets, SMPL22.offsets * 1.13, atol=1e-9)
    noisy = positions + np.random.default_rng(1).normal(0, 0.01, positions.shape)
    lengths = np.linalg.norm(constant_offsets(noisy, SMPL22), axis=-1)
    np.testing.assert_allclose(lengths, lengths[SMPL22.mirror])


@pytest.mark.parametrize("layout", [INTERHUMAN, INTERHUMAN_ROOT], ids=lambda layout: layout.name)
@pytest.mark.parametrize("seed", range(3))
def test_consistent_features_come_back_exactly(layout, seed: int) -> None:
    actor = random_actor(seed, size=0.93)
    features = features_from_motion(actor.joint_positions, actor.joint_rotations, actor.foot_contacts, layout)
    got, error = actor_from_features(motion_from_features(features, layout), SMPL22)
    assert error.maximum < 1e-5
    np.testing.assert_allclose(got.joint_positions, actor.joint_positions, atol=1e-5)
    np.testing.assert_allclose(got.rest_offsets, actor.rest_offsets, atol=1e-5)
    assert np.degrees(angle(got.joint_rotations, actor.joint_rotations)).max() < 0.1


def test_positions_win_over_rotations_that_drift() -> None:
    """Rotations 8 degrees off leave the wrists far away; after the fit they lie where the positions say."""
    actor = random_actor(8)
    rng = np.random.default_rng(3)
    wrong = quat_multiply(actor.joint_rotations, quat_exp(rng.normal(0, np.radians(8), (22, 3))))
    before, _ = forward_kinematics(actor.root_translation, wrong, PARENTS, actor.rest_offsets)
    fitted = follow_positions(actor.joint_positions, wrong, PARENTS, actor.rest_offsets)
    after, _ = forward_kinematics(actor.root_translation, fitted, PARENTS, actor.rest_offsets)
    off = [np.linalg.norm(p - actor.joint_positions, axis=-1).mean() for p in (before, after)]
    assert off[0] > 0.03 and off[1] < 0.003


def test_twist_that_positions_cannot_tell_is_kept() -> None:
    """A forearm turned about itself keeps its decoded twist."""
    actor = random_actor(9)
    joint = SMPL22.index("l_elbow")
    axis = SMPL22.offsets[SMPL22.index("l_wrist")] / np.linalg.norm(SMPL22.offsets[SMPL22.index("l_wrist")])
    twisted = actor.joint_rotations.copy()
    twisted[:, joint] = quat_multiply(twisted[:, joint], quat_exp(axis * 0.7))
    fitted = follow_positions(actor.joint_positions, twisted, PARENTS, actor.rest_offsets)
    assert np.degrees(angle(fitted[:, joint], twisted[:, joint])).max() < 0.01


def test_one_rigid_transform_for_both() -> None:
    a, b = random_actor(10), random_actor(11)
    moved_a, moved_b = canonical_pair(a, b)
    np.testing.assert_allclose(moved_a.root_translation[0, [0, 2]], 0, atol=1e-9)
    np.testing.assert_allclose(facing_direction(moved_a.joint_positions[0]), [0, 0, 1], atol=1e-9)
    before = np.linalg.norm(a.joint_positions[:, :, None] - b.joint_positions[:, None], axis=-1)
    after = np.linalg.norm(moved_a.joint_positions[:, :, None] - moved_b.joint_positions[:, None], axis=-1)
    np.testing.assert_allclose(after, before, atol=1e-9)
    np.testing.assert_allclose(moved_b.joint_positions[..., 1], b.joint_positions[..., 1], atol=1e-9)
