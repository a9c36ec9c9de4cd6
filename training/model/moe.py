# SPDX-License-Identifier: GPL-3.0-or-later
"""Dynamic Temporal-Selective mixture of experts with the synergistic (motion + text) router.

Each expert decides for itself which frames it takes, so a frame may go to none or to all of them.
In training a bias per expert follows its load in the whole batch (InterMoE, arXiv 2511.13488).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import AdaLN

LEAST_BIAS = -0.99
"""Training moves no bias below: among saturated sigmoids, rounding would decide what an expert takes."""


class Expert(nn.Module):
    """SwiGLU without biases."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class TemporalSelectiveMoE(nn.Module):
    """The feed-forward part of a denoiser block.

    Args:
        width, hidden: model and expert width.
        experts: how many.
        capacity: target load, in multiples of an even share of the valid frames.
        bias_start, bias_step: `aux_bias` at the start, and how far an update moves it.
        routing, router: see `ModelConfig`.
    """

    aux_bias: Tensor
    frames_taken: Tensor
    frames_seen: Tensor

    def __init__(
        self,
        width: int,
        hidden: int,
        experts: int,
        capacity: float = 1.0,
        bias_start: float = -0.5,
        bias_step: float = 0.001,
        routing: str = "expert",
        router: str = "both",
    ) -> None:
        super().__init__()
        self.routing, self.router = routing, router
        self.capacity, self.bias_step = capacity, bias_step
        self.gate_weight = nn.Parameter(torch.empty(experts, width))
        self.text_gate_weight = nn.Parameter(torch.empty(experts, width))
        for weight in (self.gate_weight, self.text_gate_weight):
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
        self.register_buffer("aux_bias", torch.full((experts, 1), bias_start))
        self.register_buffer("frames_taken", torch.zeros(experts), persistent=False)
        self.register_buffer("frames_seen", torch.zeros(()), persistent=False)
        self.norm = AdaLN(width)
        self.experts = nn.ModuleList(Expert(width, hidden) for _ in range(experts))
        self.dense = False

    @property
    def balanced(self) -> bool:
        """Whether biases follow the experts' loads."""
        return self.routing == "expert" and self.bias_step > 0

    def active_experts(self) -> float:
        """How many experts a frame goes to: 1 of a dense layer, else the capacity."""
        return {"expert": self.capacity, "token": round(self.capacity), "all": 1.0}[self.routing]

    def logits(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (B, T, d), condition (B, d) -> how much each frame suits each expert (B, T, E)."""
        if self.router == "motion":
            return F.linear(x, self.gate_weight)
        if self.router == "text":
            return F.linear(condition, self.text_gate_weight).unsqueeze(1).expand(-1, x.shape[1], -1)
        return F.linear(x, self.gate_weight) + F.linear(condition, self.text_gate_weight).unsqueeze(1)

    def route(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, T, d), condition (B, d) -> gates (B, T, E) and which frames each expert takes, bool."""
        logits = self.logits(x, condition)
        gates = torch.softmax(logits, dim=-1)
        if self.routing == "all":
            return gates, torch.ones_like(gates, dtype=torch.bool)
        if self.routing == "token":
            best = logits.topk(round(self.capacity), dim=-1).indices
            return gates, torch.zeros_like(gates, dtype=torch.bool).scatter(-1, best, True)
        return gates, torch.sigmoid(logits) + self.aux_bias[:, 0] > 0

    def forward(self, x: Tensor, condition: Tensor, valid: Tensor | None = None) -> Tensor:
        """x (B, T, d), condition (B, d), valid (B, T) bool -> (B, T, d).

        In training, frames outside `valid` are neither computed nor counted.
        """
        gates, takes = self.route(x, condition)
        if self.training and valid is not None:
            takes = takes & valid.unsqueeze(-1)
        if self.training:
            with torch.no_grad():
                self.frames_taken += takes.sum(dim=(0, 1))
                self.frames_seen += takes[..., 0].numel() if valid is None else valid.sum()
        y = self.norm(x, condition)
        if self.dense or torch.compiler.is_compiling():
            return self._dense(y, gates * takes)
        return self._sparse(y, gates, takes)

    def _dense(self, x: Tensor, weights: Tensor) -> Tensor:
        """Every expert on every frame: fixed shapes, for export."""
        return sum(
            (weights[..., i : i + 1] * expert(x) for i, expert in enumerate(self.experts)),
            start=torch.zeros_like(x),
        )

    def _sparse(self, x: Tensor, gates: Tensor, takes: Tensor) -> Tensor:
        """Each expert on the frames that it takes: one gather in the experts' order, one addition."""
        tokens, gates, takes = x.flatten(0, 1), gates.flatten(0, 1).T, takes.flatten(0, 1).T
        _, rows = takes.nonzero(as_tuple=True)  # in the experts' order
        shares = tokens.index_select(0, rows).split(takes.sum(dim=1).tolist())
        taken = torch.cat([expert(share) for expert, share in zip(self.experts, shares, strict=True)])
        taken = taken * gates[takes].unsqueeze(-1)
        # Autocast may have lowered the answers.
        return torch.zeros_like(tokens).index_add(0, rows, taken.to(tokens.dtype)).view_as(x)

    @torch.no_grad()
    def update_capacity_bias(self) -> None:
        """Move `aux_bias` against each expert's load since the last call, then start counting anew."""
        target = self.frames_seen / len(self.experts) * self.capacity
        if self.frames_seen > 0 and self.balanced:
            self.aux_bias -= self.bias_step * torch.sign(self.frames_taken - target).unsqueeze(1)
            self.aux_bias.clamp_(min=LEAST_BIAS)
        self.frames_taken.zero_()
        self.frames_seen.zero_()
