# SPDX-License-Identifier: GPL-3.0-or-later
"""Motions to score, made by the engine exactly as a user gets them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intermoe_engine.cleanup import clean_pair
from intermoe_engine.generate import MIN_DURATION, Engine, GenerateRequest
from intermoe_engine.reconstruction import canonical_pair
from intermoe_engine.take import ActorMotion

from .motion import PairMotion


@dataclass(frozen=True)
class GeneratedMotion:
    """One take before and after the cleanup, both on bones of constant length.

    fit_error_mm: mean distance of the joints as decoded from those on these bones; decoded_drift_mm: by how
    much the bones as decoded change their lengths (see `bone_drift`). actors: those of `cleaned`.
    """

    decoded: PairMotion
    cleaned: PairMotion
    fit_error_mm: float
    decoded_drift_mm: float
    actors: tuple[ActorMotion, ActorMotion] | None = None


class MotionGenerator:
    """Takes of one engine for sentences of any length of motion."""

    def __init__(self, engine: Engine, steps: int | None = None, guidance: float | None = None) -> None:
        self.engine, self.steps, self.guidance = engine, steps, guidance

    def frames(self, wanted: int) -> int:
        """The number of frames nearest to `wanted` that the bundle can make."""
        card = self.engine.bundle.card
        shortest = int(np.ceil(max(MIN_DURATION, card.min_duration) * card.fps - 1e-6))
        return max(min(wanted, card.frames.max, int(card.max_duration * card.fps + 1e-6)), shortest)

    def make(self, caption: str, frames: int, seed: int, variations: int = 1) -> list[GeneratedMotion]:
        """Motions of `frames` frames of the seeds seed, seed + 1, …"""
        card = self.engine.bundle.card
        request = GenerateRequest(
            caption,
            duration=frames / card.fps,
            seed=seed,
            steps=self.steps,
            guidance=self.guidance,
            variations=variations,
            cleanup=False,
        )
        made = []
        for take in self.engine.generate(request):
            cleaned = canonical_pair(*clean_pair(take.actors, take.fps)[0])
            made.append(
                GeneratedMotion(
                    PairMotion.of_actors(take.actors, take.fps),
                    PairMotion.of_actors(cleaned, take.fps),
                    take.meta["fit_error"]["mean_m"] * 1000,
                    take.meta["fit_error"]["bone_drift_m"] * 1000,
                    cleaned,
                )
            )
        return made


class RememberingGenerator(MotionGenerator):
    """Makes a single motion once, however many checks ask for it."""

    def __init__(self, engine: Engine, steps: int | None = None, guidance: float | None = None) -> None:
        super().__init__(engine, steps, guidance)
        self._made: dict[tuple[str, int, int], GeneratedMotion] = {}

    def make(self, caption: str, frames: int, seed: int, variations: int = 1) -> list[GeneratedMotion]:
        """As `MotionGenerator.make`."""
        if variations != 1:
            return super().make(caption, frames, seed, variations)
        key = (caption, frames, seed)
        if key not in self._made:
            self._made[key] = super().make(*key)[0]
        return [self._made[key]]

    @property
    def takes(self) -> list[GeneratedMotion]:
        """Every single motion so far."""
        return list(self._made.values())
