# SPDX-License-Identifier: GPL-3.0-or-later
"""What `intermoe train vae|denoiser|evaluator|all` does."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import torch

from intermoe_engine.atomic import replacing

from .calibration import calibrate
from .denoiser_stage import train_denoiser
from .fit.throughput import ProfileDone
from .fit.trainer import Devices
from .processes import first_process
from .recipe import Recipe, RecipeError, SamplingRecipe, TrainerRecipe, find_recipe, load_recipe
from .vae_stage import train_vae
from .workspace import Workspace

RECIPE = "recipe.toml"


def run(args: argparse.Namespace) -> int:
    """Train the stage that the arguments name. Raises EngineError with what to do."""
    try:
        recipe = _recipe(args.config, args.output, args.resume, args.stage)
        if args.precision:
            trainer = dataclasses.replace(recipe.trainer, precision=args.precision)
            recipe = dataclasses.replace(recipe, trainer=trainer)
        if args.text_weights:
            text = dataclasses.replace(recipe.text, weights=args.text_weights)
            recipe = dataclasses.replace(recipe, text=text)
        if min(args.nodes, args.devices + 1) < 1:
            raise RecipeError("--devices and --nodes must be positive")
        if args.accelerator == "gpu" and not torch.cuda.is_available():
            raise RecipeError("torch finds no GPU; install it with CUDA, or leave --accelerator out")
        devices = Devices(args.devices, args.nodes, args.accelerator)
        space = Workspace(recipe, args.data, args.output, devices, args.profile)
        if args.stage in ("vae", "all"):
            train_vae(space)
        if args.stage in ("denoiser", "all"):
            train_denoiser(space)
            calibrate(space)
        if args.stage == "evaluator":
            from .evaluator_training import train_evaluator

            train_evaluator(space)
    except ProfileDone:
        return 0
    return 0


def _recipe(config: str | None, run: Path, resume: bool, stage: str) -> Recipe:
    """The recipe that was asked for, kept in the run's folder, so that nobody goes on with another one."""
    kept = run / RECIPE
    if resume and not kept.is_file():
        raise RecipeError(f"{run} holds no run to go on with; leave --resume out to begin one")
    if config is None:
        if not kept.is_file():
            raise RecipeError(
                "name a recipe: --config starter, salsa, interhuman, interx, studio or a .toml file"
            )
        return load_recipe(kept)
    path = find_recipe(config)
    recipe = load_recipe(path)
    if kept.is_file():
        if _decisive(load_recipe(kept), stage) != _decisive(recipe, stage):
            raise RecipeError(f"{run} was begun with another recipe; name a new folder or leave --config out")
    elif first_process():
        with replacing(kept) as temporary:
            temporary.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return recipe


def _decisive(recipe: Recipe, stage: str) -> Recipe:
    """The recipe without what decides how, not what, is trained; the evaluator's part is for itself alone."""
    trainer = TrainerRecipe(clip=recipe.trainer.clip, clip_by=recipe.trainer.clip_by)
    text = dataclasses.replace(recipe.text, weights="")
    evaluator = recipe.evaluator if stage == "evaluator" else None
    return dataclasses.replace(
        recipe, trainer=trainer, text=text, sampling=SamplingRecipe(), evaluator=evaluator
    )
