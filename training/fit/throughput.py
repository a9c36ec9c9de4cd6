# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the loader ever the bottleneck? Frames a second of loader and step, waiting, memory, hot spots."""

from __future__ import annotations

import itertools
import os
import platform
import resource
import sys
import time
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from ..batches.stream import Share, loader, moved, workers_for
from ..model.config import FRAMES_PER_LATENT
from .trainer import Devices, Training, precision_of, quiet

_WARM_UP, _STEPS, _LOADED = 3, 12, 24


class ProfileDone(Exception):
    """What was to be measured has been; nothing is trained."""


@dataclass(frozen=True)
class Throughput:
    """Frames of pairs a second that the loader can give and the step can take; memory in MB.

    waiting: part of the time that the running training waits for batches.
    """

    loader: float
    step: float
    waiting: float
    memory: float
    device_memory: float


def frames_of(batch: Any) -> int:
    """Frames of pairs in a batch of any of the trainings."""
    if isinstance(batch, dict):
        if "lengths" in batch:
            return FRAMES_PER_LATENT * int(batch["lengths"].sum())
        return int(batch["frames"].sum())
    motion: Tensor = batch[0]
    return motion.shape[0] * motion.shape[1] // 2


class _Clock(pl.Callback):
    """Seconds inside and between steps, after the warm-up."""

    def __init__(self) -> None:
        self.inside, self.between, self.frames, self.steps = 0.0, 0.0, 0, 0
        self._mark = time.perf_counter()

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Any, index: int) -> None:
        now = time.perf_counter()
        if index >= _WARM_UP:
            self.between += now - self._mark
        self._mark = now

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        if module.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if index >= _WARM_UP:
            self.inside += now - self._mark
            self.frames += frames_of(batch)
        self._mark = now


def measure(training: Training, name: str, devices: Devices) -> Throughput:
    """Run loader and training for some steps on one device and print what was found."""
    workers = workers_for(training.settings.workers, devices.cuda, 1)
    source = iter(loader(training.source, 0, Share(), workers, devices.cuda))
    for _ in range(_WARM_UP):
        next(source)
    begun = time.perf_counter()
    frames = sum(frames_of(batch) for batch in itertools.islice(source, _LOADED))
    loading = frames / (time.perf_counter() - begun)
    del source
    clock = _Clock()
    trainer = pl.Trainer(
        max_steps=_WARM_UP + _STEPS,
        accelerator="gpu" if devices.cuda else "cpu",
        devices=1,
        precision=precision_of(training.settings.precision, devices.cuda),  # type: ignore[arg-type]
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[clock],
    )
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if devices.cuda else [])
    with quiet():
        trainer.fit(training)
    found = Throughput(
        loader=loading,
        step=clock.frames / clock.inside,
        waiting=clock.between / (clock.between + clock.inside),
        memory=_resident(),
        device_memory=torch.cuda.max_memory_allocated() / 2**20 if devices.cuda else 0.0,
    )
    batch = training.source.batch(0, Share())
    with profile(activities=activities) as recorded:
        _one_step(training, batch)
    table = recorded.key_averages().table(
        sort_by="self_cuda_time_total" if devices.cuda else "self_cpu_time_total", row_limit=10
    )
    print(_report(name, found, workers, devices), flush=True)
    print(table, flush=True)
    return found


def _one_step(training: Training, batch: Any) -> None:
    device = training.device
    if isinstance(batch, dict):
        ready: Any = moved(batch, device)
    else:
        ready = tuple(part.to(device) for part in batch)
    loss = training.training_step(ready, 0)
    assert isinstance(loss, Tensor)
    loss.backward()


def _resident() -> float:
    """Largest resident memory in MB that this process has had, and its largest worker's."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    own, children = (
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return (own + children) / unit


def _report(name: str, found: Throughput, workers: int, devices: Devices) -> str:
    machine = torch.cuda.get_device_name() if devices.cuda else _processor()
    lines = [
        f"{name} on {machine}, {workers} workers, {torch.get_num_threads()} threads, {os.cpu_count()} CPUs",
        f"loader {found.loader:,.0f} frames of pairs a second, step {found.step:,.0f}: "
        f"the loader is {found.loader / found.step:.1f} times as fast",
        f"the running training waits for batches {found.waiting:.1%} of its time",
        f"memory {found.memory:,.0f} MB"
        + (f", on the GPU {found.device_memory:,.0f} MB" if devices.cuda else ""),
    ]
    return "\n".join(lines)


def _processor() -> str:
    """The processor's name as Linux tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return names[0] if names else platform.processor()
    except OSError:
        return platform.processor()
