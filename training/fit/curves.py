# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines on the console with the time left, a .jsonl file, and TensorBoard's curves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
import torch.distributed
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from intermoe_engine.atomic import replacing

from .experts import ExpertLoads


class Curves(pl.Callback):
    """Reports every `every` steps, scores every `score_every` and draws every `strip_every`; 0: never.

    score gives named figures and draw an image (H, W, 3) of 8-bit numbers; both run on the first process.
    The training module has its last `terms` by name, and the `loads` of its experts, or None.
    """

    def __init__(
        self,
        name: str,
        steps: int,
        run: Path,
        every: int,
        score_every: int = 0,
        strip_every: int = 0,
        score: Callable[[], dict[str, float]] | None = None,
        draw: Callable[[], np.ndarray] | None = None,
    ) -> None:
        self.name, self.steps, self.run, self.every = name, steps, run, max(1, every)
        self.score_every, self.strip_every, self.score, self.draw = score_every, strip_every, score, draw
        self.log_file, self.score_file = run / f"{name}-log.jsonl", run / f"{name}-scores.jsonl"
        self.begun = (0, 0.0)
        self.writer: SummaryWriter | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.begun = (trainer.global_step, time.monotonic())
        if trainer.is_global_zero:
            for file in (self.log_file, self.score_file):
                _drop_lines_after(file, trainer.global_step)
            self.writer = SummaryWriter(
                self.run / "tensorboard" / self.name, purge_step=trainer.global_step + 1
            )

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: object, **kwargs: object
    ) -> None:
        step = trainer.global_step
        last = step >= self.steps
        if step % self.every == 0 or last:
            self._report(trainer, pl_module, step)
        if self.writer is None:
            return
        if self.score is not None and self.score_every and (step % self.score_every == 0 or last):
            scores = self.score()
            _append(self.score_file, {"step": step, **{k: round(v, 6) for k, v in scores.items()}})
            shown = "  ".join(f"{k} {v:.4g}" for k, v in scores.items())
            print(f"{self.name} {step}/{self.steps}  held out: {shown}", flush=True)
            for key, value in scores.items():
                self.writer.add_scalar(f"held out/{key}", value, step)
        if self.draw is not None and self.strip_every and (step % self.strip_every == 0 or last):
            image = self.draw()
            self.writer.add_image("sample", image, step, dataformats="HWC")
            _save_png(self.run / "strips" / f"{self.name}-{step:07d}.png", image)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.writer is not None:
            self.writer.close()

    def _report(self, trainer: pl.Trainer, module: pl.LightningModule, step: int) -> None:
        terms = _mean_over_ranks(module.terms, trainer)  # type: ignore[arg-type]
        if self.writer is None:
            return
        seconds = (time.monotonic() - self.begun[1]) / max(1, step - self.begun[0])
        loads: ExpertLoads | None = module.loads  # type: ignore[assignment]
        extra = {} if loads is None else {"dead_experts": loads.dead()}
        # Nine digits tell every float32 number from its neighbours, so that logs can be compared exactly.
        exact = {k: float(f"{v:.9g}") for k, v in terms.items()}
        _append(self.log_file, {"step": step, "seconds_per_step": round(seconds, 4), **exact, **extra})
        for key, value in terms.items():
            self.writer.add_scalar(f"terms/{key}", value, step)
        for k, group in enumerate(trainer.optimizers[0].param_groups):
            self.writer.add_scalar(f"rate/{k}", float(group["lr"]), step)
        self.writer.add_scalar("seconds per step", seconds, step)
        if loads is not None:
            loads.write(self.writer, step)
            loads.restart()
        left = (self.steps - step) * seconds / 60
        shown = "  ".join(f"{k} {v:.4g}" for k, v in {**terms, **extra}.items())
        print(f"{self.name} {step}/{self.steps}  {left:.1f} min left  {shown}", flush=True)


def _append(log: Path, line: dict) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _mean_over_ranks(terms: dict[str, Tensor], trainer: pl.Trainer) -> dict[str, float]:
    values = torch.stack([value.float() for value in terms.values()])
    if trainer.world_size > 1:
        torch.distributed.all_reduce(values)
        values /= trainer.world_size
    return dict(zip(terms, values.tolist(), strict=True))


def _drop_lines_after(log: Path, step: int) -> None:
    """A run that was killed after its last checkpoint does those steps again."""
    if not log.is_file():
        return
    kept = []
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (ValueError, KeyError):
            continue  # the line that the kill cut short
    with replacing(log) as temporary:
        temporary.write_text("".join(kept), encoding="utf-8")


def _save_png(path: Path, image: np.ndarray) -> None:
    from matplotlib.image import imsave

    with replacing(path) as temporary:
        imsave(temporary, image, format="png")
