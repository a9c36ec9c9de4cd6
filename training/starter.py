# SPDX-License-Identifier: GPL-3.0-or-later
"""Train a bundle's weights by a recipe: `python -m training.starter --data DIR --recipe FILE -o RUN`.

The run folder receives config.json, stats.npz, skeleton.json, vae.safetensors, denoiser.safetensors (denoiser
and text head, averaged weights), card.json with the scores, and the logs; `export` makes a bundle of it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from safetensors.torch import load_file, save_file

from intermoe_engine.atomic import replacing
from intermoe_engine.formats.bvh_reader import BvhError
from intermoe_engine.skeleton import SMPL22

from .data.salsa import SalsaData, load_salsa
from .denoiser_training import train_denoiser
from .model import InterMoE, MotionVAE
from .optimisation import AveragedWeights, fit, save_average
from .recipe import Recipe, RecipeError, load_recipe
from .vae_training import (
    DecoderTraining,
    PersonWindows,
    VAETraining,
    reconstruction_error,
    standardise_latents,
)


def save_facts(run: Path, recipe: Recipe, data: SalsaData) -> None:
    """What a bundle needs besides weights."""
    run.mkdir(parents=True, exist_ok=True)
    np.savez(run / "stats.npz", mean=data.stats.mean.numpy(), std=data.stats.std.numpy())
    skeleton = SMPL22.with_offsets(data.offsets.numpy()).to_dict()
    (run / "skeleton.json").write_text(json.dumps(skeleton, indent=1), encoding="utf-8")
    (run / "config.json").write_text(json.dumps(recipe.model.to_dict(), indent=1), encoding="utf-8")


COARSE_VAE = "vae-coarse.safetensors"
"""The VAE whose latents the denoiser learns; the decoder is trained further."""


def train_vae(recipe: Recipe, data: SalsaData, run: Path) -> None:
    """Train the VAE in its cycles, standardise its latents, and write vae-coarse.safetensors."""
    pl.seed_everything(recipe.seed, verbose=False)
    model = InterMoE(dataclasses.replace(recipe.model, dropout=recipe.vae.dropout))
    begun = time.monotonic()
    for cycle, steps in enumerate(recipe.vae.steps):
        done = run / f"vae-cycle-{cycle + 1}.safetensors"
        if not done.exists():
            average = AveragedWeights(model.vae, recipe.vae.ema_decay)
            module = VAETraining(model.vae, recipe.vae, cycle, data.stats, data.offsets)
            windows = PersonWindows(data.train, data.stats, recipe.vae, recipe.seed + cycle)
            fit(module, windows, steps, run, f"vae-{cycle + 1}", average)
            save_average(average, done, run, f"vae-{cycle + 1}")
        model.vae.load_state_dict(load_file(done))
    vae = model.vae.cpu().eval()
    standardise_latents(vae, data.train, data.stats)
    with replacing(run / COARSE_VAE) as temporary:
        save_file(vae.state_dict(), temporary)
    write_scores(vae, data, run / "vae-coarse-scores.json", begun)


def train_decoder(recipe: Recipe, data: SalsaData, run: Path) -> None:
    """Train the decoder on, the latents unchanged, and write vae.safetensors and vae-scores.json."""
    pl.seed_everything(recipe.seed + 2, verbose=False)
    vae = InterMoE(dataclasses.replace(recipe.model, dropout=0.0)).vae
    vae.load_state_dict(load_file(run / COARSE_VAE))
    average = AveragedWeights(vae, recipe.decoder.ema_decay)
    module = DecoderTraining(vae, recipe.decoder, data.stats, data.offsets)
    windows = PersonWindows(data.train, data.stats, recipe.vae, recipe.seed + 9)
    begun = time.monotonic()
    fit(module, windows, recipe.decoder.steps, run, "decoder", average)
    save_average(average, run / "vae.safetensors", run, "decoder")
    trained = average.average
    assert isinstance(trained, MotionVAE)
    write_scores(trained, data, run / "vae-scores.json", begun)


def write_scores(vae: MotionVAE, data: SalsaData, path: Path, begun: float) -> None:
    """Reconstruction errors on training and held-out trials, and the minutes since `begun`."""
    scores = {
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "train": reconstruction_error(vae, data.train, data.stats, data.offsets),
        "held_out": reconstruction_error(vae, data.held_out, data.stats, data.offsets),
    }
    path.write_text(json.dumps(scores, indent=1), encoding="utf-8")
    print(json.dumps(scores, indent=1))


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status, 1 where recipe or data cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m training.starter", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with 60_NN.bvh and 61_NN.bvh")
    parser.add_argument("--recipe", type=Path, default=Path(__file__).parent / "recipes" / "starter.toml")
    parser.add_argument(
        "-o", "--run", type=Path, required=True, help="run folder; what is done there is kept"
    )
    parser.add_argument("--only", choices=("vae", "decoder", "denoiser"), help="train just this part")
    args = parser.parse_args(argv)
    torch.set_float32_matmul_precision("high")
    try:
        recipe = load_recipe(args.recipe)
        data = load_salsa(args.data, recipe)
        save_facts(args.run, recipe, data)
    except (BvhError, OSError, RecipeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if args.only in (None, "vae") and not (args.run / COARSE_VAE).exists():
        train_vae(recipe, data, args.run)
    if args.only in (None, "decoder") and not (args.run / "vae.safetensors").exists():
        train_decoder(recipe, data, args.run)
    if args.only in (None, "denoiser"):
        r = recipe.denoiser
        config = dataclasses.replace(recipe.model, dropout=r.dropout, aux_bias_step=r.capacity_bias_step)
        model = InterMoE(config)
        model.vae.load_state_dict(load_file(args.run / COARSE_VAE))
        train_denoiser(recipe, data, model, args.run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
