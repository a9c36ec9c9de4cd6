# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be done to a clip and still leave two people in one world, and a true caption."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from intermoe_engine.representation import facing_direction
from intermoe_engine.rotations import quat_from_axis_angle, quat_to_matrix
from intermoe_engine.skeleton import SMPL22
from tests.training.data.known_motion import known_pair, smooth_rotations
from training.data.floor import floor_height, on_floor
from training.data.pair_clip import PairClip

CAPTION = "The first person stands upright and hits the second person with the left fist."


@pytest.fixture(scope="module")
def clip() -> PairClip:
    rng = np.random.default_rng(6)
    clip = replace(
        known_pair(),
        roles=("actor", "reactor"),
        captions=(CAPTION,),
        hands=smooth_rotations(rng, 90, 30.0, 30, 0.7),
    )
    return replace(clip, given_positions=clip.positions() + 0.01 * rng.standard_normal((2, 90, 22, 3)))


def between(clip: PairClip) -> np.ndarray:
    """Every distance from a joint of A to a joint of B (T, 22, 22)."""
    a, b = clip.positions()
    return np.linalg.norm(a[:, :, None] - b[:, None], axis=-1)


def test_one_rigid_transform_moves_both_people(clip):
    features = clip.features()
    joints = features[..., :66].reshape(2, clip.frames, 22, 3)
    canonical = np.linalg.norm(joints[0][:, :, None] - joints[1][:, None], axis=-1)
    assert np.abs(canonical - between(clip)).max() < 1e-5
    assert np.allclose(joints[0, 0, 0, [0, 2]], 0.0, atol=1e-6)
    assert np.allclose(facing_direction(joints[0, :1])[0], [0, 0, 1], atol=1e-5)
    assert np.allclose(joints[..., 1], clip.positions()[..., 1], atol=1e-5)
    turned = clip.moved(
        quat_from_axis_angle(np.array([0.0, 1.0, 0.0]), np.array(2.0)), np.array([3.0, 0.5, 1.0])
    )
    assert np.abs(between(turned) - between(clip)).max() < 1e-9
    back = replace(turned, given_positions=None)
    assert np.abs(between(back) - between(replace(clip, given_positions=None))).max() < 1e-9


def test_one_floor_keeps_a_lifted_person_s_height(clip):
    flying = np.array(clip.root_translation)
    flying[1, :, 1] += 0.25
    raised = replace(clip, root_translation=flying + [0.0, 1.3, 0.0], given_positions=None)
    lowest = on_floor(raised).positions()[..., 1].min(axis=2)
    expected = replace(clip, given_positions=None).positions()[..., 1].min(axis=2) + [[0.0], [0.25]]
    assert np.abs(lowest - expected).max() < 1e-9


def test_a_single_glitch_does_not_become_the_floor(clip):
    positions = np.array(replace(clip, given_positions=None).positions())
    usual = floor_height(positions)
    assert abs(usual) < 1e-9
    positions[0, 50, :, 1] -= 0.5
    assert abs(floor_height(positions)) < 1e-3


def test_people_change_places_with_their_roles_and_captions(clip):
    swapped = clip.swapped()
    assert swapped.roles == ("reactor", "actor")
    assert swapped.captions == (
        "The second person stands upright and hits the first person with the left fist.",
    )
    assert np.array_equal(swapped.positions()[0], clip.positions()[1])
    assert swapped.hands is not None and clip.hands is not None
    assert np.array_equal(swapped.hands[1], clip.hands[0])
    again = swapped.swapped()
    assert again.captions == clip.captions and again.roles == clip.roles
    assert np.array_equal(again.positions(), clip.positions())


def test_a_mirrored_clip_mirrors_hands_given_positions_and_caption(clip):
    mirrored = clip.mirrored()
    assert mirrored.captions == (
        "The first person stands upright and hits the second person with the right fist.",
    )
    assert mirrored.roles == clip.roles
    flip = np.diag([-1.0, 1.0, 1.0])
    assert clip.hands is not None and mirrored.hands is not None
    left, right = quat_to_matrix(clip.hands[0, 3, 4]), quat_to_matrix(mirrored.hands[0, 3, 19])
    assert np.allclose(flip @ left @ flip, right)
    assert np.allclose(mirrored.positions()[0, 5, 20], flip @ clip.positions()[0, 5, 21])
    assert np.allclose(
        mirrored.posed_positions()[:, :, SMPL22.mirror] @ flip, clip.posed_positions(), atol=1e-9
    )
    twice = mirrored.mirrored()
    assert np.allclose(twice.positions(), clip.positions()) and np.allclose(twice.hands, clip.hands)


def test_windows_and_other_speeds_take_everything_along(clip):
    window = clip.window(10, 30)
    assert window.hands is not None and window.hands.shape == (2, 30, 30, 4)
    assert np.array_equal(window.positions(), clip.positions()[:, 10:40])
    half = clip.retimed(2.0)
    assert half.frames == 45 and half.hands is not None and clip.hands is not None
    assert np.allclose(half.positions(), clip.positions()[:, ::2])
    assert np.allclose(quat_to_matrix(half.hands), quat_to_matrix(clip.hands[:, ::2]))


def test_resampling_keeps_the_clock():
    fast, slow = known_pair(frames=357, fps=120.0), known_pair(frames=90)
    resampled = fast.resampled(30.0)
    assert resampled.fps == 30.0 and resampled.frames == 90
    assert np.abs(resampled.positions() - slow.positions()).max() < 1e-9
    assert slow.resampled(30.0) is slow
    assert slow.resampled(60.0).frames == 179
