# SPDX-License-Identifier: GPL-3.0-or-later
"""Muon over many matrices at once, and several optimizers that pass for one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_RMS_OF_ADAMW = 0.2


def orthogonalised(matrices: Tensor) -> Tensor:
    """The nearest (semi-)orthogonal matrices to (N, R, C), roughly, by five Newton–Schulz iterations."""
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    # Half the time where the hardware has it, and the iteration forgives the rounding.
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised (Jordan et al. 2024), at the size of AdamW's steps (Liu et al. 2025).

    The same as torch.optim.Muon with adjust_lr_fn="match_rms_adamw", but matrices of one shape go through
    the iteration together: our models have hundreds of small ones, and one at a time they cost more than
    the rest of the step. A stack (S, R, C) counts as S matrices, an attention's projections (3d, d) as
    three, a kernel (O, I, H, W) as one of O rows.
    """

    def __init__(
        self, params: Any, lr: float = 1e-3, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                state["momentum"].lerp_(parameter.grad, 1.0 - group["momentum"])
                direction = parameter.grad.lerp(state["momentum"], group["momentum"])
                shapes[tuple(parameter.shape)].append((parameter, direction))
            for items in shapes.values():
                self._move(items, group)
        return loss

    def _move(self, items: list[tuple[Tensor, Tensor]], group: dict[str, Any]) -> None:
        """Step the parameters of one shape along their directions."""
        matrices = torch.stack([as_matrices(direction) for _, direction in items])
        rows, columns = matrices.shape[-2:]
        steps = orthogonalised(matrices.flatten(0, 1)).unflatten(0, matrices.shape[:2])
        size = group["lr"] * _RMS_OF_ADAMW * max(rows, columns) ** 0.5
        for (parameter, _), step in zip(items, steps, strict=True):
            parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
            parameter.add_(step.reshape(parameter.shape), alpha=-size)


def as_matrices(parameter: Tensor) -> Tensor:
    """A parameter as the matrices (K, R, C) that Muon sees in it."""
    if parameter.ndim == 3:
        return parameter
    rows, columns = parameter.shape[0], parameter[0].numel()
    count = 3 if parameter.ndim == 2 and rows == 3 * columns else 1
    return parameter.reshape(count, rows // count, columns)


class JoinedOptimizers(torch.optim.Optimizer):
    """Optimizers over different parameters as one, for a trainer that knows of one."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self.parts = list(parts)
        super().__init__([p for part in parts for group in part.param_groups for p in group["params"]], {})
        self._join()

    def _join(self) -> None:
        """Schedules and clipping reach the groups of every part."""
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:  # type: ignore[override]
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._join()
