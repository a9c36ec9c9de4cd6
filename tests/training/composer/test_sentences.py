# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences: who is person A, words that fit, and only what is true of the clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.composer.scores import HANDSHAKE, score
from training.composer.captions import captions_of, fill, order_of
from training.composer.draw import draw


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("{actor} pushes {other.him}", "actor"),
        ("{other} is pushed by {actor.him}", "other"),
        ("{other's} hand is taken", "other"),
        ("{two} shake hands", "actor"),
        ("a handshake", "actor"),
    ],
)
def test_whoever_is_named_first_is_person_a(text: str, first: str) -> None:
    assert order_of(text) == first


def test_words_for_the_two_fit_their_place(tmp_path: Path) -> None:
    shake = score(tmp_path, 'people = [["a teacher", "a student"]]\n' + HANDSHAKE)
    text = "{actor} greets {other.him}, takes {other.his} hand and smiles as {other} bows to {actor.him}"
    filled = {fill(text, shake, False, np.random.default_rng(i)) for i in range(200)}
    assert "a man greets a woman, takes her hand and smiles as she bows to him" in filled
    assert "he greets her, takes her hand and smiles as she bows to him" in filled
    assert (
        "a teacher greets a student, takes their hand and smiles as the student bows to the teacher" in filled
    )
    first = "the first person greets the second person, takes their hand and smiles as "
    assert first + "the second person bows to them" in filled
    assert not any("{" in caption for caption in filled)


def test_the_nouns_of_a_score_go_to_their_roles_in_either_order(tmp_path: Path) -> None:
    shake = score(tmp_path, 'people = [["a teacher", "a student"]]\n' + HANDSHAKE)
    passive = {
        fill("{other} is taught by {actor.him}", shake, False, np.random.default_rng(i)) for i in range(99)
    }
    assert "a student is taught by a teacher" in passive
    assert "a teacher is taught by a student" not in passive


def test_the_hand_is_the_one_that_is_shown(tmp_path: Path) -> None:
    shake = score(tmp_path, HANDSHAKE)
    rng = np.random.default_rng(0)
    assert "right hand, left off" in fill("{hand} hand, {off_hand} off", shake, False, rng)
    assert "left hand, right off" in fill("{hand} hand, {off_hand} off", shake, True, rng)
    assert fill("{way}", shake, True, rng) == "clockwise"


def test_captions_are_true_of_the_draw_and_of_one_order(tmp_path: Path) -> None:
    shake = score(tmp_path, HANDSHAKE)
    orders = []
    for i in range(60):
        drawn = draw(shake, 0, i)
        first, captions = captions_of(drawn, drawn.rng)
        orders.append(first)
        quick = any("quickly" in caption for caption in captions)
        assert quick == (first == "actor" and "fast" in drawn.names["tempo"])
        assert all(("is shaken by" in caption) == (first == "other") for caption in captions)
        assert not any("welcomes" in caption for caption in captions)
        side = "left" if drawn.mirrored else "right"
        assert first == "other" or any(f"{side} hand" in caption for caption in captions)
    assert {"actor", "other"} == set(orders)
    held = draw(shake, 0, 0, held_out=True)
    assert all("welcomes" in caption for caption in captions_of(held, held.rng)[1])
