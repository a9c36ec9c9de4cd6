# SPDX-License-Identifier: GPL-3.0-or-later
"""Every reason for which a clip is left out, on a clip that has just that fault."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.training.data.known_motion import known_pair
from training.data.checks import check
from training.data.pair_clip import PairClip


@pytest.fixture(scope="module")
def clip() -> PairClip:
    return known_pair()


def spoiled(clip: PairClip, field: str, index, value) -> PairClip:
    array = np.array(getattr(clip, field))
    array[index] = value
    return replace(clip, **{field: array})


def test_a_sound_clip_passes_at_any_rate(clip):
    assert check(clip) is None
    assert check(known_pair(fps=120.0, frames=360)) is None


def test_nan(clip):
    assert check(spoiled(clip, "joint_rotations", (1, 30, 5, 2), np.nan)).startswith("NaN")
    assert check(spoiled(clip, "root_translation", (0, 3, 1), np.inf)).startswith("NaN")
    given = replace(clip, given_positions=np.full((2, clip.frames, 22, 3), np.nan))
    assert check(given).startswith("NaN")


def test_one_person_missing(clip):
    alone = replace(clip, root_translation=clip.root_translation[:1])
    assert check(alone).startswith("one person missing")
    nobody = np.array(clip.positions())
    nobody[1] = 0.0
    assert check(replace(clip, given_positions=nobody)).startswith("one person missing: person 2")
    far = spoiled(clip, "root_translation", 1, clip.root_translation[1] + [40.0, 0, 0])
    assert check(far).startswith("one person missing: the two are never nearer")


def test_unequal_length(clip):
    shorter = replace(clip, joint_rotations=clip.joint_rotations[:, :-1])
    assert check(shorter).startswith("unequal length")
    assert check(replace(clip, hands=np.zeros((2, 3, 30, 4)))).startswith("unequal length")


def test_feet_through_the_floor(clip):
    moved = lambda down: replace(clip, root_translation=clip.root_translation - [0.0, down, 0.0])
    assert check(moved(0.09)) is None
    reason = check(moved(0.12))
    assert reason.startswith("feet through the floor: person 1 lies 12 cm")


def test_teleport(clip):
    jumped = np.array(clip.root_translation)
    jumped[1, 40:] += [0.0, 0.0, 1.5]
    reason = check(replace(clip, root_translation=jumped))
    assert reason.startswith("teleport: person 2 moves at 4") and "after frame 39" in reason


def test_too_short(clip):
    assert check(clip.window(0, 14)).startswith("too short: 14 frames")
    assert check(clip.window(0, 15)) is None
    assert check(known_pair(fps=120.0, frames=56)).startswith("too short")


def test_a_small_jump_of_the_whole_body_is_a_teleport_and_a_fast_hand_is_not(clip):
    small = np.array(clip.root_translation)
    small[0, 40:] += [0.4, 0.0, 0.0]
    assert check(replace(clip, root_translation=small)).startswith("teleport: person 1 moves at 1")
    hand = np.array(clip.positions())
    hand[1, 40:, 20] += [0.0, 0.4, 0.0]
    assert check(replace(clip, given_positions=hand)) is None
    hand[1, 40:, 20] += [0.0, 0.6, 0.0]
    assert check(replace(clip, given_positions=hand)).endswith("the limit is 20")
