# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences and pages of the gallery; its pictures are the demo's own renderer's."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from intermoe_engine.bundle.card import BundleCard
from intermoe_engine.bundle.interactions import KnownInteraction
from intermoe_engine.errors import RequestError
from training.composer.score_reading import load_scores
from training.data.salsa_captions import salsa_captions, split_captions
from training.gallery.pages import Sheet, draw_index, strip_of, write_page
from training.gallery.phrasings import Phrasing, held_out_sentence, phrasings


@dataclasses.dataclass(frozen=True)
class Listed:
    """What phrasings reads of a card."""

    interactions: tuple[KnownInteraction, ...] = ()
    example_prompts: tuple[str, ...] = ()


def asked(card: Listed, *only: str) -> list[Phrasing]:
    assert {field.name for field in dataclasses.fields(Listed)} <= set(BundleCard.__dataclass_fields__)
    return phrasings(card, only)  # type: ignore[arg-type]


def test_every_built_in_interaction_has_a_sentence_that_is_held_out() -> None:
    scores = {score.name: score for score in load_scores()}
    assert len(scores) >= 45
    for name, score in scores.items():
        sentence = held_out_sentence(name, scores)
        assert sentence and "{" not in sentence, name
        assert sentence == held_out_sentence(name, scores), "the same every time"
        assert sentence not in {caption.text for caption in score.captions if not caption.held_out}
    trained = {caption.text for caption in split_captions(salsa_captions())[0]}
    assert held_out_sentence("salsa", scores) not in trained
    assert held_out_sentence("tango", scores) is None


def test_the_card_says_what_is_shown_and_for_how_long() -> None:
    card = Listed(
        (KnownInteraction("hug", "two people hug", 5.5), KnownInteraction("tango", "they tango", 7.0))
    )
    hug, tango = asked(card)
    assert hug.held_out and hug.prompt != "two people hug" and hug.seconds == 5.5
    assert tango == Phrasing("tango", "they tango", 7.0, held_out=False), "nothing is set aside: the example"
    assert asked(card, "tango") == [tango]
    with pytest.raises(RequestError, match="knows no slap; choose from hug, tango"):
        asked(card, "slap")
    old = Listed(example_prompts=("two people dance salsa",))
    assert [p.prompt for p in asked(old)] == ["two people dance salsa"]
    assert [(p.held_out, p.seconds) for p in asked(old, "salsa")] == [(True, None)]


def test_index_and_page(tmp_path: Path) -> None:
    # Moment k is k / 8 grey, with a black half at the bottom, where Blender's pictures begin.
    pictures = [np.full((60, 60, 4), k / 8) for k in range(8)]
    for picture in pictures:
        picture[:30] = 0.0
    strip = strip_of(pictures)
    assert strip.shape == (20, 160, 3) and strip.dtype == np.uint8
    assert (strip[:10, 140:] == round(7 / 8 * 255)).all() and (strip[10:] == 0).all()
    sheets = [
        Sheet(Phrasing(f"kind_{k}", "they move", 2.0, True), f"kind_{k}.jpg", strip, {}) for k in range(3)
    ]
    index = draw_index(tmp_path / "index.jpg", sheets)
    assert index.read_bytes()[:3] == b"\xff\xd8\xff"
    text = write_page(tmp_path / "gallery.md", sheets, "Title", "make gallery").read_text()
    assert all(f"![kind_{k}](kind_{k}.jpg)" in text for k in range(3)) and "`make gallery`" in text
    with pytest.raises(ValueError):
        draw_index(tmp_path / "none.jpg", [])
