# SPDX-License-Identifier: GPL-3.0-or-later
"""PyTorch training of InterMoE: data, model, losses, evaluation."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .evaluation import load_official_evaluator

__all__ = ["load_official_evaluator"]


def __getattr__(name: str) -> Any:
    # Looked up on demand: importing one module of this room need not wait for torch.
    if name == "load_official_evaluator":
        from .evaluation import load_official_evaluator

        return load_official_evaluator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
