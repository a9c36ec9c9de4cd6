# SPDX-License-Identifier: GPL-3.0-or-later
"""Random windows of pairs, normalised, for the VAE."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..recipe import DataRecipe, RecipeError
from .motion_store import MotionStore
from .statistics import Statistics, statistics
from .stream import Share, generator

_WINDOWS, _STATISTICS = 1, 2


@dataclass(frozen=True)
class Choice:
    """Windows as arrays (B,): clip, first frame, the frames between it and its coordinates' frame, views."""

    clip: np.ndarray
    start: np.ndarray
    before: np.ndarray
    swap: np.ndarray
    mirror: np.ndarray

    def __getitem__(self, rows: slice) -> Choice:
        return Choice(*(getattr(self, f)[rows] for f in ("clip", "start", "before", "swap", "mirror")))


class WindowChooser:
    """Draws windows of `frames` frames so that every one is as likely as any other."""

    def __init__(self, store: MotionStore, data: DataRecipe, frames: int, held_out: bool = False) -> None:
        self.store, self.data, self.frames = store, data, frames
        self.clips = store.select(held_out, frames)
        if not len(self.clips):
            side = "held-out" if held_out else "training"
            raise RecipeError(f"no {side} clip has {frames} frames; choose shorter windows")
        self.room = store.frames(self.clips) - frames + 1
        self.ends = np.cumsum(self.room)

    @property
    def windows(self) -> int:
        """How many different windows there are, views not counted."""
        return int(self.ends[-1])

    def choose(self, rng: np.random.Generator, count: int, lead_in: int = 0) -> Choice:
        """`count` windows; coordinates come from a frame up to `lead_in` frames before each."""
        number = rng.integers(0, self.ends[-1], count)
        row = np.searchsorted(self.ends, number, side="right")
        start = number - (self.ends[row] - self.room[row])
        before = rng.integers(0, np.minimum(lead_in, start) + 1)
        swap = rng.integers(0, 2, count) if self.data.swap else np.zeros(count, int)
        mirror = rng.integers(0, 2, count) if self.data.mirror else np.zeros(count, int)
        return Choice(self.clips[row], start, before, swap.astype(bool), mirror.astype(bool))

    def cut(self, choice: Choice) -> tuple[Tensor, Tensor]:
        """Canonical features (B, 2, frames, stored) and rest offsets (B, 2, J, 3)."""
        windows, references, offsets = [], [], []
        for clip, start, before, swap, mirror in zip(
            choice.clip, choice.start, choice.before, choice.swap, choice.mirror, strict=True
        ):
            windows.append(self.store.cut(clip, start, self.frames, swap, mirror))
            references.append(self.store.cut(clip, start - before, 1, swap, mirror))
            offsets.append(self.store.rest_offsets(clip, swap, mirror))
        canonical = self.store.layout.canonical(torch.stack(windows), torch.stack(references))
        return canonical, torch.stack(offsets)


class PersonWindows:
    """Batches of single people out of pairs: features (2B, T, stored) normalised, offsets (2B, J, 3)."""

    def __init__(
        self, chooser: WindowChooser, stats: Statistics, batch: int, lead_in: int, key: tuple[int, ...]
    ) -> None:
        self.chooser, self.stats, self.size, self.lead_in, self.key = chooser, stats, batch, lead_in, key

    def batch(self, step: int, share: Share) -> tuple[Tensor, Tensor]:
        """This process's part of a step's batch; the same step gives the same windows."""
        choice = self.chooser.choose(generator(*self.key, _WINDOWS, step), self.size, self.lead_in)
        windows, offsets = self.chooser.cut(choice[share.rows(self.size)])
        return self.stats.normalise(windows).flatten(0, 1), offsets.flatten(0, 1)


def store_statistics(store: MotionStore, data: DataRecipe, seed: int, windows: int = 400) -> Statistics:
    """Over random canonical windows of the training clips, each at most 240 frames long."""
    longest = int(store.frames(store.select(False, 1)).max())
    chooser = WindowChooser(store, data, min(240, longest))
    choice = chooser.choose(generator(seed, _STATISTICS), windows)
    return statistics(chooser.cut(choice)[0], store.layout)
