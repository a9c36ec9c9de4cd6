# SPDX-License-Identifier: GPL-3.0-or-later
"""One cycle of training on Lightning, from its last checkpoint if there is one."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor
from torch.utils.data import DataLoader

from ..batches.stream import BatchSource, Share, loader, torch_seed, workers_for
from ..recipe import TrainerRecipe
from .averaging import AveragedWeights
from .checkpoints import AtomicCheckpoints
from .curves import Curves
from .experts import ExpertLoads

_STEP = 4


@dataclass(frozen=True)
class Devices:
    """On how many devices of how many machines; 0 devices: one, or where there are GPUs all of them."""

    devices: int = 0
    nodes: int = 1
    accelerator: str = "auto"

    @property
    def cuda(self) -> bool:
        return self.accelerator != "cpu" and torch.cuda.is_available()

    @property
    def count(self) -> int:
        """Devices of this machine."""
        return self.devices or (torch.cuda.device_count() if self.cuda else 1)

    def torch_device(self) -> torch.device:
        """Where single-process work such as encoding is done."""
        return torch.device("cuda" if self.cuda else "cpu")


class Training(pl.LightningModule):
    """What all trainings share: batches by step, and chance by step.

    Before each step the generators are seeded by (seed, step, rank), so dropout needs no saved state; what
    must not depend on the number of devices comes from `step_generator`, which is the same on every rank.
    """

    def __init__(self, source: BatchSource, key: tuple[int, ...], trainer_recipe: TrainerRecipe) -> None:
        super().__init__()
        logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # no tips and device tables
        self.source, self.key, self.settings = source, key, trainer_recipe
        self.terms: dict[str, Tensor] = {}
        self.loads: ExpertLoads | None = None

    @property
    def share(self) -> Share:
        return Share(self.trainer.global_rank, self.trainer.world_size)

    def step_generator(self) -> torch.Generator:
        """A generator on the module's device for this step, the same on every rank."""
        return torch.Generator(self.device).manual_seed(torch_seed(*self.key, _STEP, self.global_step))

    def train_dataloader(self) -> DataLoader:
        cuda = self.device.type == "cuda"
        # Called after a checkpoint has been read: global_step is where to go on.
        workers = workers_for(self.settings.workers, cuda, self.trainer.num_devices)
        return loader(self.source, self.global_step, self.share, workers, cuda)

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        torch.manual_seed(torch_seed(*self.key, _STEP, self.global_step, self.trainer.global_rank))

    def optimizer_step(self, *args, **kwargs) -> None:
        super().optimizer_step(*args, **kwargs)
        # Not in on_train_batch_end, which comes after the checkpoint has been written.
        if self.loads is not None:
            self.loads.balance()

    def reported(self, terms: dict[str, Tensor]) -> Tensor:
        """Keep the terms for the curves and give back the loss among them."""
        self.terms = {name: value.detach() for name, value in terms.items()}
        return terms["loss"]


@contextmanager
def quiet() -> Iterator[None]:
    """Lightning without warnings that do not fit how it is used here."""
    with warnings.catch_warnings():
        # Its advice on numbers of workers does not know whether one process keeps up; see --profile.
        for text in ("does not have many workers", "IterableDataset", "LeafSpec", "exists and is not empty"):
            warnings.filterwarnings("ignore", message=f".*{text}.*")
        yield


def precision_of(setting: str, cuda: bool) -> str:
    """Lightning's name for a recipe's precision on this machine."""
    if setting == "auto":
        setting = ("bf16" if torch.cuda.is_bf16_supported() else "16") if cuda else "32"
    return {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[setting]


def fit(
    module: Training,
    average: AveragedWeights,
    name: str,
    steps: int,
    run: Path,
    settings: TrainerRecipe,
    devices: Devices,
    score: Callable[[], dict[str, float]] | None = None,
    draw: Callable[[], np.ndarray] | None = None,
) -> None:
    """Take `steps` steps, or go on with them; the state is kept every `settings.save` steps.

    It stays until `finish` has written the outcome, so that a full disk costs no training.
    """
    state = run / f"{name}-state"
    ranks = devices.count * devices.nodes
    strategy = "auto"
    if ranks > 1:
        # Buffers are equal anyway, and sending them would overwrite each rank's counts of frames.
        strategy = DDPStrategy(
            process_group_backend="nccl" if devices.cuda else "gloo",
            broadcast_buffers=False,
            gradient_as_bucket_view=not devices.cuda,
        )
    if devices.cuda and settings.precision != "32":
        torch.set_float32_matmul_precision("high")
    curves = Curves(name, steps, run, settings.log, settings.score, settings.strip, score, draw)
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="gpu" if devices.cuda else "cpu",
        devices=devices.count,
        num_nodes=devices.nodes,
        strategy=strategy,
        precision=precision_of(settings.precision, devices.cuda),  # type: ignore[arg-type]
        gradient_clip_val=settings.clip or None,
        gradient_clip_algorithm=settings.clip_by,
        plugins=[AtomicCheckpoints()],
        logger=False,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run,
        callbacks=[
            average,
            curves,
            ModelCheckpoint(
                state,
                filename="last",
                every_n_train_steps=settings.save or steps,
                save_top_k=1,
                enable_version_counter=False,
            ),
        ],
    )
    last = state / "last.ckpt"
    with quiet():
        trainer.fit(module, ckpt_path=last if last.exists() else None, weights_only=True)


def finish(average: AveragedWeights, path: Path, run: Path, name: str) -> None:
    """Write the averaged weights, whole or not at all, and forget the state of the training `name`.

    What lies under its final name counts as done, so that nothing half-written may.
    """
    average.save(path)
    shutil.rmtree(run / f"{name}-state", ignore_errors=True)
