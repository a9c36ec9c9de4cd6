# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stages of a run share: cycles that go on from wherever they were stopped, and weights as files."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file
from torch import nn

from intermoe_engine.atomic import replacing

from .fit.averaging import AveragedWeights
from .fit.throughput import ProfileDone, measure
from .fit.trainer import Training, finish, fit
from .processes import first_process, made_once
from .recipe import RecipeError, ScheduleRecipe
from .workspace import Workspace

VAE_STAGE, DECODER_STAGE, DENOISER_STAGE, EVALUATOR_STAGE = 1, 2, 3, 4

Cycle = Callable[[int, tuple[int, int, float], tuple[int, ...]], Training]


def run_cycles(
    space: Workspace,
    name: str,
    stage: int,
    module: nn.Module,
    recipe: ScheduleRecipe,
    examples: int,
    cycle: Cycle,
    score: Callable[[nn.Module], dict[str, float]],
    draw: Callable[[nn.Module], np.ndarray] | None = None,
) -> None:
    """Train `module` in the recipe's cycles; it ends with the averaged weights of the last one.

    cycle: makes the training of cycle k from (k, (steps, warm-up, rate), random key). score and draw look at
    the averages. A cycle whose weights lie in the run's folder is not done again.
    """
    if recipe.batch % (space.devices.count * space.devices.nodes):
        count = space.devices.count * space.devices.nodes
        raise RecipeError(f"[{name}] batch {recipe.batch} cannot be shared by {count} devices; change one")
    warm_up = recipe.warm_up_steps(examples)
    for k, steps in enumerate(recipe.cycle_steps(examples)):
        label = f"{name}-{k + 1}"
        done = space.run / f"{name}-cycle-{k + 1}.safetensors"
        if not done.is_file():
            key = (space.recipe.seed, stage, k)
            average = AveragedWeights(module, recipe.ema_decay)
            training = cycle(k, (steps, warm_up, recipe.learning_rates[k]), key)
            if space.profile:
                measure(training, name, space.devices)
                raise ProfileDone
            fit(
                training,
                average,
                label,
                steps,
                space.run,
                space.recipe.trainer,
                space.devices,
                functools.partial(score, average.average),
                functools.partial(draw, average.average) if draw else None,
            )
            if first_process():
                finish(average, done, space.run, label)
        made_once(done.is_file, lambda: None)
        module.load_state_dict(load_file(done))
    module.cpu().eval()


def save_weights(module: nn.Module, path: Path) -> None:
    """Write a module's state as safetensors, whole or not at all."""
    with replacing(path) as temporary:
        save_file({k: v.contiguous() for k, v in module.state_dict().items()}, temporary)
