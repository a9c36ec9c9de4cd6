# SPDX-License-Identifier: GPL-3.0-or-later
"""CLIP's text tower in torch.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021: a pre-norm
causal transformer of QuickGELU layers over 77 tokens. InterMoE reads all of its final states, not the
projection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model.attention import MultiheadAttention

CONTEXT = 77
"""Tokens that CLIP always reads; shorter sentences are filled up with id 0, which the text head sees too."""

_HEAD_WIDTH = 64
QUICK_GELU = 1.702
"""CLIP's activation is x · sigmoid(1.702 x)."""


@dataclass(frozen=True)
class ClipTextConfig:
    """Sizes of the tower; the defaults are those of ViT-L/14 and ViT-L/14@336px."""

    vocabulary: int = 49408
    width: int = 768
    layers: int = 12

    @property
    def heads(self) -> int:
        """Attention heads: 64 numbers each, in every CLIP that OpenAI published."""
        return max(self.width // _HEAD_WIDTH, 1)


class ClipLayer(nn.Module):
    """One pre-norm layer; parameter names are OpenAI's."""

    def __init__(self, config: ClipTextConfig) -> None:
        super().__init__()
        width = config.width
        self.attn = MultiheadAttention(width, config.heads, dropout=0.0)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        """x (B, N, W) -> (B, N, W); a token sees itself and those before it."""
        y, heads = self.ln_1(x), self.attn.heads
        projected = F.linear(y, self.attn.in_proj_weight, self.attn.in_proj_bias)
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in projected.chunk(3, dim=-1))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + self.attn.out_proj(mixed)
        inner = self.mlp["c_fc"](self.ln_2(x))
        return x + self.mlp["c_proj"](inner * torch.sigmoid(QUICK_GELU * inner))


class ClipText(nn.Module):
    """input_ids (B, 77) int64 -> final states of all tokens after `ln_final`, (B, 77, W)."""

    def __init__(self, config: ClipTextConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocabulary, config.width)
        self.positional_embedding = nn.Parameter(torch.empty(CONTEXT, config.width))
        nn.init.normal_(self.positional_embedding, std=0.01)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(ClipLayer(config) for _ in range(config.layers))
        self.ln_final = nn.LayerNorm(config.width)

    @property
    def layers(self) -> list[ClipLayer]:
        """The transformer's layers, in order."""
        return [layer for layer in self.transformer.modules() if isinstance(layer, ClipLayer)]

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> ClipText:
        """The tower of float32 weights under OpenAI's names, in evaluation mode; it shares their memory.

        Raises ValueError, naming every entry that is missing, misshapen or unexpected.
        """
        config = _config(state)
        with torch.device("meta"):
            tower = cls(config)
        wanted = {key: tuple(value.shape) for key, value in tower.state_dict().items()}
        problems = {
            "missing": [key for key in wanted if key not in state],
            "misshapen": [
                f"{key} is {tuple(state[key].shape)}, expected {shape}"
                for key, shape in wanted.items()
                if key in state and tuple(state[key].shape) != shape
            ],
            "unexpected": [key for key in state if key not in wanted],
        }
        told = [
            f"{kind} {len(names)}: {', '.join(sorted(names)[:8])}"
            for kind, names in problems.items()
            if names
        ]
        if told:
            raise ValueError(f"this is not CLIP's text tower: {'; '.join(told)}; give ViT-L/14@336px")
        tower.load_state_dict(dict(state), assign=True)
        return tower.eval().requires_grad_(False)

    def forward(self, input_ids: Tensor) -> Tensor:
        x = self.token_embedding(input_ids) + self.positional_embedding
        for layer in self.layers:
            x = layer(x)
        return self.ln_final(x)


def _config(state: Mapping[str, Tensor]) -> ClipTextConfig:
    table = state.get("token_embedding.weight")
    if table is None or table.dim() != 2:
        raise ValueError(
            "this is not CLIP's text tower: it lacks token_embedding.weight; give ViT-L/14@336px"
        )
    prefix = "transformer.resblocks."
    layers = {int(key.split(".")[2]) for key in state if key.startswith(prefix)}
    return ClipTextConfig(table.shape[0], table.shape[1], len(layers))
