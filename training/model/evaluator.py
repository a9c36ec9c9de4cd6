# SPDX-License-Identifier: GPL-3.0-or-later
"""The contrastive evaluator of text and pair motion (InterCLIP, Liang et al. 2023, InterGen).

A motion and a sentence that belong together get near embeddings; R-precision, FID and the other published
figures are computed on them. Two forms of one network: the official one reads CLIP's token ids, ours the
token states or the sentence vectors of any frozen sentence encoder.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .denoiser import sinusoidal_table
from .text_head import TextLayer

TEXT_INPUTS = ("tokens", "states")


@dataclass(frozen=True)
class EvaluatorConfig:
    """Sizes of a `PairEvaluator`; the defaults are the official ones.

    features: numbers per person and frame. contacts: (start, stop) of the contact flags among them, which
    are not looked at, or None. text: "tokens" (ids for an embedding table, the vector at the largest id)
    or "states" (vectors of a frozen sentence encoder, text_encoder: "minilm" or "clip"). text_width: width of
    those vectors or of the table.
    vocabulary, positions: size of the table, for "tokens" alone. normalised: the network holds a mean and
    standard deviation of the features; the official one reads metres. stride: only every stride-th frame is
    looked at, the first always.
    """

    features: int = 262
    contacts: tuple[int, int] | None = (258, 262)
    width: int = 1024
    layers: int = 8
    heads: int = 8
    hidden: int = 2048
    embedding: int = 512
    text: str = "tokens"
    text_encoder: str = "minilm"
    text_width: int = 768
    text_layers: int = 8
    text_heads: int = 8
    text_hidden: int = 2048
    vocabulary: int = 49408
    positions: int = 77
    max_frames: int = 1999
    dropout: float = 0.1
    normalised: bool = False
    stride: int = 1

    def __post_init__(self) -> None:
        if self.contacts is not None:
            object.__setattr__(self, "contacts", (int(self.contacts[0]), int(self.contacts[1])))
        if self.text not in TEXT_INPUTS:
            raise ValueError(f"text is {self.text!r}; use {' or '.join(map(repr, TEXT_INPUTS))}")
        if self.stride < 1:
            raise ValueError(f"the stride is {self.stride}; use 1 for every frame, 3 for every third")
        if self.width % 2:
            raise ValueError(f"the width {self.width} is odd; sines and cosines need an even one")
        for width, heads in (("width", "heads"), ("text_width", "text_heads")):
            if getattr(self, width) % getattr(self, heads):
                raise ValueError(
                    f"{width} {getattr(self, width)} is not a multiple of {heads} {getattr(self, heads)};"
                    " choose heads so that it divides"
                )

    @property
    def seen_features(self) -> int:
        """Numbers of one person that the network looks at."""
        return self.features - (self.contacts[1] - self.contacts[0] if self.contacts else 0)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EvaluatorConfig:
        """The inverse of `to_dict`. Raises ValueError for a name that is no size of the evaluator."""
        unknown = sorted(set(data) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise ValueError(f"unknown evaluator sizes: {', '.join(unknown)}; remove them")
        return cls(**data)


class EncoderLayers(nn.Module):
    """Post-norm transformer encoder layers with GELU; parameter names are those of nn.TransformerEncoder."""

    def __init__(self, width: int, heads: int, hidden: int, count: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TextLayer(width, heads, hidden, dropout) for _ in range(count))

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """x (B, N, W), valid (B, N) bool or None -> (B, N, W)."""
        for layer in self.layers:
            x = layer(x, valid)
        return x


class SequencePositions(nn.Module):
    """Adds the sinusoidal position table, then dropout."""

    pe: Tensor

    def __init__(self, width: int, length: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("pe", sinusoidal_table(length, width), persistent=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(x + self.pe[: x.shape[1]])


class MotionTower(nn.Module):
    """Both people's features to one vector, read at a learned query token in front of the frames."""

    def __init__(self, config: EvaluatorConfig) -> None:
        super().__init__()
        self.query_token = nn.Parameter(torch.randn(1, config.width))
        self.embed_motion = nn.Linear(2 * config.seen_features, config.width)
        self.sequence_pos_encoder = SequencePositions(config.width, config.max_frames + 1, config.dropout)
        self.transformer = EncoderLayers(
            config.width, config.heads, config.hidden, config.layers, config.dropout
        )
        self.out_ln = nn.LayerNorm(config.width)
        self.out = nn.Linear(config.width, config.embedding)

    def forward(self, motions: Tensor, valid: Tensor) -> Tensor:
        """motions (B, T, 2 * seen features), valid (B, T) bool -> (B, embedding)."""
        x = self.embed_motion(motions)
        x = torch.cat([self.query_token.expand(len(x), 1, -1), x], dim=1)
        x = self.transformer(self.sequence_pos_encoder(x), F.pad(valid, (1, 0), value=True))
        return self.out(self.out_ln(x)[:, 0])


