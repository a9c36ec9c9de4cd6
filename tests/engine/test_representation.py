# SPDX-License-Identifier: GPL-3.0-or-later
"""Features of known motion, and what must not change when a pair is moved or mirrored."""

import numpy as np
import pytest

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.representation import (
    INTERHUMAN,
    INTERHUMAN_ROOT,
    canonical_transform,
    facing_direction,
    features_from_motion,
    foot_contacts,
    mirror_motion,
    motion_from_features,
    move_rigidly,
)
from intermoe_engine.rotations import quat_exp, quat_to_matrix
from intermoe_engine.skeleton import SMPL22


def random_person(frames: int = 30, seed: int = 0):
    rng = np.random.default_rng(seed)
    rotations = quat_exp(0.4 * rng.standard_normal((frames, 22, 3)))
    root = np.cumsum(0.02 * rng.standard_normal((frames, 3)), axis=0) + [rng.normal(), 0.95, rng.normal()]
    positions, _ = forward_kinematics(root, rotations, SMPL22.parents, SMPL22.offsets)
    return positions, rotations


def test_features_come_back_as_the_motion_they_were_made_of():
    positions, rotations = random_person()
    contacts = foot_contacts(positions)
    decoded = motion_from_features(
        features_from_motion(positions, rotations, contacts, INTERHUMAN_ROOT), INTERHUMAN_ROOT
    )
    assert np.allclose(decoded.positions, positions, atol=1e-6)
    assert np.allclose(quat_to_matrix(decoded.body_rotations), quat_to_matrix(rotations[:, 1:]), atol=1e-6)
    assert np.allclose(quat_to_matrix(decoded.root_rotation), quat_to_matrix(rotations[:, 0]), atol=1e-6)
    assert np.allclose(decoded.velocities[:-1], np.diff(positions, axis=0), atol=1e-6)


def test_official_layout_has_262_numbers_and_no_root_rotation():
    positions, rotations = random_person()
    features = features_from_motion(positions, rotations, foot_contacts(positions), INTERHUMAN)
    assert features.shape == (30, 262)
    assert motion_from_features(features, INTERHUMAN).root_rotation is None
    with pytest.raises(ValueError, match="268 features, got 262"):
        motion_from_features(features, INTERHUMAN_ROOT)


def test_one_rigid_transform_puts_person_a_at_the_origin_facing_z_and_keeps_the_pair():
    a, rotations_a = random_person(seed=1)
    b, _ = random_person(seed=2)
    turn, shift = canonical_transform(a)
    moved_a, moved_rotations = move_rigidly(a, rotations_a, turn, shift)
    moved_b, _ = move_rigidly(b, rotations_a, turn, shift)
    assert np.allclose(moved_a[0, 0, [0, 2]], 0, atol=1e-9)
    assert np.allclose(facing_direction(moved_a[0]), [0, 0, 1], atol=1e-9)
    assert np.allclose(moved_a[..., 1], a[..., 1], atol=1e-9)
    between = np.linalg.norm(a - b, axis=-1)
    assert np.allclose(np.linalg.norm(moved_a - moved_b, axis=-1), between, atol=1e-9)
    again, _ = forward_kinematics(moved_a[:, 0], moved_rotations, SMPL22.parents, SMPL22.offsets)
    assert np.allclose(again, moved_a, atol=1e-9)


def test_mirrored_rotations_pose_the_mirrored_joints():
    positions, rotations = random_person(seed=3)
    contacts = np.eye(4)[np.zeros(30, int)]
    mirrored, mirrored_rotations, mirrored_contacts = mirror_motion(positions, rotations, contacts)
    posed, _ = forward_kinematics(mirrored[:, 0], mirrored_rotations, SMPL22.parents, SMPL22.offsets)
    assert np.allclose(posed, mirrored, atol=1e-9)
    assert np.allclose(mirrored[:, 20], positions[:, 21] * [-1, 1, 1])
    assert mirrored_contacts[0].tolist() == [0, 0, 1, 0]


def test_mirroring_negates_sixd_entries_1_2_and_4():
    positions, rotations = random_person(seed=4)
    straight = features_from_motion(positions, rotations, np.zeros((30, 4)))
    mirrored = features_from_motion(
        *mirror_motion(positions, rotations, np.zeros((30, 4)))[:2], np.zeros((30, 4))
    )
    head = 132 + 14 * 6  # joint 15 is its own mirror image
    assert np.allclose(
        mirrored[:, head : head + 6], straight[:, head : head + 6] * [1, -1, -1, 1, -1, 1], atol=1e-6
    )


def test_a_foot_is_in_contact_when_low_and_still():
    positions = np.zeros((10, 22, 3))
    positions[:, :, 1] = 1.0
    positions[:, 7, 1] = 0.08
    positions[:, 10, 1] = 0.02
    positions[5:, 10, 0] = np.arange(5) * 0.05
    contacts = foot_contacts(positions)
    assert contacts[:, 0].all() and not contacts[:, 2:].any()
    assert contacts[:4, 1].all() and not contacts[5:, 1].any()
