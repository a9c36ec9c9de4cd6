# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores as files: what they may say, and that mistakes are named with file, table and key."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.training.composer.scores import CAPTION, HANDSHAKE, ROLES, plain, score
from training.composer.draw import draw
from training.composer.expressions import evaluate
from training.composer.library import read_table_of_clips
from training.composer.score import ScoreError
from training.composer.score_reading import load_scores


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3 - 4 / 8", 6.5),
        ("-(a - 1)", -1.0),
        ("max(a, 0.5) if a > 1 else 7", 2.0),
        ("1 if word == 'left' else 2", 1.0),
        ("cos(60)", 0.5),
        (3, 3.0),
    ],
)
def test_expressions_give_what_arithmetic_gives(expression: str, value: float) -> None:
    assert math.isclose(evaluate(expression, {"a": 2.0, "word": "left"}), value)


@pytest.mark.parametrize(
    "expression", ["__import__('os')", "a.b", "(1, 2)", "b", "1 / 0", "lambda: 1", "2 **"]
)
def test_expressions_say_nothing_else(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        evaluate(expression, {"a": 2.0})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("swings = 2", "swigs = 2", r"\[\[touch\]\] 1 swigs: no such key"),
        ('meet = "1.0 / tempo"', 'meet = "1.0 / tmpo"', r"\[let\] meet: .* speaks of tmpo"),
        ('part = "r_hand"', 'part = "r_paw"', r"\[\[touch\]\] 1 part is 'r_paw'"),
        ("height = 1.05", "height = true", r"\[\[touch\]\] 1 height is True"),
        (
            'when = { tempo = "fast" }',
            'when = { tempo = "brisk" }',
            r"\[\[caption\]\] 3: when tempo = 'brisk'",
        ),
        ('seconds = "meet + 1.5"', "", r"\[stage\] seconds is missing"),
        ('who = "both"', 'who = "each"', r"\[\[look\]\] 1 who is 'each'"),
        ("range = [0.8, 0.95]", "range = [0.95, 0.8]", r"\[vary\] gap"),
        ('title = "A handshake"', "", "title is missing"),
    ],
)
def test_a_mistake_is_named_with_file_table_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in HANDSHAKE
    with pytest.raises(ScoreError, match=said) as error:
        score(tmp_path, HANDSHAKE.replace(old, new))
    assert str(tmp_path / "score.toml") in str(error.value)


def test_a_draw_depends_on_seed_name_and_number_alone(tmp_path: Path) -> None:
    shake = score(tmp_path, HANDSHAKE)
    draws = [draw(shake, 5, i) for i in range(40)]
    again = [draw(shake, 5, i) for i in range(40)]
    assert [d.values for d in draws] == [d.values for d in again]
    assert {d.values["tempo"] for d in draws} == {0.8, 1.3}
    assert all(0.8 <= float(d.values["gap"]) <= 0.95 for d in draws)
    assert all(("close" in d.names["gap"]) == (float(d.values["gap"]) <= 0.85) for d in draws)
    assert 8 < sum(d.mirrored for d in draws) < 32
    assert draw(shake, 6, 0).values != draws[0].values
    for d in draws:
        assert math.isclose(float(d.values["end"]), 1.0 / float(d.values["tempo"]) + 1.5)


def test_the_scores_that_come_along_are_sound() -> None:
    scores, table = load_scores(), read_table_of_clips()
    assert len(scores) >= 30
    for one in scores:
        held_out = sum(caption.held_out for caption in one.captions)
        assert len(one.captions) >= 20 and 1 <= held_out <= len(one.captions) / 3, one.name
        unknown = {clip for clip in one.clips() if "{" not in clip} - set(table)
        assert not unknown, f"{one.name} asks for {unknown}"


def test_a_phase_needs_a_clip(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match=r"\[\[actor\]\] 1 clip is missing"):
        plain(tmp_path, "[[actor]]\nspeed = 1.0\n")
    with pytest.raises(ScoreError, match="actor is missing"):
        score(tmp_path, f'name = "x"\ntitle = "x"\n{ROLES}[stage]\nseconds = 2\n{CAPTION}')
