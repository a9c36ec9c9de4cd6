# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts to condition vectors."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from ..bundle.card import TextLimits
from ..bundle.errors import BundleError
from ..bundle.interactions import KnownInteraction
from ..errors import EngineError, RequestError
from .familiar import KnownSentences
from .session import Graph

SENTENCE = "sentence"
"""The text graph's output (B, S) that compares whole sentences; not every bundle's has it."""
MAX_PROMPT_CHARACTERS = 10_000


@dataclass(frozen=True)
class EncodedText:
    """The condition `text` (E,) float32 of one prompt, and what to warn of: a cut or unfamiliar prompt.

    interaction: what the prompt asks for, where the bundle knows it.
    """

    text: np.ndarray
    tokens: int
    warnings: tuple[str, ...] = ()
    interaction: KnownInteraction | None = None


def clean_prompt(prompt: str) -> str:
    """The prompt without control characters and surplus white space; RequestError if nothing is left."""
    # Control characters and lone surrogates mean nothing to a tokenizer, and break logs and JSON.
    printable = "".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in prompt)
    cleaned = " ".join(printable.split())
    # Joiners and marks of direction show nothing by themselves.
    if all(c == " " or unicodedata.category(c) == "Cf" for c in cleaned):
        raise RequestError("the prompt is empty; describe what the two people do")
    if len(cleaned) > MAX_PROMPT_CHARACTERS:
        raise RequestError(f"the prompt has {len(cleaned)} characters; shorten it to one or two sentences")
    return cleaned


def unconditional(limits: TextLimits) -> EncodedText:
    """The condition of a bundle without text encoder, with a warning that the sentence does nothing."""
    warning = "this bundle has no text encoder: the motion does not follow the sentence"
    return EncodedText(np.zeros(limits.width, np.float32), 0, (warning,))


class TextEncoder:
    """A tokenizer and the text graph of a bundle."""

    def __init__(
        self, tokenizer_json: bytes, graph: Graph, limits: TextLimits, known: KnownSentences | None = None
    ) -> None:
        """tokenizer_json: a Hugging Face `tokenizer.json`; known: what the model was trained on, for hints.

        Raises EngineError or BundleError.
        """
        try:
            from tokenizers import Tokenizer
        except Exception as error:
            raise EngineError(
                'the tokenizers package cannot be imported; run: pip install "intermoe-blender[cpu]"'
            ) from error
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer_json.decode("utf-8"))
        except Exception as error:  # the Rust side raises plain Exception
            raise BundleError("tokenizer.json cannot be read; download the bundle again") from error
        self._graph = graph
        self._limits = limits
        self._known = known
        padding = self._tokenizer.padding or {}
        self._pad_id = int(padding.get("pad_id", 0))
        self._tokenizer.no_padding()
        # A graph with a fixed width (CLIP reads all 77 positions) must be filled up to it.
        width = graph.input_shape("input_ids")[1]
        self._fixed_width = (
            width if isinstance(width, int) else limits.max_tokens if limits.pad_to_max_tokens else None
        )

    def encode(self, prompt: str) -> EncodedText:
        """The condition of one prompt. Raises RequestError for an empty prompt."""
        ids, wanted = self._ids(clean_prompt(prompt))
        outputs = self._graph.outputs(**self._inputs(ids))
        text = outputs["text"]
        if text.shape != (1, self._limits.width):
            raise BundleError(
                f"the text encoder gives {text.shape[-1]} numbers, the bundle promises {self._limits.width}"
            )
        warnings = []
        limit = self._limits.max_tokens
        if wanted > limit:
            warnings.append(f"the prompt has {wanted} tokens and was cut after {limit}; make it shorter")
        interaction = None
        if self._known is not None and SENTENCE in outputs:
            hint = self._known.hint(outputs[SENTENCE][0])
            warnings.extend([hint] if hint else [])
            interaction = self._known.interaction(outputs[SENTENCE][0])
        return EncodedText(text[0].astype(np.float32), len(ids), tuple(warnings), interaction)

    def sentence_vector(self, sentence: str) -> np.ndarray | None:
        """What the sentence means, (S,) of length 1; None where the graph does not tell."""
        ids, _ = self._ids(clean_prompt(sentence))
        outputs = self._graph.outputs(**self._inputs(ids))
        return outputs[SENTENCE][0].astype(np.float32) if SENTENCE in outputs else None

    def _ids(self, cleaned: str) -> tuple[list[int], int]:
        """Token ids as the graph takes them, and how many there would be uncut."""
        self._tokenizer.no_truncation()
        wanted = len(self._tokenizer.encode(cleaned).ids)
        self._tokenizer.enable_truncation(self._limits.max_tokens)
        return self._tokenizer.encode(cleaned).ids[: self._fixed_width], wanted

    def _inputs(self, ids: list[int]) -> dict[str, np.ndarray]:
        width = self._fixed_width or len(ids)
        input_ids = np.full((1, width), self._pad_id, dtype=np.int64)
        attention_mask = np.zeros((1, width), dtype=np.int64)
        input_ids[0, : len(ids)] = ids
        attention_mask[0, : len(ids)] = 1
        return {"input_ids": input_ids, "attention_mask": attention_mask}
