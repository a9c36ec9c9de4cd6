# SPDX-License-Identifier: GPL-3.0-or-later
"""Who does what, on pairs whose roles are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from intermoe_engine.kinematics import rest_positions
from intermoe_engine.rotations import quat_from_axis_angle, quat_rotate
from intermoe_engine.skeleton import SMPL22
from training.evaluation.roles import (
    asks_for_a_still_person,
    energy_ratio,
    names_an_actor,
    order_preference,
    pose_difference,
    role_figures,
    same_person_is_livelier,
    sentence_with_roles_swapped,
    signature,
    swap_margin,
)

FPS = 30.0
UP = np.array([0.0, 1.0, 0.0])


def waving(amplitude_a: float, amplitude_b: float, frames: int = 61) -> np.ndarray:
    """Two people face each other; each swings the left wrist up and down by an amplitude in metres."""
    rest = rest_positions(SMPL22.parents, SMPL22.offsets) + UP
    swing = np.sin(np.arange(frames) / FPS * 2 * np.pi)
    people = []
    for amplitude, turn, shift in ((amplitude_a, 0.0, -0.5), (amplitude_b, np.pi, 0.5)):
        person = np.repeat(rest[None], frames, axis=0)
        person[:, 20, 1] += amplitude * swing
        rotation = quat_from_axis_angle(UP, np.array(turn))
        people.append(quat_rotate(rotation, person) + np.array([0.0, 0.0, shift]))
    return np.stack(people)


def test_the_livelier_person() -> None:
    pair = waving(0.3, 0.1)
    assert energy_ratio(pair, FPS) == pytest.approx(math.log(3), rel=1e-6)
    assert energy_ratio(pair[::-1], FPS) == pytest.approx(-math.log(3), rel=1e-6)
    assert same_person_is_livelier(0.2, math.log(3)) == 1
    assert same_person_is_livelier(-0.2, math.log(3)) == 0
    assert math.isnan(same_person_is_livelier(1.0, math.log(1.2)))


def test_the_order_that_a_sentence_prefers() -> None:
    text = np.array([[0.0, 0], [0, 0], [0, 0]])
    motion = np.array([[1.0, 0], [3, 0], [0, 2]])
    swapped = np.array([[0.0, 2], [0, 1], [2, 0]])
    assert order_preference(text, motion, swapped).tolist() == [1, 0, 0.5]


def test_copies_and_mirror_images_are_no_two_people() -> None:
    pair = waving(0.3, 0.3)
    assert pose_difference(pair) == pytest.approx(0, abs=1e-9)
    mirror = pair.copy()
    mirror[1] = mirror[1][:, SMPL22.mirror]
    mirror[1, ..., 0] *= -1
    assert pose_difference(mirror) == pytest.approx(0, abs=1e-9)
    # One wrist of 22 joints differs, by 0.3 m · mean |sin|.
    expected = 0.3 * np.abs(np.sin(np.arange(61) / FPS * 2 * np.pi)).mean() / 22 * 1000
    assert pose_difference(waving(0.3, 0.0)) == pytest.approx(expected, rel=1e-6)


def test_a_frozen_person() -> None:
    figures = role_figures(waving(0.3, 0.0), FPS, "one person waves while the other watches")
    assert figures["liveliness_ratio"] == figures["asked_still_ratio"] == pytest.approx(0, abs=1e-9)
    figures = role_figures(waving(0.3, 0.15), FPS, "both wave")
    assert figures["liveliness_ratio"] == pytest.approx(0.5) and math.isnan(figures["asked_still_ratio"])


def test_signature_is_what_was_done() -> None:
    frames = 61
    pair = waving(0.0, 0.0, frames)
    pair[1] += (np.arange(frames) / FPS)[:, None, None] * np.array([0.6, 0.0, 0.8])
    walking = signature(pair, FPS)
    np.testing.assert_allclose(walking[:, 2], [0, 1], atol=1e-9)  # m/s on the ground
    np.testing.assert_allclose(walking[:, :2], 0, atol=1e-9)
    turning = waving(0.0, 0.0, frames)
    angles = np.arange(frames) / FPS * 2.0
    turning[0] = quat_rotate(quat_from_axis_angle(UP, angles)[:, None], turning[0] - turning[0, 0, 0])
    assert signature(turning, FPS)[0, 3] == pytest.approx(2.0, rel=1e-6)  # rad/s


def test_swap_margin_of_a_swapped_and_of_an_unchanged_pair() -> None:
    one, two = (signature(waving(a, b), FPS) for a, b in ((0.3, 0.1), (0.1, 0.3)))
    scale = np.ones(6)
    assert swap_margin(one, two, scale) == pytest.approx(1)
    assert swap_margin(one, one, scale) == pytest.approx(-1)
    halfway = signature(waving(0.2, 0.2), FPS)
    assert swap_margin(one, halfway, scale) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("caption", "named", "still"),
    [
        ("one person waves while the other watches", True, True),
        ("the first person bows and the second person stands still", True, True),
        ("a man leads a woman in a salsa", True, False),
        ("one person pushes another", True, False),
        ("two people dance salsa", False, False),
        ("both of them wave at each other", False, False),
        ("one person dances and the other is sitting", True, True),
        ("the follow dances salsa with the lead", True, False),
    ],
)
def test_captions_that_name(caption: str, named: bool, still: bool) -> None:
    assert (names_an_actor(caption), asks_for_a_still_person(caption)) == (named, still)


@pytest.mark.parametrize(
    ("caption", "swapped"),
    [
        ("the first person pushes the second person", "the second person pushes the first person"),
        ("one person leads the other in a salsa", "one person follows the other in a salsa"),
        ("the lead dances salsa with the follow", "the follow dances salsa with the lead"),
        ("two people dance salsa", None),
        ("one person hugs the other", None),
        ("a woman follows a man's lead", None),
    ],
)
def test_sentences_with_roles_swapped(caption: str, swapped: str | None) -> None:
    assert sentence_with_roles_swapped(caption) == swapped
