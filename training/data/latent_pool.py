# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows encoded once: the VAE is causal, so a short take's latents are the beginning of a longer one's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from ..model import MotionVAE
from ..recipe import DenoiserRecipe
from .salsa_captions import Caption, holds, measured
from .sequences import Sequence2, Statistics, canonical, cut


@dataclass(frozen=True)
class Window:
    """Where a window lies: the sequence, its first frame, and whether person B comes first."""

    sequence: int
    start: int
    swap: bool


class LatentPool:
    """`count` random windows of `frames` frames as standardised latents (count, T, 2D) in half precision."""

    def __init__(
        self,
        sequences: Sequence[Sequence2],
        vae: MotionVAE,
        stats: Statistics,
        count: int,
        frames: int,
        seed: int,
        report: bool = False,
    ) -> None:
        self.sequences = [s for s in sequences if s.frames >= frames]
        rng = np.random.default_rng(seed)
        weights = np.array([s.frames - frames + 1 for s in self.sequences], dtype=float)
        chosen = rng.choice(len(self.sequences), count, p=weights / weights.sum())
        self.windows = [
            Window(int(i), int(rng.integers(0, self.sequences[i].frames - frames + 1)), bool(rng.integers(2)))
            for i in chosen
        ]
        parts = []
        for first in range(0, count, 25):
            cuts = [
                cut(self.sequences[w.sequence], w.start, frames, w.swap)
                for w in self.windows[first : first + 25]
            ]
            motion = stats.normalise(canonical(torch.stack(cuts)))
            with torch.no_grad():
                latents = vae.encode(motion.flatten(0, 1)).flatten(2)
            parts.append(join_people(latents).half())
            if report and first % 1000 == 0:
                print(f"encoding windows {first}/{count}", flush=True)
        self.latents = torch.cat(parts)

    def facts(self, index: int, frames: int) -> tuple[dict, str]:
        """What the first `frames` frames of a window show, and which person leads, "a" or "b"."""
        w = self.windows[index]
        s = self.sequences[w.sequence]
        span = slice(w.start, w.start + frames)
        yaw = s.yaw[::-1, span] if w.swap else s.yaw[:, span]
        facts = measured(yaw, s.distance[span], s.speed[span], s.wrists[span])
        return facts, "ab"[s.lead ^ int(w.swap)]


def join_people(latents: Tensor) -> Tensor:
    """(2B, T, D), A and B of each pair in turn, to (B, T, 2D)."""
    pairs = latents.unflatten(0, (-1, 2))
    return torch.cat([pairs[:, 0], pairs[:, 1]], dim=-1)


class CaptionedLatents(IterableDataset):
    """Endless batches: latents (B, T, 2D), token states (B, N, E), token mask (B, N).

    All windows of a batch have one length, so that nothing is padded; lengths change from batch to batch.
    Sentences are drawn evenly among those that hold for the window.
    """

    def __init__(
        self,
        pool: LatentPool,
        captions: Sequence[Caption],
        states: np.ndarray,
        mask: np.ndarray,
        recipe: DenoiserRecipe,
        seed: int,
    ) -> None:
        self.pool, self.captions, self.recipe, self.seed = pool, captions, recipe, seed
        self.states = torch.from_numpy(states)
        self.mask = torch.from_numpy(mask)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        rng = np.random.default_rng(self.seed)
        low, high = self.recipe.min_frames // 4, self.recipe.max_frames // 4
        while True:
            length = int(rng.integers(low, high + 1))
            rows = rng.integers(0, len(self.pool.windows), self.recipe.batch)
            texts = [self._caption(rng, int(row), 4 * length) for row in rows]
            tokens = int(self.mask[texts].sum(dim=1).max())
            yield (
                self.pool.latents[rows, :length].float(),
                self.states[texts, :tokens].float(),
                self.mask[texts, :tokens],
            )

    def _caption(self, rng: np.random.Generator, row: int, frames: int) -> int:
        facts, lead = self.pool.facts(row, frames)
        fitting = [i for i, caption in enumerate(self.captions) if holds(caption.claim, facts, lead)]
        return int(rng.choice(fitting))
