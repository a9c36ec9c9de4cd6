# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences and motions to embeddings, whatever the evaluator reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from intermoe_engine.representation import LAYOUTS, FeatureLayout

from ..model.evaluator import EvaluatorConfig, PairEvaluator
from ..recipe import TextRecipe
from ..text.states import caption_states
from .motion import PairMotion
from .official import EvaluatorError, load_evaluator

_SENTENCES = 512  # encoded at a time: the frozen encoder is loaded for each
FRAMES = 300
"""Motions are cut after, or filled with zeros to, this many frames, as published."""


class Embedder:
    """An evaluator with the tokenizer or sentence encoder that it reads."""

    def __init__(
        self,
        evaluator: PairEvaluator,
        *,
        tokenizer_json: bytes | None = None,
        text_weights: str = "",
        batch: int = 16,
        device: str = "cpu",
    ) -> None:
        """tokenizer_json: CLIP's, for an evaluator of token ids. text_weights: CLIP's file, for one that
        reads CLIP's states. Raises EvaluatorError when the evaluator cannot be used with them."""
        self.evaluator = evaluator.eval().requires_grad_(False).to(device)
        self.layout = layout_of(evaluator.config)
        self._batch = batch
        self._text = TextRecipe(encoder=evaluator.config.text_encoder, weights=text_weights)
        self._tokenizer = None
        if evaluator.config.text == "tokens":
            self._tokenizer = clip_tokenizer(tokenizer_json, evaluator.config)

    @property
    def width(self) -> int:
        """Numbers of an embedding."""
        return self.evaluator.config.embedding

    @torch.inference_mode()
    def texts(self, captions: Sequence[str]) -> np.ndarray:
        """Embeddings (N, E) float32 of sentences; each different one is encoded once."""
        different = list(dict.fromkeys(captions))
        rows = {caption: row for row, caption in enumerate(different)}
        encode = self._tokens if self._tokenizer is not None else self._states
        parts = [
            encode(different[first : first + _SENTENCES]) for first in range(0, len(different), _SENTENCES)
        ]
        return torch.cat(parts).cpu().numpy()[[rows[caption] for caption in captions]]

    @torch.inference_mode()
    def motions(self, motions: Sequence[PairMotion]) -> np.ndarray:
        """Embeddings (N, E) float32 of pair motions, each in its own canonical frame."""
        official = self.evaluator.config.text == "tokens"
        parts = []
        for first in range(0, len(motions), self._batch):
            batch = motions[first : first + self._batch]
            lengths = torch.tensor([min(motion.frames, FRAMES) for motion in batch])
            padded = np.zeros((len(batch), FRAMES, 2 * self.layout.size), dtype=np.float32)
            for row, motion in enumerate(batch):
                # The official evaluator has only seen people who were put on the floor separately.
                features = motion.features(self.layout, floor_each=official)[:, :FRAMES]
                padded[row, : features.shape[1]] = np.concatenate(list(features), axis=-1)
            parts.append(self.evaluator.encode_motion(torch.from_numpy(padded), lengths))
        return torch.cat(parts).cpu().numpy()

    def _tokens(self, captions: Sequence[str]) -> Tensor:
        assert self._tokenizer is not None
        ids = clip_ids(self._tokenizer, captions, self.evaluator.config)
        return torch.cat([self.evaluator.encode_text(part) for part in ids.split(self._batch)])

    def _states(self, captions: Sequence[str]) -> Tensor:
        encoded = caption_states(captions, self._text)
        if encoded.states.shape[-1] != self.evaluator.config.text_width:
            raise EvaluatorError(
                f"the evaluator reads sentence vectors of {self.evaluator.config.text_width} numbers and "
                f"{self._text.encoder} gives {encoded.states.shape[-1]}; train the evaluator with it"
            )
        mask = np.arange(encoded.states.shape[1]) < encoded.lengths[:, None]
        parts = zip(
            torch.from_numpy(encoded.states).split(self._batch),
            torch.from_numpy(mask).split(self._batch),
            strict=True,
        )
        return torch.cat([self.evaluator.encode_sentence(states, valid) for states, valid in parts])


def load_embedder(
    path: Path,
    *,
    heads: int = 8,
    tokenizer_json: bytes | None = None,
    text_weights: str = "",
    device: str = "auto",
) -> Embedder:
    """The evaluator of a file, ready to embed. device: auto, cuda or cpu; without a GPU always the CPU.

    heads: see `load_official_evaluator`; tokenizer_json, text_weights: see `Embedder`. Raises WeightsError,
    EvaluatorError.
    """
    evaluator = load_evaluator(path, heads)
    device = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    return Embedder(evaluator, tokenizer_json=tokenizer_json, text_weights=text_weights, device=device)


def layout_of(config: EvaluatorConfig) -> FeatureLayout:
    """The feature layout that the evaluator reads. Raises EvaluatorError for one that is not supported."""
    for layout in LAYOUTS.values():
        if layout.size == config.features:
            return layout
    known = " or ".join(f"{layout.size} ({layout.name})" for layout in LAYOUTS.values())
    raise EvaluatorError(
        f"the evaluator reads {config.features} features a person; motions can be scored with {known}"
    )


def clip_tokenizer(tokenizer_json: bytes | None, config: EvaluatorConfig) -> Tokenizer:
    """CLIP's tokenizer, cutting sentences as the evaluator needs. Raises EvaluatorError for others."""
    advice = "give the tokenizer.json of CLIP ViT-L/14 with --tokenizer"
    if tokenizer_json is None:
        raise EvaluatorError(f"this evaluator reads CLIP's token ids; {advice}")
    try:
        tokenizer = Tokenizer.from_str(tokenizer_json.decode("utf-8"))
    except Exception as error:  # the Rust side raises plain Exception
        raise EvaluatorError(f"the tokenizer cannot be read ({error}); {advice}") from error
    known = tokenizer.get_vocab_size()
    if known != config.vocabulary:
        raise EvaluatorError(
            f"the tokenizer knows {known} tokens, the evaluator {config.vocabulary}; {advice}"
        )
    tokenizer.no_padding()
    tokenizer.enable_truncation(config.positions)
    return tokenizer


def clip_ids(tokenizer: Tokenizer, captions: Sequence[str], config: EvaluatorConfig) -> Tensor:
    """Token ids (N, positions) int64, filled with 0 behind the end-of-text id as CLIP does."""
    ids = np.zeros((len(captions), config.positions), dtype=np.int64)
    for row, encoding in enumerate(tokenizer.encode_batch(list(captions))):
        ids[row, : len(encoding.ids)] = encoding.ids
    return torch.from_numpy(ids)
