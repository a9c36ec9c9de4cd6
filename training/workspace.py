# SPDX-License-Identifier: GPL-3.0-or-later
"""A run's folder: what its stages share, and what they leave for the export."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from intermoe_engine.atomic import replacing
from intermoe_engine.skeleton import SMPL22

from .batches.clips import find_clips
from .batches.motion_store import MotionStore, open_store
from .batches.statistics import Statistics, given_statistics
from .batches.windows import store_statistics
from .data.cache import PairCache
from .data.salsa_captions import salsa_captions, split_captions
from .fit.trainer import Devices
from .interactions import Interaction, evenly, find_interactions
from .layouts import LAYOUTS, MotionLayout
from .processes import first_process
from .recipe import RECIPES, Recipe

COARSE_VAE = "vae-coarse.safetensors"
"""The VAE whose latents the denoiser learns, where the decoder is trained further afterwards."""
VAE = "vae.safetensors"
DENOISER = "denoiser.safetensors"
KNOWN = "known.json"
"""Sentences that were trained on, by which a bundle knows what it does not know."""
_MOST_KNOWN = 512


@dataclass(frozen=True)
class Workspace:
    """A recipe at work in a folder, on data. profile: measure the first steps, then raise ProfileDone."""

    recipe: Recipe
    data: Path
    run: Path
    devices: Devices
    profile: bool = False

    @property
    def layout(self) -> MotionLayout:
        return LAYOUTS[self.recipe.model.feature_layout]

    @cached_property
    def store(self) -> MotionStore:
        """Every clip's features, made on first use."""
        clips = find_clips(self.recipe.data, self.data)
        return open_store(self.run / "work", clips, self.recipe.data, self.layout)

    @cached_property
    def stats(self) -> Statistics:
        """The run's own once they are written, so that all stages see the same numbers."""
        path = self.run / "stats.npz"
        if path.is_file():
            mean, std = torch.zeros(self.layout.stored), torch.ones(self.layout.stored)
            with np.load(path, allow_pickle=False) as arrays:
                mean[: self.layout.size] = torch.from_numpy(arrays["mean"])
                std[: self.layout.size] = torch.from_numpy(arrays["std"])
            return Statistics(mean, std)
        if self.recipe.data.statistics:
            return given_statistics(Path(self.recipe.data.statistics), self.layout)
        return store_statistics(self.store, self.recipe.data, self.recipe.seed)

    @property
    def latents_vae(self) -> Path:
        """The weights whose latents the denoiser learns."""
        coarse = self.run / COARSE_VAE
        return coarse if coarse.is_file() else self.run / VAE

    def write_facts(self) -> None:
        """What a bundle needs besides weights; the first process writes."""
        if not first_process():
            return
        if not (self.run / "stats.npz").is_file():
            self.stats.save(self.run / "stats.npz", self.layout)
        offsets = self.store.offsets.mean(axis=(0, 1))[: len(SMPL22)]  # Inter-X has hands and face behind
        self.write_json("skeleton.json", SMPL22.with_offsets(offsets).to_dict())
        self.write_json("config.json", self.recipe.model.to_dict())
        if not (self.run / "card.json").is_file():
            self.write_json("card.json", self._card())
        if not (self.run / KNOWN).is_file():
            self.write_json(KNOWN, self._known())

    @cached_property
    def interactions(self) -> tuple[Interaction, ...]:
        """What a cache's clips that are trained on show; none where the cache does not tell."""
        if self.recipe.data.kind != "cache":
            return ()
        trained = {clip.name for clip in self.store.clips if not clip.held_out}
        return find_interactions(entry for entry in PairCache(self.data).entries if entry.name in trained)

    def _known(self) -> dict[str, list[str]]:
        """Sentences that are trained on, at most _MOST_KNOWN, evenly from all interactions, and of which."""
        if self.interactions:
            share = _MOST_KNOWN // len(self.interactions)
            told: dict[str, str] = {}
            for known in self.interactions:
                for text in evenly(known.captions, share):
                    told.setdefault(text, known.name)
            return {"sentences": list(told), "interactions": list(told.values())}
        if self.recipe.data.kind == "salsa":
            captions = [caption.text for caption in split_captions(salsa_captions())[0]]
        else:
            captions = [text for clip in self.store.clips if not clip.held_out for text in clip.captions]
        return {"sentences": evenly(list(dict.fromkeys(captions)), _MOST_KNOWN)}

    def _card(self) -> dict[str, Any]:
        """What is known of the model; whoever ships it adds the licence of the data and what it cannot do."""
        told = RECIPES / f"{self.recipe.name}-card.json"
        sampling = self.recipe.sampling
        defaults: dict[str, Any] = {
            "default_steps": sampling.steps,
            "default_guidance": sampling.guidance,
        }
        if self.interactions:
            defaults["interactions"] = [known.to_dict() for known in self.interactions]
        if told.is_file():
            return {**json.loads(told.read_text(encoding="utf-8")), **defaults}
        captions = [text for clip in self.store.clips if not clip.held_out for text in clip.captions[:1]]
        return {
            "id": f"intermoe-{self.recipe.name}",
            "name": f"InterMoE trained by the recipe {self.recipe.name}",
            "licence": "not stated; weights may be used as the training data's licence allows",
            **defaults,
            "frames": {"min": self.recipe.denoiser.min_frames, "max": self.recipe.denoiser.max_frames},
            "example_prompts": list(dict.fromkeys(captions))[:4],
            "recipe": self.recipe.name,
            "clips": len({clip.name for clip in self.store.clips if not clip.held_out}),
        }

    def read_json(self, name: str) -> dict[str, Any]:
        """A file of the run, empty where there is none."""
        path = self.run / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """Write a file of the run, whole or not at all."""
        with replacing(self.run / name) as temporary:
            temporary.write_text(json.dumps(values, indent=1), encoding="utf-8")
