# SPDX-License-Identifier: GPL-3.0-or-later
"""The interactions that ship: their sentences are many, apart from each other, true and sayable."""

from __future__ import annotations

import re

import numpy as np
import pytest

from training.composer.captions import captions_of, fill, order_of
from training.composer.command import _clip_names
from training.composer.draw import draw
from training.composer.library import read_table_of_clips
from training.composer.score import Score
from training.composer.score_reading import load_scores
from training.data.captions import mirror_caption

SCORES = load_scores()
ASKED_FOR = 30
PHRASINGS, HELD_OUT = 20, (3, 8)
SECONDS = (2.0, 10.0)
_BRACES = re.compile(r"\{[^}]*\}")


def by_name(scores: list[Score]):
    return pytest.mark.parametrize("score", scores, ids=[score.name for score in scores])


def words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\{[^}]*\}|[\w'-]+", text.lower()))


def test_there_are_as_many_interactions_as_promised() -> None:
    assert len(SCORES) >= ASKED_FOR


@by_name(SCORES)
def test_phrasings_are_many_and_some_are_held_out(score: Score) -> None:
    held_out = [caption for caption in score.captions if caption.held_out]
    assert len(score.captions) >= PHRASINGS
    assert HELD_OUT[0] <= len(held_out) <= HELD_OUT[1]
    assert {order_of(caption.text) for caption in score.captions} == {"actor", "other"}


@by_name(SCORES)
def test_no_two_phrasings_differ_by_word_order_alone(score: Score) -> None:
    bags = [tuple(sorted(words(caption.text))) for caption in score.captions]
    assert len(set(bags)) == len(bags)


def test_no_sentence_belongs_to_two_interactions_or_to_both_splits() -> None:
    owners: dict[tuple[str, ...], tuple[str, bool]] = {}
    for score in SCORES:
        for caption in score.captions:
            owner = (score.name, caption.held_out)
            assert owners.setdefault(words(caption.text), owner) == owner, caption.text


@by_name(SCORES)
def test_filled_sentences_hold_no_placeholder_and_no_unmirrored_side(score: Score) -> None:
    rng = np.random.default_rng(0)
    for caption in score.captions:
        # What the mirror would change must come from a placeholder, or it is wrong of half the clips.
        assert mirror_caption(_BRACES.sub("x", caption.text)) == _BRACES.sub("x", caption.text)
        plain, mirrored = (fill(caption.text, score, m, np.random.default_rng(7)) for m in (False, True))
        assert mirror_caption(plain) == mirrored
        for _ in range(8):
            assert not set("{}") & set(fill(caption.text, score, False, rng)), caption.text


@by_name(SCORES)
def test_every_clip_has_its_line_in_the_table(score: Score) -> None:
    table = read_table_of_clips()
    assert not {name for name in _clip_names(score) if "{" not in name} - set(table)


@by_name(SCORES)
def test_every_sentence_is_true_of_some_clip_and_every_clip_has_one(score: Score) -> None:
    wanting = {caption.text for caption in score.captions}
    for index in range(120):
        plan = draw(score, seed=0, index=index, held_out=index % 2 == 1)
        assert SECONDS[0] <= float(plan.values["end"]) <= SECONDS[1]
        assert captions_of(plan, plan.rng)[1]
        wanting -= {
            c.text
            for c in score.captions
            if all(plan.names[k] & set(v if isinstance(v, list) else [v]) for k, v in c.when.items())
        }
    assert not wanting
