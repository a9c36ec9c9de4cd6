# SPDX-License-Identifier: GPL-3.0-or-later
"""CLIP's states of captions, from weights that the user brings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..recipe import RecipeError
from ..weights import WeightsError
from .clip_tokenizer import clip_tokenizer, find_merges, read_merges
from .clip_tower import CONTEXT
from .clip_weights import load_clip

_BATCH = 64


def clip_states(captions: Sequence[str], weights: str) -> tuple[np.ndarray, np.ndarray]:
    """Final states (N, 77, E) float32 of all tokens, and the end-of-text token's place (N,).

    weights: OpenAI's ViT-L-14-336px.pt or a Transformers folder. Raises RecipeError where it is not there
    or holds something else.
    """
    path = Path(weights)
    if not weights or not path.exists():
        raise RecipeError(
            f"CLIP's weights are not at {weights or '[text] weights'}; give --text-weights with OpenAI's "
            'ViT-L-14-336px.pt, or train with encoder = "minilm"'
        )
    try:
        tower = load_clip(path)
        tokenizer = clip_tokenizer(read_merges(find_merges(path, None)))
    except WeightsError as error:
        raise RecipeError(str(error)) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(CONTEXT)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tower = tower.to(device)
    ids = np.zeros((len(captions), CONTEXT), dtype=np.int64)
    ends = np.zeros(len(captions), dtype=np.int64)
    for row, encoding in enumerate(tokenizer.encode_batch(list(captions))):
        ids[row, : len(encoding.ids)] = encoding.ids
        ends[row] = len(encoding.ids) - 1
    states = []
    with torch.inference_mode():
        for first in range(0, len(ids), _BATCH):
            batch = torch.from_numpy(ids[first : first + _BATCH]).to(device)
            states.append(tower(batch).float().cpu().numpy())
    return np.concatenate(states), ends
