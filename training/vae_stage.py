# SPDX-License-Identifier: GPL-3.0-or-later
"""The VAE's stage of a run, and its decoder further where the recipe asks for it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

import lightning.pytorch as pl
import numpy as np
from safetensors.torch import load_file

from .batches.windows import PersonWindows, WindowChooser
from .cycles import DECODER_STAGE, VAE_STAGE, run_cycles, save_weights
from .fit.trainer import Training
from .losses import VAEWeights
from .model import MotionVAE
from .model.config import FRAMES_PER_LATENT
from .processes import first_process, made_once
from .recipe import RecipeError, ScheduleRecipe
from .vae_training import Reconstruction, VAETraining, standardise_latents
from .workspace import COARSE_VAE, VAE, Workspace


def train_vae(space: Workspace) -> None:
    """Train the VAE and standardise its latents; where the recipe asks for it, train the decoder on."""
    recipe, run = space.recipe, space.run
    coarse = run / (COARSE_VAE if recipe.decoder else VAE)
    space.write_facts()
    if not coarse.is_file():
        pl.seed_everything(recipe.seed, verbose=False)
        begun = time.monotonic()
        vae = MotionVAE(dataclasses.replace(recipe.model, dropout=recipe.vae.dropout))
        _train_vae_cycles(space, "vae", VAE_STAGE, vae, recipe.vae, loss_weights(recipe.vae.weights))
        chooser = WindowChooser(space.store, recipe.data, longest_window(space, 240, held_out=False))
        rng = np.random.default_rng(1)
        windows = [chooser.cut(chooser.choose(rng, 16))[0].flatten(0, 1) for _ in range(8)]
        size = space.layout.size
        standardise_latents(vae, [space.stats.normalise(w)[..., :size] for w in windows])
        made_once(coarse.is_file, lambda: save_weights(vae, coarse))
        _write_vae_scores(space, vae, f"{coarse.stem}-scores.json", begun)
    if recipe.decoder and not (run / VAE).is_file():
        train_decoder(space)


def loss_weights(values: Mapping[str, float]) -> VAEWeights:
    """The weights that a recipe changes. Raises RecipeError for a term that there is not."""
    unknown = sorted(set(values) - {field.name for field in dataclasses.fields(VAEWeights)})
    if unknown:
        raise RecipeError(f"the VAE's loss has no term {', '.join(unknown)}; remove it from weights")
    return VAEWeights(**values)


def train_decoder(space: Workspace) -> None:
    """Train the decoder on, the latents unchanged, and write vae.safetensors."""
    recipe = space.recipe.decoder
    if recipe is None:
        raise RecipeError("the recipe has no section [decoder]")
    begun = time.monotonic()
    pl.seed_everything(space.recipe.seed + 2, verbose=False)
    vae = MotionVAE(dataclasses.replace(space.recipe.model, dropout=0.0))
    vae.load_state_dict(load_file(space.run / COARSE_VAE))
    weights = loss_weights({**recipe.weights, "kl": 0.0})
    _train_vae_cycles(space, "decoder", DECODER_STAGE, vae, recipe, weights)
    made_once((space.run / VAE).is_file, lambda: save_weights(vae, space.run / VAE))
    _write_vae_scores(space, vae, "vae-scores.json", begun)


def _train_vae_cycles(
    space: Workspace, name: str, stage: int, vae: MotionVAE, recipe: ScheduleRecipe, weights: VAEWeights
) -> None:
    windows = space.recipe.vae
    chooser = WindowChooser(space.store, space.recipe.data, windows.frames)
    held_out = WindowChooser(
        space.store, space.recipe.data, longest_window(space, 240, held_out=True), held_out=True
    )

    def cycle(k: int, schedule: tuple[int, int, float], key: tuple[int, ...]) -> Training:
        source = PersonWindows(chooser, space.stats, recipe.batch, windows.lead_in, key)
        settings = space.recipe.trainer
        return VAETraining(vae, source, space.stats, space.layout, weights, recipe, schedule, key, settings)

    examples = chooser.windows // windows.stride
    score = lambda average: Reconstruction(average, held_out, space.stats, 8).errors()
    draw = lambda average: Reconstruction(average, held_out, space.stats, 2).picture()
    run_cycles(space, name, stage, vae, recipe, examples, cycle, score, draw)


def longest_window(space: Workspace, frames: int, held_out: bool) -> int:
    """`frames`, or the longest multiple of 4 that one clip of that side has."""
    clips = space.store.frames(space.store.select(held_out, 1))
    return min(frames, int(clips.max()) // FRAMES_PER_LATENT * FRAMES_PER_LATENT)


def _write_vae_scores(space: Workspace, vae: MotionVAE, name: str, begun: float) -> None:
    if not first_process():
        return
    scores: dict[str, object] = {"minutes": round((time.monotonic() - begun) / 60, 1)}
    for side, held_out in (("train", False), ("held_out", True)):
        frames = longest_window(space, 240, held_out)
        chooser = WindowChooser(space.store, space.recipe.data, frames, held_out)
        scores[side] = Reconstruction(vae, chooser, space.stats).errors()
    space.write_json(name, scores)
    print(f"{name}: {scores}", flush=True)
