# SPDX-License-Identifier: GPL-3.0-or-later
"""Token states of captions from whichever frozen sentence encoder a recipe names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..recipe import TextRecipe
from .minilm import encode_captions


@dataclass(frozen=True)
class CaptionStates:
    """states (N, L, E); lengths (N,) of them that count; ends (N,): the end-of-text token of each.

    padding_visible: the states behind the end token count too, as in the official model.
    """

    states: np.ndarray
    lengths: np.ndarray
    ends: np.ndarray
    padding_visible: bool


def caption_states(captions: Sequence[str], recipe: TextRecipe) -> CaptionStates:
    """Encode captions. Raises MiniLMNotFound, or RecipeError where CLIP's weights are not given."""
    if recipe.encoder == "clip":
        from .clip import clip_states

        states, ends = clip_states(captions, recipe.weights)
        lengths = np.full(len(states), states.shape[1], dtype=np.int64)
        return CaptionStates(states, lengths, ends, padding_visible=True)
    states, mask = encode_captions(captions)
    lengths = mask.sum(axis=1)
    return CaptionStates(states, lengths, lengths - 1, padding_visible=False)
