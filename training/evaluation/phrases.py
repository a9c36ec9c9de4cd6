# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences that no interaction's score has, and what they ask for."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from intermoe_engine.errors import RequestError

from ..composer.captions import fill, order_of
from ..composer.score import Score

PHRASES = Path(__file__).with_name("phrases.toml")


@dataclass(frozen=True)
class Phrases:
    """paraphrases: (interaction, sentence). two_parts: (sentence, (first interaction, second))."""

    paraphrases: tuple[tuple[str, str], ...]
    two_parts: tuple[tuple[str, tuple[str, str]], ...]


def load_phrases(path: Path = PHRASES) -> Phrases:
    """Read a file like phrases.toml. Raises RequestError that names what is wrong."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        said = tuple((name, text) for name, texts in data["paraphrases"].items() for text in texts)
        parts = tuple((row["text"], (row["parts"][0], row["parts"][1])) for row in data.get("two_parts", []))
    except (OSError, tomllib.TOMLDecodeError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise RequestError(
            f"{path} is no list of sentences ({error}); take training/evaluation/phrases.toml as the example"
        ) from error
    return Phrases(said, parts)


def swapped_sentences(
    scores: Sequence[Score], count: int, rng: np.random.Generator
) -> list[tuple[str, tuple[str, str]]]:
    """(interaction, (sentence that names the actor first, one that names the other first)), held out both.

    Since who is named first is person A, the second asks for the first with the people swapped. Of `count`
    interactions that have both, spread over the scores.
    """
    found = []
    for score in sorted(scores, key=lambda score: score.name):
        held = [c.text for c in score.captions if c.held_out and not c.when and "{two}" not in c.text]
        first, second = ([text for text in held if order_of(text) == who] for who in ("actor", "other"))
        if first and second:
            said = (fill(str(rng.choice(texts)), score, False, rng) for texts in (first, second))
            found.append((score.name, (next(said), next(said))))
    spread = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    return [found[k] for k in spread]
