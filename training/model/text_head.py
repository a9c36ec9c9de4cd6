# SPDX-License-Identifier: GPL-3.0-or-later
"""The trained part of the text path: token states of a frozen encoder -> one vector per sentence."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import MultiheadAttention
from .config import ModelConfig


class TextLayer(nn.Module):
    """Post-norm transformer encoder layer with GELU; parameter names are torch's."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(width, heads, dropout)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        x = self.norm1(x + self.dropout(self.self_attn(x, valid=valid)))
        hidden = self.dropout(F.gelu(self.linear1(x)))
        return self.norm2(x + self.dropout(self.linear2(hidden)))


class TextEncoderLayers(nn.Module):
    """A stack of text layers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TextLayer(config.text_width, config.text_head_heads, config.text_head_ff, config.dropout)
            for _ in range(config.text_head_layers)
        )

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        for layer in self.layers:
            x = layer(x, valid)
        return x


class TextHead(nn.Module):
    """Transformer layers, LayerNorm, and the vector at the end-of-text token."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.clipTransEncoder = TextEncoderLayers(config)
        self.clip_ln = nn.LayerNorm(config.text_width)

    def forward(self, hidden: Tensor, end_positions: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Sentence vectors (B, E).

        Args:
            hidden: (B, N, E) final token states of the frozen encoder.
            end_positions: (B,) int64 index of the token whose vector is taken.
            padding_mask: (B, N) bool, True where a token is padding (torch's convention). None: none is,
                as in the official model, which lets CLIP's padding take part.
        """
        valid = None if padding_mask is None else ~padding_mask
        x = self.clip_ln(self.clipTransEncoder(hidden, valid))
        index = end_positions.reshape(-1, 1, 1).expand(-1, 1, x.shape[-1])
        return torch.gather(x, 1, index).squeeze(1)
