# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe: one TOML file that says all there is to know about a training run."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from intermoe_engine.errors import EngineError

from .model import ModelConfig

RECIPES = Path(__file__).parent / "recipes"
_T = TypeVar("_T")


class RecipeError(EngineError, ValueError):
    """A recipe that cannot be followed; the message says what to change."""


@dataclass(frozen=True, kw_only=True)
class TrainerRecipe:
    """How steps are run, whatever is trained.

    precision: "32", "bf16", "16", or "auto": bf16 where a GPU has it, 16 on an older GPU, 32 on a CPU.
    clip: largest gradient, by "norm" over all of it or by "value" of each entry; 0: not clipped.
    workers: processes that make batches; -1: as many as suit the machine.
    save, log, strip, score: every so many steps; 0: never.
    """

    precision: str = "auto"
    clip: float = 1.0
    clip_by: str = "norm"
    workers: int = -1
    save: int = 250
    log: int = 50
    strip: int = 1000
    score: int = 1000

    def __post_init__(self) -> None:
        _one_of("precision", self.precision, ("auto", "32", "bf16", "16"))
        _one_of("clip_by", self.clip_by, ("norm", "value"))


@dataclass(frozen=True, kw_only=True)
class DataRecipe:
    """Which clips are trained on.

    kind: "cache" (what `intermoe train prepare` made) or "salsa" (a folder with 60_NN.bvh and 61_NN.bvh).
    train, held_out: names of clips, with * and ?; trials of the salsa. Without them a cache's own splits
    count (train; val), or where it has none every tenth clip is held out.
    speeds: every clip is kept at each of these. mirror, swap: windows are also shown in a mirror, and with
    person B first; captions follow.
    statistics: a folder with global_mean.npy and global_std.npy to normalise by instead of the data's own.
    """

    kind: str = "cache"
    train: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    speeds: tuple[float, ...] = (1.0,)
    mirror: bool = True
    swap: bool = True
    statistics: str = ""

    def __post_init__(self) -> None:
        _one_of("kind", self.kind, ("cache", "salsa"))


@dataclass(frozen=True, kw_only=True)
class TextRecipe:
    """The frozen sentence encoder: "minilm" or "clip"; weights: CLIP's file or folder, which users bring."""

    encoder: str = "minilm"
    weights: str = ""

    def __post_init__(self) -> None:
        _one_of("encoder", self.encoder, ("minilm", "clip"))


