# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sentence asks for each interaction of a bundle: one that was never trained on, where one is known."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from intermoe_engine.bundle.card import BundleCard
from intermoe_engine.errors import RequestError

from ..composer.captions import fill
from ..composer.score import Score
from ..composer.score_reading import load_scores
from ..data.salsa_captions import salsa_captions, split_captions


@dataclass(frozen=True)
class Phrasing:
    """One sheet of the gallery. seconds: how long, None: left to the engine; held_out: never trained on."""

    name: str
    prompt: str
    seconds: float | None
    held_out: bool


def phrasings(card: BundleCard, only: Sequence[str] = (), seed: int = 0) -> list[Phrasing]:
    """A sentence for each interaction that the card lists, or for each example where it lists none.

    only: names of interactions; of a bundle without a list, those of the composer's scores and "salsa".
    seed: another one draws other words. Raises RequestError for a name that is not known.
    """
    scores = {score.name: score for score in load_scores()}
    known = {item.name: (item.prompt, item.seconds) for item in card.interactions}
    if not card.interactions:
        known = {_slug(prompt): (prompt, None) for prompt in card.example_prompts}
        if only:
            known |= dict.fromkeys((*scores, "salsa"), ("", None))
    unknown = sorted(set(only) - set(known))
    if unknown:
        raise RequestError(
            f"the bundle knows no {', '.join(unknown)}; choose from {', '.join(sorted(known))}"
        )
    found = []
    for name, (prompt, seconds) in known.items():
        if only and name not in only:
            continue
        unseen = held_out_sentence(name, scores, seed)
        found.append(Phrasing(name, unseen or prompt, seconds, unseen is not None))
    return found


def held_out_sentence(name: str, scores: dict[str, Score], seed: int = 0) -> str | None:
    """A sentence for an interaction that no training saw; None where none is set aside."""
    rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
    if name == "salsa":
        held = split_captions(salsa_captions())[1]
        return held[int(rng.integers(len(held)))].text
    if name not in scores:
        return None
    score = scores[name]
    held = [caption for caption in score.captions if caption.held_out]
    # One that speaks of no tempo or side that a take may not show.
    held = [caption for caption in held if not caption.when] or held
    return fill(held[int(rng.integers(len(held)))].text, score, False, rng) if held else None


def _slug(prompt: str) -> str:
    return "_".join(re.findall(r"\w+", prompt.lower()))[:40]
