# SPDX-License-Identifier: GPL-3.0-or-later
"""Train a bundle's weights by a recipe: `python -m training.starter --data DIR --recipe FILE -o RUN`.

The run folder receives config.json, stats.npz, skeleton.json, vae.safetensors, denoiser.safetensors (denoiser
and text head, averaged weights), card.json with the scores, and the logs; `export` makes a bundle of it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import time
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader

from intermoe_engine.skeleton import SMPL22

from .data.cmu import load_cmu_pair
from .data.sequences import Sequence2, Statistics, augmented, sequence_of, statistics
from .model import InterMoE
from .optimisation import AveragedWeights, ConsoleProgress
from .recipe import Recipe, load_recipe
from .vae_training import PersonWindows, VAETraining, reconstruction_error, standardise_latents


@dataclasses.dataclass(frozen=True)
class StarterData:
    """Everything that both trainings read."""

    train: list[Sequence2]
    held_out: list[Sequence2]
    stats: Statistics
    offsets: torch.Tensor


def load_data(folder: Path, recipe: Recipe) -> StarterData:
    """Augmented training trials and unchanged held-out ones, with the statistics of the former."""
    clips = {trial: load_cmu_pair(folder, trial) for trial in recipe.train + recipe.held_out}
    train = [s for trial in recipe.train for s in augmented(clips[trial])]
    held_out = [sequence_of(clips[trial]) for trial in recipe.held_out]
    offsets = torch.tensor(clips[recipe.train[0]].rest_offsets[0], dtype=torch.float32)
    return StarterData(train, held_out, statistics(train, recipe.seed), offsets)


def save_facts(run: Path, recipe: Recipe, data: StarterData) -> None:
    """What a bundle needs besides weights."""
    run.mkdir(parents=True, exist_ok=True)
    np.savez(run / "stats.npz", mean=data.stats.mean.numpy(), std=data.stats.std.numpy())
    skeleton = SMPL22.with_offsets(data.offsets.numpy()).to_dict()
    (run / "skeleton.json").write_text(json.dumps(skeleton, indent=1), encoding="utf-8")
    (run / "config.json").write_text(json.dumps(recipe.model.to_dict(), indent=1), encoding="utf-8")


def fit(
    module: pl.LightningModule, dataset, steps: int, run: Path, name: str, average: AveragedWeights
) -> None:
    """Run (or go on with) a training of `steps` steps; the state is kept every 250 steps."""
    state = run / f"{name}-state"
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="auto",
        devices=1,
        gradient_clip_val=1.0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run,
        callbacks=[
            average,
            ConsoleProgress(name, steps, run / f"{name}-log.jsonl"),
            ModelCheckpoint(
                state, filename="last", every_n_train_steps=250, save_top_k=1, enable_version_counter=False
            ),
        ],
    )
    last = state / "last.ckpt"
    trainer.fit(
        module,
        DataLoader(dataset, batch_size=None),
        ckpt_path=last if last.exists() else None,
        weights_only=True,
    )
    shutil.rmtree(state, ignore_errors=True)


def train_vae(recipe: Recipe, data: StarterData, run: Path) -> InterMoE:
    """Train the VAE and write vae.safetensors with its reconstruction errors in vae-scores.json."""
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
            save_file(average.average.cpu().state_dict(), done)
        model.vae.load_state_dict(load_file(done))
    vae = model.vae.cpu().eval()
    standardise_latents(vae, data.train, data.stats)
    scores = {
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "train": reconstruction_error(vae, data.train, data.stats, data.offsets),
        "held_out": reconstruction_error(vae, data.held_out, data.stats, data.offsets),
    }
    save_file(vae.state_dict(), run / "vae.safetensors")
    (run / "vae-scores.json").write_text(json.dumps(scores, indent=1), encoding="utf-8")
    print(json.dumps(scores, indent=1))
    return model


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.starter", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with 60_NN.bvh and 61_NN.bvh")
    parser.add_argument("--recipe", type=Path, default=Path(__file__).parent / "recipes" / "starter.toml")
    parser.add_argument(
        "-o", "--run", type=Path, required=True, help="run folder; what is done there is kept"
    )
    parser.add_argument("--only", choices=("vae", "denoiser"), help="train just this half")
    args = parser.parse_args(argv)
    torch.set_float32_matmul_precision("high")
    recipe = load_recipe(args.recipe)
    data = load_data(args.data, recipe)
    save_facts(args.run, recipe, data)
    if args.only != "denoiser" and not (args.run / "vae.safetensors").exists():
        train_vae(recipe, data, args.run)
    if args.only != "vae":
        from .denoiser_training import train_denoiser

        r = recipe.denoiser
        config = dataclasses.replace(recipe.model, dropout=r.dropout, aux_bias_step=r.capacity_bias_step)
        model = InterMoE(config)
        model.vae.load_state_dict(load_file(args.run / "vae.safetensors"))
        train_denoiser(recipe, data, model, args.run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