@dataclass(frozen=True, kw_only=True)
class ScheduleRecipe:
    """Cycles of warm-up and cosine; each begins with a fresh optimizer from the averages before.

    steps (or epochs, passes over the data) and learning_rates: one for each cycle. batch: pairs over all
    devices together. warm_up: steps, or with epochs, epochs. optimizer: "adamw", or "muon" for the hidden
    matrices with AdamW for everything else; muon_rate: Muon's learning rate in parts of AdamW's; beta2: of
    AdamW.
    """

    steps: tuple[int, ...] = ()
    epochs: tuple[int, ...] = ()
    learning_rates: tuple[float, ...]
    batch: int
    warm_up: int = 0
    weight_decay: float = 2e-5
    ema_decay: float = 0.999
    optimizer: str = "adamw"
    muon_rate: float = 1.0
    beta2: float = 0.999

    def __post_init__(self) -> None:
        _one_of("optimizer", self.optimizer, ("adamw", "muon"))
        if bool(self.steps) == bool(self.epochs):
            raise RecipeError("give either steps or epochs")
        if len(self.steps or self.epochs) != len(self.learning_rates):
            raise RecipeError("learning_rates needs one entry for each cycle of steps or epochs")
        if min(self.steps or self.epochs) < 1 or self.batch < 1:
            raise RecipeError("steps, epochs and batch must be 1 or more")

    def cycle_steps(self, examples: int) -> tuple[int, ...]:
        """Steps of each cycle, where an epoch has so many examples."""
        return self.steps or tuple(epochs * self._steps_of_epoch(examples) for epochs in self.epochs)

    def warm_up_steps(self, examples: int) -> int:
        """Steps of the warm-up."""
        return self.warm_up if self.steps else self.warm_up * self._steps_of_epoch(examples)

    def _steps_of_epoch(self, examples: int) -> int:
        return max(1, -(-examples // self.batch))


@dataclass(frozen=True, kw_only=True)
class VAERecipe(ScheduleRecipe):
    """Windows of `frames` frames, a multiple of 4.

    lead_in: windows lie up to so many frames behind the frame that their coordinates come from, as in long
    takes. stride: an epoch holds a window every so many frames. weights: of the terms of the loss where
    they differ from `VAEWeights`.
    """

    frames: int
    dropout: float = 0.0
    lead_in: int = 236
    stride: int = 10
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames < 4 or self.frames % 4:
            raise RecipeError(f"frames is {self.frames}; it must be a multiple of 4")


@dataclass(frozen=True, kw_only=True)
class DecoderRecipe(ScheduleRecipe):
    """Training of the VAE's decoder alone.

    noise: in multiples of the encoder's own uncertainty. spread: instead of it, up to so much noise, in parts
    of each latent number's deviation, another amount for each window: what a denoiser gets wrong. weights: as
    in VAERecipe; kl counts nothing here.
    """

    noise: float = 1.0
    spread: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DenoiserRecipe(ScheduleRecipe):
    """Latents of min_frames … max_frames frames, cut from `windows` windows that are encoded once.

    windows 0: each clip once in each view, longer clips in several pieces. one_length: every batch has one
    random length, for captions that hold for any part of a clip; otherwise windows keep their own.
    text_rate: the text head's learning rate in parts of the denoiser's; at the full rate its post-norm
    layers come to say the same of every sentence. claim_steps: steps before all others in which the text head
    learns what sentences claim (salsa) or which of them speak of one clip (a cache).
    """

    min_frames: int
    max_frames: int
    windows: int = 0
    one_length: bool = False
    text_rate: float = 1.0
    claim_steps: int = 0
    dropout: float = 0.1
    condition_drop: float = 0.1
    capacity_bias_step: float = 0.001

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 4 <= self.min_frames <= self.max_frames:
            raise RecipeError("min_frames must be 4 or more and no more than max_frames")


@dataclass(frozen=True, kw_only=True)
class EvaluatorRecipe(ScheduleRecipe):
    """The contrastive evaluator; sizes: entries of EvaluatorConfig that differ from the official ones.

    scale: length of embeddings at the first step, learned on from there: 1 as published. AdamW moves it by no
    more than the learning rate a step, so that a short training needs to begin with more.
    """

    scale: float = 1.0
    min_frames: int = 15
    max_frames: int = 300
    dropout: float = 0.1
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SamplingRecipe:
    """How a bundle of the run samples unless it is told otherwise: steps and guidance.

    calibration_pairs: takes sampled after training to measure by how much predictions fall short of the
    data's deviation, see training.calibration; 0: not done. Needs [model] prediction "residual".
    """

    steps: int = 50
    guidance: float = 3.5
    calibration_pairs: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 1000 or not 0.0 <= self.guidance <= 100.0 or self.calibration_pairs < 0:
            raise RecipeError(
                "steps must lie between 1 and 1000, guidance between 0 and 100, calibration_pairs not below 0"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides the outcome of a run, apart from the data themselves."""

    name: str
    seed: int
    model: ModelConfig
    data: DataRecipe
    text: TextRecipe
    trainer: TrainerRecipe
    vae: VAERecipe
    denoiser: DenoiserRecipe
    decoder: DecoderRecipe | None = None
    evaluator: EvaluatorRecipe | None = None
    sampling: SamplingRecipe = SamplingRecipe()

    def __post_init__(self) -> None:
        if self.sampling.calibration_pairs and self.model.prediction != "residual":
            raise RecipeError('[sampling] calibration_pairs needs [model] prediction "residual"')


def find_recipe(name: str) -> Path:
    """The file of a recipe: a path, or the name of one in training/recipes. Raises RecipeError."""
    path = Path(name)
    if path.suffix == ".toml":
        return path
    known = RECIPES / f"{name}.toml"
    if not known.is_file():
        names = ", ".join(sorted(p.stem for p in RECIPES.glob("*.toml")))
        raise RecipeError(f"there is no recipe {name!r}; give a .toml file or one of {names}")
    return known


def load_recipe(path: Path) -> Recipe:
    """Read a recipe. Raises RecipeError naming the file and the entry, OSError when it cannot be read."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not a TOML file: {error}") from None
    try:
        sections: dict[str, Any] = {
            "data": _section(DataRecipe, data.pop("data", {}), f"{path} [data]"),
            "text": _section(TextRecipe, data.pop("text", {}), f"{path} [text]"),
            "trainer": _section(TrainerRecipe, data.pop("trainer", {}), f"{path} [trainer]"),
            "vae": _section(VAERecipe, data.pop("vae"), f"{path} [vae]"),
            "denoiser": _section(DenoiserRecipe, data.pop("denoiser"), f"{path} [denoiser]"),
            "sampling": _section(SamplingRecipe, data.pop("sampling", {}), f"{path} [sampling]"),
        }
        for name, kind in (("decoder", DecoderRecipe), ("evaluator", EvaluatorRecipe)):
            if name in data:
                sections[name] = _section(kind, data.pop(name), f"{path} [{name}]")
        model = ModelConfig.from_dict(data.pop("model"))
        recipe = Recipe(name=data.pop("name"), seed=data.pop("seed"), model=model, **sections)
    except KeyError as error:
        raise RecipeError(f"{path}: the entry {error} is missing") from None
    except ValueError as error:
        message = str(error)
        raise RecipeError(message if message.startswith(str(path)) else f"{path}: {message}") from None
    if data:
        raise RecipeError(f"{path}: {', '.join(sorted(data))} is not known; remove it")
    return recipe


def _section(kind: type[_T], values: dict[str, Any], where: str) -> _T:
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    for name in sorted(set(values) - {f.name for f in fields}):
        raise RecipeError(f"{where}: {name} is not known; remove it")
    for f in fields:
        needed = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if needed and f.name not in values:
            raise RecipeError(f"{where}: {f.name} is missing")
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        return kind(**plain)
    except (RecipeError, TypeError) as error:
        raise RecipeError(f"{where}: {error}") from None


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RecipeError(f"{name} is {value!r}; use {', '.join(choices)}")