class PairEvaluator(nn.Module):
    """Embeddings of pair motions and of sentences, both of length `latent_scale`."""

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, config: EvaluatorConfig) -> None:
        super().__init__()
        self.config = config
        self.motion_encoder = MotionTower(config)
        if config.text == "tokens":
            self.token_embedding = nn.Embedding(config.vocabulary, config.text_width)
            self.positional_embedding = nn.Parameter(0.01 * torch.randn(config.positions, config.text_width))
        else:
            self.text_query = nn.Parameter(torch.randn(1, config.text_width))
        self.textTransEncoder = EncoderLayers(
            config.text_width, config.text_heads, config.text_hidden, config.text_layers, config.dropout
        )
        self.text_ln = nn.LayerNorm(config.text_width)
        self.out = nn.Linear(config.text_width, config.embedding)
        self.latent_scale = nn.Parameter(torch.ones(1))
        if config.normalised:
            self.register_buffer("feature_mean", torch.zeros(config.features))
            self.register_buffer("feature_std", torch.ones(config.features))

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Keep the features' mean and standard deviation (F,), so that inputs stay denormalised.

        Raises ValueError when the network has no place for them or std is not positive.
        """
        if not self.config.normalised:
            raise ValueError("this evaluator reads metres; make it with normalised=True")
        if mean.shape != self.feature_mean.shape or std.shape != self.feature_std.shape:
            raise ValueError(f"the statistics need {self.config.features} numbers each")
        if not (std > 0).all():
            raise ValueError("every standard deviation must be positive")
        self.feature_mean.copy_(mean)
        self.feature_std.copy_(std)

    def encode_motion(self, motions: Tensor, lengths: Tensor) -> Tensor:
        """Embeddings (B, E) of motions.

        Args:
            motions: (B, T, 2F) both people's denormalised features, person A's F first, in the pair's
                canonical frame (metres, y up); padded behind their end with anything finite.
            lengths: (B,) frames of each.

        Raises:
            ValueError: another number of features, or more frames than there are positions.
        """
        motions = torch.as_tensor(motions, dtype=self.latent_scale.dtype, device=self.latent_scale.device)
        lengths = torch.as_tensor(lengths, device=self.latent_scale.device)
        batch, frames, size = motions.shape
        if size != 2 * self.config.features:
            raise ValueError(f"the evaluator reads 2 x {self.config.features} features, got {size}")
        if frames > self.config.max_frames:
            raise ValueError(f"the evaluator reads {self.config.max_frames} frames at most, got {frames}")
        x = motions.reshape(batch, frames, 2, self.config.features)[:, :: self.config.stride]
        lengths = -(-lengths // self.config.stride)
        if self.config.normalised:
            x = (x - self.feature_mean) / self.feature_std
        if self.config.contacts is not None:
            start, stop = self.config.contacts
            x = torch.cat([x[..., :start], x[..., stop:]], dim=-1)
        valid = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        return self._scaled(self.motion_encoder(x.flatten(2), valid))

    def encode_text(self, input_ids: Tensor) -> Tensor:
        """Embeddings (B, E) of CLIP token ids (B, N) int64, padded behind the end-of-text id, the largest.

        Raises ValueError when this evaluator reads states or the sentences are too long.
        """
        if self.config.text != "tokens":
            raise ValueError("this evaluator reads sentence-encoder states; call encode_sentence")
        input_ids = torch.as_tensor(input_ids, dtype=torch.long, device=self.latent_scale.device)
        if input_ids.shape[1] > self.config.positions:
            raise ValueError(f"{input_ids.shape[1]} tokens where {self.config.positions} are the limit")
        x = self.token_embedding(input_ids) + self.positional_embedding[: input_ids.shape[1]]
        x = self.text_ln(self.textTransEncoder(x))  # as published, padding is not masked
        rows = torch.arange(len(x), device=x.device)
        return self._scaled(self.out(x[rows, input_ids.argmax(dim=-1)]))

    def encode_sentence(self, vectors: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embeddings (B, E) of what a frozen sentence encoder says.

        Args:
            vectors: token states (B, N, W), or one vector a sentence (B, W). States keep who does what to
                whom; a mean over them hardly does.
            mask: (B, N) bool, True at tokens; None: all are.

        Raises:
            ValueError: this evaluator reads token ids.
        """
        if self.config.text != "states":
            raise ValueError("this evaluator reads token ids; call encode_text")
        vectors = torch.as_tensor(vectors, dtype=self.latent_scale.dtype, device=self.latent_scale.device)
        if vectors.ndim == 2:
            vectors, mask = vectors[:, None], None
        valid = None
        if mask is not None:
            valid = F.pad(torch.as_tensor(mask, device=vectors.device).bool(), (1, 0), value=True)
        x = torch.cat([self.text_query.expand(len(vectors), 1, -1), vectors], dim=1)
        return self._scaled(self.out(self.text_ln(self.textTransEncoder(x, valid))[:, 0]))

    def loss(self, motions: Tensor, lengths: Tensor, text: Tensor, text_mask: Tensor | None = None) -> Tensor:
        """Symmetric cross entropy of a batch in which row n of `text` describes motion n.

        text: token ids (B, N), states (B, N, W) or vectors (B, W), as the evaluator reads them.
        """
        if self.config.text == "tokens":
            sentences = self.encode_text(text)
        else:
            sentences = self.encode_sentence(text, text_mask)
        return contrastive_loss(self.encode_motion(motions, lengths), sentences)

    def _scaled(self, x: Tensor) -> Tensor:
        return x / x.norm(dim=-1, keepdim=True) * self.latent_scale


def contrastive_loss(motion: Tensor, text: Tensor) -> Tensor:
    """Mean of the cross entropies of motion → text and text → motion (Radford et al. 2021), a scalar.

    motion, text (B, E), each of length latent_scale: their products are latent_scale² · cosine.
    """
    logits = motion @ text.T
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
