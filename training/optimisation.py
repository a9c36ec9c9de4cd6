# SPDX-License-Identifier: GPL-3.0-or-later
"""What VAE and denoiser training share: warm-up and cosine, averaged weights, progress with time left."""

from __future__ import annotations

import copy
import json
import math
import shutil
import time
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from safetensors.torch import save_file
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, IterableDataset

from intermoe_engine.atomic import replacing


def warm_up_cosine(optimizer: torch.optim.Optimizer, warm_up: int, steps: int) -> LambdaLR:
    """Linear to the full rate over `warm_up` steps, then a cosine down to a hundredth."""

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        progress = min(1.0, (step - warm_up) / max(1, steps - warm_up))
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))

    return LambdaLR(optimizer, factor)


class AveragedWeights(pl.Callback):
    """An exponential moving average of a module's floating-point state, with a warm-up.

    Early averages follow the weights closely: the decay at step n is min(decay, (1 + n) / (10 + n)).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.source = module
        self.average = copy.deepcopy(module).eval().requires_grad_(False)
        self.updates = 0

    def on_train_batch_end(self, *args: object, **kwargs: object) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        with torch.no_grad():
            current = self.source.state_dict()
            for name, value in self.average.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(current[name], 1.0 - decay)
                else:
                    value.copy_(current[name])

    def state_dict(self) -> dict:
        return {"average": self.average.state_dict(), "updates": self.updates}

    def load_state_dict(self, state_dict: dict) -> None:
        self.average.load_state_dict(state_dict["average"])
        self.updates = state_dict["updates"]


class ConsoleProgress(pl.Callback):
    """A line every so often with the terms and the time left; every line also goes to a .jsonl file."""

    def __init__(self, name: str, steps: int, log: Path, every: int = 50) -> None:
        self.name, self.steps, self.log_file, self.every = name, steps, log, every
        self.begun: tuple[int, float] | None = None

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        step = trainer.global_step
        if self.begun is None:
            self.begun = (step, time.monotonic())
        if step % self.every and step != self.steps:
            return
        terms = {k: round(float(v), 5) for k, v in trainer.callback_metrics.items()}
        seconds = time.monotonic() - self.begun[1]
        per_step = seconds / max(1, step - self.begun[0])
        left = (self.steps - step) * per_step
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "seconds_per_step": round(per_step, 4), **terms}) + "\n")
        shown = "  ".join(f"{k} {v:.4g}" for k, v in terms.items())
        print(f"{self.name} {step}/{self.steps}  {left / 60:.1f} min left  {shown}", flush=True)


def fit(
    module: pl.LightningModule,
    dataset: IterableDataset,
    steps: int,
    run: Path,
    name: str,
    average: AveragedWeights,
) -> None:
    """Run (or go on with) a training of `steps` steps; the state is kept every 250 steps.

    It stays until `save_average` has written the outcome, so that a full disk costs no training.
    """
    state = run / f"{name}-state"
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="auto",
        devices=1,
        gradient_clip_val=1.0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run,
        callbacks=[
            average,
            ConsoleProgress(name, steps, run / f"{name}-log.jsonl"),
            ModelCheckpoint(
                state, filename="last", every_n_train_steps=250, save_top_k=1, enable_version_counter=False
            ),
        ],
    )
    last = state / "last.ckpt"
    trainer.fit(
        module,
        DataLoader(dataset, batch_size=None),
        ckpt_path=last if last.exists() else None,
        weights_only=True,
    )


def save_average(average: AveragedWeights, path: Path, run: Path, name: str) -> None:
    """Write the averaged weights, whole or not at all, and forget the state of the training `name`.

    What lies under its final name counts as done, so that nothing half-written may.
    """
    with replacing(path) as temporary:
        save_file(average.average.cpu().state_dict(), temporary)
    shutil.rmtree(run / f"{name}-state", ignore_errors=True)
