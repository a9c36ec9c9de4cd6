# SPDX-License-Identifier: GPL-3.0-or-later
"""Hints for sentences that a model was taught nothing like."""

from __future__ import annotations

import numpy as np
import pytest

from intermoe_engine.bundle.interactions import KnownInteraction
from intermoe_engine.runtime.familiar import KnownSentences

SENTENCES = ("they dance", "they are dancing", "they fight", "they greet")
VECTORS = np.array([[1.0, 0.0, 0.0], [0.98, 0.199, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], np.float16)


def test_a_familiar_sentence_gets_no_hint() -> None:
    known = KnownSentences(SENTENCES, VECTORS, 0.7)
    assert known.hint(np.array([3.0, 1.0, 0.0])) is None


def test_an_unlike_sentence_is_told_the_nearest_without_repetitions() -> None:
    known = KnownSentences(SENTENCES, VECTORS, 0.8)
    vector = np.array([0.6, 0.5, 0.55])
    assert [sentence for sentence, _ in known.nearest(vector, 2)] == ["they are dancing", "they greet"]
    hint = known.hint(vector)
    assert hint is not None and '"they are dancing", "they greet", "they fight"' in hint
    assert "they dance" not in hint


def test_similarity_is_the_cosine() -> None:
    known = KnownSentences(SENTENCES, VECTORS, 0.7)
    assert known.nearest(np.array([0.0, 5.0, 5.0]), 1)[0][1] == pytest.approx(2**-0.5, abs=1e-3)
    assert known.nearest(np.zeros(3), 1)[0][1] == 0.0


@pytest.mark.parametrize(
    ("vectors", "least"),
    [(VECTORS[:3], 0.5), (VECTORS * np.nan, 0.5), (VECTORS, 1.5), (VECTORS[0], 0.5)],
)
def test_what_does_not_fit_is_refused(vectors: np.ndarray, least: float) -> None:
    with pytest.raises(ValueError):
        KnownSentences(SENTENCES, vectors, least)


def test_an_unlike_sentence_is_told_the_nearest_interactions_each_once() -> None:
    dance = KnownInteraction("dance_apart", "they dance", 6.0)
    greet = KnownInteraction("greet", "they greet", 2.0)
    known = KnownSentences(SENTENCES, VECTORS, 0.8, [dance, dance, None, greet])
    vector = np.array([0.6, 0.5, 0.55])
    assert known.nearest_interactions(vector) == [dance, greet]
    hint = known.hint(vector)
    assert hint is not None and hint.endswith('dance apart ("they dance"), greet ("they greet")')
    assert known.interaction(vector) is None, "too unlike to say what is asked for"
    assert known.interaction(np.array([0.1, 0.0, 2.0])) == greet
    assert known.interaction(VECTORS[2]) is None, "alike, but of no listed interaction"
    with pytest.raises(ValueError, match="one interaction for each"):
        KnownSentences(SENTENCES, VECTORS, 0.8, [dance])
