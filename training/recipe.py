# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe: one TOML file that says all there is to know about a training run."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .model import ModelConfig

_T = TypeVar("_T")


class RecipeError(ValueError):
    """A recipe that cannot be followed; the message says what to change."""


@dataclass(frozen=True)
class VAERecipe:
    """Steps of `batch` pairs of `frames` frames.

    Cycle k takes steps[k] steps from learning_rates[k] down a cosine, with a fresh optimizer, from the
    averaged weights of the cycle before.
    """

    steps: tuple[int, ...]
    learning_rates: tuple[float, ...]
    batch: int
    frames: int
    weight_decay: float
    warm_up: int
    dropout: float
    ema_decay: float


@dataclass(frozen=True)
class DecoderRecipe:
    """Steps of the VAE's decoder alone. noise: in multiples of the encoder's own uncertainty."""

    steps: int
    learning_rate: float
    warm_up: int
    ema_decay: float
    noise: float
    slide_weight: float


@dataclass(frozen=True)
class DenoiserRecipe:
    """Steps of `batch` pairs of min_frames … max_frames frames, cut from `windows` encoded ones.

    Cycles as in VAERecipe. text_rate: the text head's learning rate in parts of the denoiser's; at the full
    rate its post-norm layers come to say the same of every sentence.
    """

    steps: tuple[int, ...]
    learning_rates: tuple[float, ...]
    text_rate: float
    batch: int
    min_frames: int
    max_frames: int
    windows: int
    weight_decay: float
    warm_up: int
    dropout: float
    ema_decay: float
    condition_drop: float
    capacity_bias_step: float


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a run, apart from the data themselves."""

    name: str
    seed: int
    train: tuple[str, ...]
    held_out: tuple[str, ...]
    model: ModelConfig
    vae: VAERecipe
    decoder: DecoderRecipe
    denoiser: DenoiserRecipe


def load_recipe(path: Path) -> Recipe:
    """Read a recipe. Raises RecipeError naming the file and the entry, OSError when it cannot be read."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not a TOML file: {error}") from None
    try:
        return Recipe(
            name=data["name"],
            seed=data["seed"],
            train=tuple(data["data"]["train"]),
            held_out=tuple(data["data"]["held_out"]),
            model=ModelConfig.from_dict(data["model"]),
            vae=_section(VAERecipe, data["vae"], f"{path} [vae]"),
            decoder=_section(DecoderRecipe, data["decoder"], f"{path} [decoder]"),
            denoiser=_section(DenoiserRecipe, data["denoiser"], f"{path} [denoiser]"),
        )
    except KeyError as error:
        raise RecipeError(f"{path}: the entry {error} is missing") from None


def _section(kind: type[_T], values: dict[str, Any], where: str) -> _T:
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in sorted(known ^ set(values)):
        raise RecipeError(f"{where}: {name} is {'missing' if name in known else 'not known'}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
