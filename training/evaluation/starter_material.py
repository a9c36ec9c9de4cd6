# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks of a starter look at: clips of its cache, takes of its bundle, embeddings of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..composer.score import Score
from ..data.cache import PairCache
from ..interactions import interaction_of
from .collect import Plan, Progress
from .embedding import FRAMES, Embedder
from .generation import GeneratedMotion, RememberingGenerator
from .judge import Judge
from .motion import PairMotion
from .phrases import Phrases
from .role_order import RoleOrder


@dataclass(frozen=True)
class Counts:
    """How much of everything is made. copies: random draws of training clips in place of generated motions.
    training: clips of the training data that are measured. swaps: pairs of sentences. solves: takes that go
    through the contact solve. seconds: durations tried, each with `prompts` sentences."""

    copies: int = 5
    training: int = 96
    swaps: int = 10
    solves: int = 10
    prompts: int = 1
    seconds: tuple[float, ...] = (1.0, 2.0, 3.0, 5.0, 8.0, 10.0)


@dataclass
class Material:
    """One plan's clips, takes and embeddings, each made when a check first asks. generator None: no takes."""

    cache: PairCache
    plan: Plan
    embedder: Embedder
    generator: RememberingGenerator | None
    scores: dict[str, Score]
    phrases: Phrases
    counts: Counts = field(default_factory=Counts)
    progress: Progress = lambda stage, done, total: None

    @cached_property
    def judge(self) -> Judge:
        return Judge.of_training(self.cache, self.embedder)

    @cached_property
    def role_order(self) -> RoleOrder:
        return RoleOrder.of_training(self.cache)

    @cached_property
    def kinds(self) -> list[str]:
        """The interaction of each of the plan's clips."""
        return [interaction_of(self.cache.entries[i]) for i in self.plan.clips]

    @cached_property
    def real(self) -> list[PairMotion]:
        return [self.motion(i) for i in self.plan.clips]

    @cached_property
    def real_embeddings(self) -> np.ndarray:
        return self.embedder.motions(self.real)

    @cached_property
    def made(self) -> list[GeneratedMotion]:
        """One take for each of the plan's clips; empty without a bundle."""
        if self.generator is None:
            return []
        return [
            self.take(caption, motion.frames, self.plan.noise_seed(clip))
            for caption, motion, clip in zip(self.plan.captions[0], self.real, self.plan.clips, strict=True)
        ]

    def training_clips(self, kind: str, role: str | None = None) -> list[int]:
        """Numbers of the training clips of an interaction, where asked for with this role first."""
        entries = self.cache.entries
        return [
            i
            for i in self.cache.select("train")
            if interaction_of(entries[i]) == kind and role in (None, entries[i].roles[0])
        ]

    def usual_frames(self, kind: str) -> int:
        """The median length of an interaction's training clips."""
        return int(np.median([self.cache.entries[i].frames for i in self.training_clips(kind)]))

    def motion(self, clip: int) -> PairMotion:
        """A clip of the cache, as long as the evaluator reads and the bundle makes."""
        frames = min(self.cache.entries[clip].frames, FRAMES)
        frames = self.generator.frames(frames) if self.generator is not None else frames
        return PairMotion.of_clip(self.cache.load(clip), frames)

    def take(self, text: str, frames: int, seed: int) -> GeneratedMotion:
        """What the bundle makes of a sentence, about `frames` long."""
        assert self.generator is not None
        return self.generator.make(text, self.generator.frames(frames), seed)[0]

    def seed_of(self, check: int, number: int) -> int:
        """The seed of a check's take: no two checks share their noise."""
        return (self.plan.seed * 1009 + check) * 100_003 + number
