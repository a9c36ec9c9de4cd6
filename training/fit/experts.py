# SPDX-License-Identifier: GPL-3.0-or-later
"""The batch-level capacity bias over all devices, and what every expert has been given to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.distributed
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from ..model.moe import LEAST_BIAS, TemporalSelectiveMoE

DEAD_SHARE = 0.001
"""An expert that took less than this part of the frames since the last report counts as dead."""


class ExpertLoads:
    """Counts of the mixture of experts of every block."""

    def __init__(self, layers: Sequence[TemporalSelectiveMoE]) -> None:
        self.layers = layers
        self._taken: Tensor | None = None
        self._seen: Tensor | None = None

    @torch.no_grad()
    def balance(self) -> None:
        """Sum the loads over all ranks, then move every expert's bias: once after each optimizer step.

        The capacity is that of the whole batch, so ranks that counted by themselves would drift apart.
        """
        taken = torch.stack([layer.frames_taken for layer in self.layers])
        seen = torch.stack([layer.frames_seen for layer in self.layers])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            both = torch.cat([taken, seen[:, None]], dim=1)
            torch.distributed.all_reduce(both)
            taken, seen = both[:, :-1], both[:, -1]
        for layer, load, frames in zip(self.layers, taken, seen, strict=True):
            layer.frames_taken.copy_(load)
            layer.frames_seen.copy_(frames)
            layer.update_capacity_bias()
        self._taken = taken if self._taken is None else self._taken + taken
        self._seen = seen if self._seen is None else self._seen + seen

    def shares(self) -> Tensor:
        """(blocks, experts): frames that each expert took since the last report, in parts of all frames."""
        if self._taken is None or self._seen is None:
            return torch.zeros(len(self.layers), len(self.layers[0].experts))
        return (self._taken / self._seen.clamp(min=1.0)[:, None]).cpu()

    def dead(self) -> int:
        """How many experts of all blocks took next to nothing."""
        return int((self.shares() < DEAD_SHARE).sum())

    def write(self, writer: SummaryWriter, step: int) -> None:
        """Curves of every expert's load and bias, and the number of dead ones."""
        for block, (shares, layer) in enumerate(zip(self.shares(), self.layers, strict=True)):
            for expert, share in enumerate(shares):
                writer.add_scalar(f"expert load/block {block}/{expert}", float(share), step)
                writer.add_scalar(f"expert bias/block {block}/{expert}", float(layer.aux_bias[expert]), step)
        writer.add_scalar("dead experts", self.dead(), step)

    def restart(self) -> None:
        """Forget what was counted."""
        self._taken = self._seen = None


@torch.no_grad()
def settle_biases(layers: Sequence[TemporalSelectiveMoE], run: Callable[[], object]) -> Tensor:
    """Set every bias so that each expert takes its capacity of the frames that `run` sends through them.

    Biases follow the loads of the weights in training, of which averaged weights are no instance: their
    routers are less sure, and few frames would pass. They are measured anew, as batch normalisation's
    statistics are for averaged weights (Izmailov et al. 2018, arXiv 1803.05407): one block after the other,
    since what experts take changes what later blocks see. Returns the shares then taken, (blocks, experts),
    of layers that are balanced at all; biases of others stay.
    """
    shares = []
    for layer in (layer for layer in layers if layer.balanced):
        seen: list[Tensor] = []

        def keep(module: TemporalSelectiveMoE, args: tuple, seen: list[Tensor] = seen) -> None:
            x, condition, valid = args
            scores = torch.sigmoid(module.logits(x, condition))
            seen.append(scores.flatten(0, 1) if valid is None else scores[valid])

        handle = layer.register_forward_pre_hook(keep)
        try:
            run()
        finally:
            handle.remove()
        scores = torch.cat(seen)
        rest = max(0.0, 1.0 - layer.capacity / len(layer.experts))
        limit = torch.stack([column.kthvalue(max(1, round(rest * len(column))))[0] for column in scores.T])
        layer.aux_bias.copy_((-limit).clamp(min=LEAST_BIAS).unsqueeze(1))
        shares.append((scores + layer.aux_bias[:, 0] > 0).float().mean(dim=0))
    return torch.stack(shares) if shares else torch.zeros(0, len(layers[0].experts))
