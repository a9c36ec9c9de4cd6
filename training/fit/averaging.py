# SPDX-License-Identifier: GPL-3.0-or-later
"""An exponential moving average of weights, which is what a training leaves behind."""

from __future__ import annotations

import copy
from pathlib import Path

import lightning.pytorch as pl
import torch
from safetensors.torch import save_file
from torch import nn

from intermoe_engine.atomic import replacing


class AveragedWeights(pl.Callback):
    """An average of a module's floating-point state, with a warm-up.

    Early averages follow the weights closely: the decay at step n is min(decay, (1 + n) / (10 + n)).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.source = module
        self.average = copy.deepcopy(module).eval().requires_grad_(False)
        self.updates = 0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.average.to(pl_module.device)

    @torch.no_grad()
    def on_train_batch_end(self, *args: object, **kwargs: object) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        current = self.source.state_dict()
        pairs = [(value, current[name]) for name, value in self.average.state_dict().items()]
        moving = [pair for pair in pairs if pair[0].is_floating_point()]
        averages, weights = [a for a, _ in moving], [b for _, b in moving]
        torch._foreach_lerp_(averages, weights, 1.0 - decay)  # pyright: ignore[reportPrivateImportUsage]
        for value, new in pairs:
            if not value.is_floating_point():
                value.copy_(new)

    def state_dict(self) -> dict:
        return {"average": self.average.state_dict(), "updates": self.updates}

    def load_state_dict(self, state_dict: dict) -> None:
        self.average.load_state_dict(state_dict["average"])
        self.updates = state_dict["updates"]

    def save(self, path: Path) -> None:
        """Write the averages as safetensors, whole or not at all."""
        tensors = {name: value.cpu().contiguous() for name, value in self.average.state_dict().items()}
        with replacing(path) as temporary:
            save_file(tensors, temporary)
