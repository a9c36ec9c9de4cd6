# SPDX-License-Identifier: GPL-3.0-or-later
"""Endless batches in worker processes, each a function of the step alone.

Nothing has to be remembered to go on after a kill, and the rows of all ranks together are the rows of the
plain run: every rank draws the whole batch's choices and takes its own part of them.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


@dataclass(frozen=True)
class Share:
    """Which part of every batch belongs to this process."""

    rank: int = 0
    ranks: int = 1

    def rows(self, batch: int) -> slice:
        """The rows of a batch of this size. Raises ValueError when it cannot be shared evenly."""
        if batch % self.ranks:
            raise ValueError(
                f"a batch of {batch} cannot be shared by {self.ranks} devices; change one of them"
            )
        size = batch // self.ranks
        return slice(self.rank * size, (self.rank + 1) * size)


class BatchSource(Protocol):
    """What a stream reads from."""

    def batch(self, step: int, share: Share) -> Any:
        """This share's part of the batch of one step; tensors, or tuples or dicts of them."""
        ...


def moved(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """A batch with its tensors on a device; plain numbers stay, so that reading them waits for no GPU."""
    return {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}


def generator(*key: int) -> np.random.Generator:
    """numpy's generator for a key such as (seed, stage, step): equal keys, equal numbers."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def torch_seed(*key: int) -> int:
    """A 63-bit seed for torch from a key."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]) >> 1


class StepStream(IterableDataset):
    """The batches of steps first, first + 1, …; workers take turns."""

    def __init__(self, source: BatchSource, first: int, share: Share) -> None:
        self.source, self.first, self.share = source, first, share

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        index, count = (worker.id, worker.num_workers) if worker else (0, 1)
        for step in itertools.count(self.first + index, count):
            yield self.source.batch(step, self.share)


def workers_for(wanted: int, cuda: bool, ranks: int = 1) -> int:
    """Worker processes a rank: `wanted`, or where that is -1 what suits the machine.

    On a CPU the batches are made between the steps: workers would take the cores that the model needs.
    """
    if wanted >= 0:
        return wanted
    return max(1, min(8, (os.cpu_count() or 1) // ranks - 1)) if cuda else 0


def loader(source: BatchSource, first: int, share: Share, workers: int, cuda: bool = False) -> DataLoader:
    """Batches from step `first` on, four prepared ahead by every worker."""
    return DataLoader(
        StepStream(source, first, share),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        pin_memory=cuda and torch.cuda.is_available(),
    )
