# SPDX-License-Identifier: GPL-3.0-or-later
"""AdamW, or Muon for the hidden matrices beside it; warm-up and cosine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from ..recipe import ScheduleRecipe
from .muon import JoinedOptimizers, Muon

_NOT_HIDDEN = (
    "motion_embed",
    "text_embed",
    "embed_motion",
    "out.linear",
    "out.weight",
    "gate_weight",
    "embedding",
)
"""Parts of names of matrices at the rim of a network, or of routers: they stay with AdamW."""


def warm_up_cosine(optimizer: torch.optim.Optimizer, warm_up: int, steps: int) -> LambdaLR:
    """Linear to the full rate over `warm_up` steps, then a cosine down to a hundredth."""

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        progress = min(1.0, (step - warm_up) / max(1, steps - warm_up))
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))

    return LambdaLR(optimizer, factor)


def build_optimizer(
    parts: Sequence[tuple[nn.Module, float]], recipe: ScheduleRecipe, rate: float
) -> torch.optim.Optimizer:
    """The recipe's optimizer over modules, each with its learning rate in parts of `rate`.

    Parameters that need no gradient are left out.
    """
    named = [
        (name, parameter, rate * share)
        for module, share in parts
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    ]
    if recipe.optimizer == "adamw":
        groups = _groups((p, r) for _, p, r in named)
        return torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, betas=(0.9, recipe.beta2))
    hidden = [(p, r * recipe.muon_rate) for name, p, r in named if is_hidden_matrix(name, p)]
    rest = [(p, r) for name, p, r in named if not is_hidden_matrix(name, p)]
    optimizers: list[torch.optim.Optimizer] = []
    if hidden:
        optimizers.append(Muon(_groups(hidden), weight_decay=recipe.weight_decay))
    if rest:
        optimizers.append(
            torch.optim.AdamW(_groups(rest), weight_decay=recipe.weight_decay, betas=(0.9, recipe.beta2))
        )
    return JoinedOptimizers(optimizers)


def is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    """Whether Muon takes it: a matrix, a stack of them or a convolution's kernel, inside a network."""
    return (
        parameter.ndim >= 2 and min(parameter.shape[:2]) > 1 and not any(part in name for part in _NOT_HIDDEN)
    )


def _groups(parameters: Iterable[tuple[nn.Parameter, float]]) -> list[dict[str, Any]]:
    rates: dict[float, list[nn.Parameter]] = {}
    for parameter, rate in parameters:
        rates.setdefault(rate, []).append(parameter)
    return [{"params": group, "lr": rate} for rate, group in rates.items()]
