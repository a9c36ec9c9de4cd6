# SPDX-License-Identifier: GPL-3.0-or-later
"""Multi-head attention with the parameter names of torch's, and AdaLN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MultiheadAttention(nn.Module):
    """Batch-first attention, optionally with a zero key and value that is always visible.

    The zero key gives a query somewhere to look when nothing else fits (`add_zero_attn` of torch).
    """

    def __init__(self, width: int, heads: int, dropout: float, add_zero_attn: bool = False) -> None:
        super().__init__()
        self.heads, self.dropout, self.add_zero_attn = heads, dropout, add_zero_attn
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, query: Tensor, memory: Tensor | None = None, valid: Tensor | None = None) -> Tensor:
        """query (B, T, d), memory (B, S, d) or None for self-attention, valid (B, S) bool -> (B, T, d)."""
        width = query.shape[-1]
        if memory is None:
            q, k, v = F.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        else:
            q = F.linear(query, self.in_proj_weight[:width], self.in_proj_bias[:width])
            k, v = F.linear(memory, self.in_proj_weight[width:], self.in_proj_bias[width:]).chunk(2, dim=-1)
        if self.add_zero_attn:
            k, v = F.pad(k, (0, 0, 0, 1)), F.pad(v, (0, 0, 0, 1))
            valid = None if valid is None else F.pad(valid, (0, 1), value=True)
        mask = None if valid is None else valid[:, None, None, :]
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(
            self._split(q), self._split(k), self._split(v), attn_mask=mask, dropout_p=dropout
        )
        return self.out_proj(y.transpose(1, 2).flatten(2))


class AdaLN(nn.Module):
    """LayerNorm without affine, then scale and shift from the condition."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        self.width = width

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (B, T, d), condition (B, d) -> (B, T, d)."""
        scale, shift = self.emb_layers(condition).unsqueeze(1).chunk(2, dim=-1)
        return F.layer_norm(x, (self.width,), eps=1e-6) * (1 + scale) + shift
