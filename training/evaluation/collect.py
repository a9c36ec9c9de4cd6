# SPDX-License-Identifier: GPL-3.0-or-later
"""The long part of an evaluation: generate, measure and embed, a few clips at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..data.cache import PairCache
from .embedding import FRAMES, Embedder
from .figures import columns, measure
from .generation import MotionGenerator
from .journal import Journal, Part
from .motion import PairMotion
from .roles import sentence_with_roles_swapped, signature

CLIPS_AT_ONCE = 8
REAL, DECODED, CLEANED = "real", "decoded", "cleaned"
_SAMPLE_SEEDS = 1 << 32
_MULTIMODALITY_SEEDS = 1 << 48

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Plan:
    """What is scored.

    clips: numbers in the cache. samples: motions generated for each clip. captions: [sample][clip].
    multimodality: (sentences, motions of each), (0, 0) for none. swaps: sentences that are also generated
    with the roles swapped. seed: of captions and noise.
    """

    clips: tuple[int, ...]
    captions: tuple[tuple[str, ...], ...]
    multimodality: tuple[int, int]
    swaps: int
    seed: int

    @property
    def samples(self) -> int:
        return len(self.captions)

    def noise_seed(self, clip: int, sample: int = 0) -> int:
        """One seed for each motion, the same whatever else is scored."""
        return (self.seed * 1_000_003 + clip) % _SAMPLE_SEEDS + sample * _SAMPLE_SEEDS

    def swapped_captions(self) -> list[tuple[int, str]]:
        """(position among the clips, sentence with the roles swapped) of the first `swaps` that have one."""
        found = ((n, sentence_with_roles_swapped(caption)) for n, caption in enumerate(self.captions[0]))
        return [(n, swapped) for n, swapped in found if swapped is not None][: self.swaps]


def make_plan(
    cache: PairCache,
    clips: tuple[int, ...],
    samples: int,
    multimodality: tuple[int, int],
    swaps: int,
    seed: int,
) -> Plan:
    """A plan in which every clip gets a random one of its captions for each sample."""

    def caption(clip: int, sample: int) -> str:
        choices = cache.entries[clip].captions
        return choices[int(np.random.default_rng([seed, sample, clip]).integers(len(choices)))]

    captions = tuple(tuple(caption(clip, sample) for clip in clips) for sample in range(samples))
    texts = min(multimodality[0], len(clips)) if multimodality[1] > 1 else 0
    return Plan(clips, captions, (texts, multimodality[1] if texts else 0), swaps, seed)


@dataclass
class Collector:
    """Scores the plan's motions. generator None: real motions alone; embedder None: no embeddings."""

    cache: PairCache
    plan: Plan
    generator: MotionGenerator | None
    embedder: Embedder | None
    journal: Journal
    progress: Progress = lambda stage, done, total: None

    def clips(self) -> list[Part]:
        """For each sample the joined parts of all clips.

        ROW/motion (N, E); in sample 0 also ROW/swapped (N, E), ROW/figure/NAME (N,), ROW/signature (N, 2, 6),
        ROW/energy (N,) and ROW/distances (M,); text (N, E). ROW is real (sample 0 alone), decoded or cleaned.
        """
        starts = range(0, len(self.plan.clips), CLIPS_AT_ONCE)
        total = self.plan.samples * len(self.plan.clips)
        joined = []
        self.progress("clips", 0, total)
        for sample in range(self.plan.samples):
            parts = []
            for start in starts:
                chosen = range(start, min(start + CLIPS_AT_ONCE, len(self.plan.clips)))
                make = lambda sample=sample, chosen=chosen: self._clips(sample, chosen)
                parts.append(self.journal.part(f"clips_{sample:02d}_{start:06d}", make))
                self.progress("clips", sample * len(self.plan.clips) + chosen.stop, total)
            joined.append({key: np.concatenate([part[key] for part in parts]) for key in parts[0]})
        if self.embedder is not None:
            captions = [caption for sample in self.plan.captions for caption in sample]
            texts = self.embedder.texts(captions).reshape(self.plan.samples, len(self.plan.clips), -1)
            for part, text in zip(joined, texts, strict=True):
                part["text"] = text
        return joined

    def multimodality(self) -> np.ndarray | None:
        """Embeddings (S, K, E) of K motions of each of S sentences, spread over the clips, or None.

        The motions are those before the cleanup, as published.
        """
        texts, motions = self.plan.multimodality
        if not texts or self.generator is None or self.embedder is None:
            return None
        positions = np.linspace(0, len(self.plan.clips) - 1, texts).round().astype(int)
        rows = []
        self.progress("modes", 0, texts)
        for done, position in enumerate(positions, start=1):
            make = lambda position=int(position): {"motion": self._variations(position, motions)}
            rows.append(self.journal.part(f"modes_{position:06d}", make)["motion"])
            self.progress("modes", done, texts)
        return np.stack(rows)

    def role_swaps(self) -> Part:
        """position (S,), signature (S, 2, 6) and, with an evaluator, motion and swapped (S, E) of the cleaned
        motions of sentences with the roles swapped, made from the noise of the original sentences."""
        wanted = self.plan.swapped_captions() if self.generator is not None else []
        parts = []
        if wanted:
            self.progress("roles", 0, len(wanted))
        for done, (position, caption) in enumerate(wanted, start=1):
            make = lambda position=position, caption=caption: self._role_swap(position, caption)
            parts.append(self.journal.part(f"roles_{position:06d}", make))
            self.progress("roles", done, len(wanted))
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else {}

    def _frames(self, clip: int) -> int:
        frames = min(self.cache.entries[clip].frames, FRAMES)
        return self.generator.frames(frames) if self.generator is not None else frames

    def _clips(self, sample: int, chosen: range) -> Part:
        numbers = [self.plan.clips[n] for n in chosen]
        captions = [self.plan.captions[sample][n] for n in chosen]
        sets: dict[str, list[PairMotion]] = {}
        out: Part = {}
        if sample == 0:
            sets[REAL] = [PairMotion.of_clip(self.cache.load(i), self._frames(i)) for i in numbers]
        made = []
        if self.generator is not None:
            made = [
                self.generator.make(caption, self._frames(clip), self.plan.noise_seed(clip, sample))[0]
                for clip, caption in zip(numbers, captions, strict=True)
            ]
            sets[DECODED] = [motion.decoded for motion in made]
            sets[CLEANED] = [motion.cleaned for motion in made]
        for row, motions in sets.items():
            if self.embedder is not None:
                out[f"{row}/motion"] = self.embedder.motions(motions)
            if sample == 0:
                out |= self._measured(row, motions, captions)
        if sample == 0 and made:
            out[f"{DECODED}/figure/fit_error_mm"] = np.array([motion.fit_error_mm for motion in made])
            # The engine's own bones are constant; what drifts is what the model said.
            out[f"{DECODED}/figure/bone_drift_mm"] = np.array([motion.decoded_drift_mm for motion in made])
        return out

    def _measured(self, row: str, motions: list[PairMotion], captions: list[str]) -> Part:
        measured = [measure(motion, caption) for motion, caption in zip(motions, captions, strict=True)]
        figures = columns([one.figures for one in measured])
        part = {f"{row}/figure/{key}": values for key, values in figures.items()}
        part[f"{row}/signature"] = np.stack([one.signature for one in measured])
        part[f"{row}/energy"] = np.array([one.energy for one in measured])
        part[f"{row}/distances"] = np.concatenate([one.distances for one in measured])
        if self.embedder is not None:
            part[f"{row}/swapped"] = self.embedder.motions([motion.swapped() for motion in motions])
        return part

    def _variations(self, position: int, count: int) -> np.ndarray:
        assert self.generator is not None and self.embedder is not None
        clip, caption = self.plan.clips[position], self.plan.captions[0][position]
        seed = _MULTIMODALITY_SEEDS + self.plan.noise_seed(clip) * 64
        made = self.generator.make(caption, self._frames(clip), seed, count)
        return self.embedder.motions([motion.decoded for motion in made])

    def _role_swap(self, position: int, caption: str) -> Part:
        assert self.generator is not None
        clip = self.plan.clips[position]
        motion = self.generator.make(caption, self._frames(clip), self.plan.noise_seed(clip))[0].cleaned
        part: Part = {
            "position": np.array([position]),
            "signature": signature(motion.positions, motion.fps)[None],
        }
        if self.embedder is not None:
            part["motion"] = self.embedder.motions([motion])
            part["swapped"] = self.embedder.motions([motion.swapped()])
        return part
