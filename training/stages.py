# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of a run: VAE, its decoder further, denoiser. Each goes on from wherever it was stopped."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from intermoe_engine.atomic import replacing

from .batches.captions import CaptionPicker, ClipCaptions, SalsaCaptions, piece_tracks
from .batches.latent_store import CaptionedLatents, long_windows, open_latents
from .batches.pieces import Pieces, random_pieces, whole_pieces
from .batches.stream import Share, generator
from .batches.text_store import TextStore, open_texts
from .batches.windows import PersonWindows, WindowChooser
from .claims import teach_claims
from .data.salsa_captions import salsa_captions, split_captions
from .denoiser_training import Conditioned, DenoiserTraining, prediction_errors, sample_latents
from .fit.averaging import AveragedWeights
from .fit.strips import strip
from .fit.throughput import ProfileDone, measure
from .fit.trainer import Training, finish, fit
from .losses import VAEWeights
from .model import InterMoE, MotionVAE
from .model.config import FRAMES_PER_LATENT
from .model.linear_filter import LAGS
from .official_layout import write_official_layout
from .processes import first_process, made_once
from .recipe import RecipeError, ScheduleRecipe
from .vae_training import Reconstruction, VAETraining, standardise_latents
from .workspace import COARSE_VAE, DENOISER, VAE, Workspace

VAE_STAGE, DECODER_STAGE, DENOISER_STAGE, EVALUATOR_STAGE = 1, 2, 3, 4
_PIECES = 9
_HELD_OUT_WINDOWS = 64

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
        chooser = WindowChooser(space.store, recipe.data, _fitting(space, 240, held_out=False))
        rng = np.random.default_rng(1)
        windows = [chooser.cut(chooser.choose(rng, 16))[0].flatten(0, 1) for _ in range(8)]
        size = space.layout.size
        standardise_latents(vae, [space.stats.normalise(w)[..., :size] for w in windows])
        made_once(coarse.is_file, lambda: _save(vae, coarse))
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
    made_once((space.run / VAE).is_file, lambda: _save(vae, space.run / VAE))
    _write_vae_scores(space, vae, "vae-scores.json", begun)


def _train_vae_cycles(
    space: Workspace, name: str, stage: int, vae: MotionVAE, recipe: ScheduleRecipe, weights: VAEWeights
) -> None:
    windows = space.recipe.vae
    chooser = WindowChooser(space.store, space.recipe.data, windows.frames)
    held_out = WindowChooser(
        space.store, space.recipe.data, _fitting(space, 240, held_out=True), held_out=True
    )

    def cycle(k: int, schedule: tuple[int, int, float], key: tuple[int, ...]) -> Training:
        source = PersonWindows(chooser, space.stats, recipe.batch, windows.lead_in, key)
        settings = space.recipe.trainer
        return VAETraining(vae, source, space.stats, space.layout, weights, recipe, schedule, key, settings)

    examples = chooser.windows // windows.stride
    score = lambda average: Reconstruction(average, held_out, space.stats, 8).errors()
    draw = lambda average: Reconstruction(average, held_out, space.stats, 2).picture()
    run_cycles(space, name, stage, vae, recipe, examples, cycle, score, draw)


def _fitting(space: Workspace, frames: int, held_out: bool) -> int:
    """`frames`, or the longest multiple of 4 that one clip of that side has."""
    clips = space.store.frames(space.store.select(held_out, 1))
    return min(frames, int(clips.max()) // FRAMES_PER_LATENT * FRAMES_PER_LATENT)


def _write_vae_scores(space: Workspace, vae: MotionVAE, name: str, begun: float) -> None:
    if not first_process():
        return
    scores: dict[str, object] = {"minutes": round((time.monotonic() - begun) / 60, 1)}
    for side, held_out in (("train", False), ("held_out", True)):
        frames = _fitting(space, 240, held_out)
        chooser = WindowChooser(space.store, space.recipe.data, frames, held_out)
        scores[side] = Reconstruction(vae, chooser, space.stats).errors()
    space.write_json(name, scores)
    print(f"{name}: {scores}", flush=True)


def train_denoiser(space: Workspace) -> None:
    """Train denoiser and text head on the VAE's latents and write denoiser.safetensors."""
    recipe, run = space.recipe.denoiser, space.run
    if (run / DENOISER).is_file():
        return
    if not space.latents_vae.is_file():
        raise RecipeError(f"{run} has no trained VAE yet; run `intermoe train vae` with the same -o first")
    space.write_facts()
    pl.seed_everything(space.recipe.seed + 1, verbose=False)
    config = dataclasses.replace(
        space.recipe.model, dropout=recipe.dropout, aux_bias_step=recipe.capacity_bias_step
    )
    model = InterMoE(config)
    model.vae.load_state_dict(load_file(space.latents_vae))
    begun = time.monotonic()
    pieces = denoiser_pieces(space, held_out=False)
    source = captioned_latents(space, model.vae, pieces, held_out=False)
    held_pieces = denoiser_pieces(space, held_out=True)
    held_out = captioned_latents(space, model.vae, held_pieces, held_out=True)
    trained = Conditioned(model)
    if recipe.claim_steps:
        if space.recipe.data.kind != "salsa":
            raise RecipeError("[denoiser] claim_steps works on the salsa captures alone; remove it")
        captions = split_captions(salsa_captions())[0]
        _, texts = captions_of(space, pieces, held_out=False)
        read = teach_claims(
            trained, captions, texts, recipe.claim_steps, (space.recipe.seed, DENOISER_STAGE, 97)
        )
        print(f"text head: claims read right {read}", flush=True)
    if model.denoiser.filter is not None:
        key = (space.recipe.seed, DENOISER_STAGE, 98)
        windows = long_windows(source(key, 1).latents, LAGS + 8, key)
        if windows.shape[1] == 0:
            seconds = (LAGS + 8) * FRAMES_PER_LATENT / 30
            raise RecipeError(f'[model] prediction "residual" needs clips of {seconds:.1f} s; use "x0"')
        model.denoiser.filter.fit(windows)

    def cycle(k: int, schedule: tuple[int, int, float], key: tuple[int, ...]) -> Training:
        stream = source((*key,), recipe.batch)
        return DenoiserTraining(trained, stream, recipe, schedule, key, space.recipe.trainer)

    judged = held_out((space.recipe.seed, DENOISER_STAGE), 16)
    score = lambda average: prediction_errors(average, judged)
    draw = lambda average: _picture(space, average, model.vae, judged)
    run_cycles(space, "denoiser", DENOISER_STAGE, trained, recipe, len(pieces), cycle, score, draw)
    made_once((run / DENOISER).is_file, lambda: _save(trained, run / DENOISER))
    if first_process():
        if space.recipe.model.feature_layout == "interhuman" and space.recipe.text.encoder == "clip":
            write_official_layout(run, space.recipe.model, run / DENOISER, run / VAE)
        on_train = source((space.recipe.seed, DENOISER_STAGE, 99), 16)
        scores = {
            "minutes": round((time.monotonic() - begun) / 60, 1),
            "train": prediction_errors(trained, on_train),
            "held_out": prediction_errors(trained, judged),
        }
        space.write_json("denoiser-scores.json", scores)
        print(f"denoiser-scores.json: {scores}", flush=True)


def denoiser_pieces(space: Workspace, held_out: bool) -> Pieces:
    """What the denoiser sees of the data: see DenoiserRecipe."""
    recipe, data = space.recipe.denoiser, space.recipe.data
    rng = generator(space.recipe.seed, _PIECES, int(held_out))
    count = _HELD_OUT_WINDOWS if held_out else recipe.windows
    if recipe.one_length:
        frames = min(recipe.max_frames, _fitting(space, recipe.max_frames, held_out))
        return random_pieces(space.store, data, frames, count or 1000, rng, held_out)
    return whole_pieces(space.store, data, recipe.min_frames, recipe.max_frames, rng, held_out, count)


def captions_of(space: Workspace, pieces: Pieces, held_out: bool) -> tuple[CaptionPicker, TextStore]:
    """Which sentences go with pieces, and what the sentence encoder says of them."""
    picker: CaptionPicker
    if space.recipe.data.kind == "salsa":
        leads = [space.store.clips[c].roles.index("lead") for c in pieces.clip]
        captions = split_captions(salsa_captions())[int(held_out)]
        picker = SalsaCaptions(captions, piece_tracks(space.store, pieces), np.array(leads) ^ pieces.swap)
    else:
        picker = ClipCaptions(space.store, pieces)
    side = "held-out" if held_out else "train"
    texts = open_texts(space.run / "work" / f"text-{side}", picker.texts, space.recipe.text)
    return picker, texts


def captioned_latents(
    space: Workspace, vae: MotionVAE, pieces: Pieces, held_out: bool
) -> Callable[[tuple[int, ...], int], CaptionedLatents]:
    """Encode pieces and their sentences; what comes back makes batches from (random key, batch size)."""
    side = "held-out" if held_out else "train"
    folder, device = space.run / "work" / f"latents-{side}", space.devices.torch_device()
    latents = open_latents(folder, space.store, pieces, vae, space.stats, device)
    picker, texts = captions_of(space, pieces, held_out)
    if texts.width != space.recipe.model.text_width:
        raise RecipeError(
            f"[model] text_width is {space.recipe.model.text_width}, but {space.recipe.text.encoder} "
            f"gives {texts.width}; change one of them"
        )
    recipe = space.recipe.denoiser
    shortest = max(1, recipe.min_frames // FRAMES_PER_LATENT)
    return lambda key, batch: CaptionedLatents(
        latents, picker, texts, batch, shortest, recipe.one_length, key
    )


@torch.no_grad()
def _picture(space: Workspace, trained: nn.Module, vae: MotionVAE, source: CaptionedLatents) -> np.ndarray:
    """Two held-out sentences: the captured motion and a sample."""
    assert isinstance(trained, Conditioned)
    whole = source.batch(0, Share())
    batch = {k: v[:2] if isinstance(v, torch.Tensor) else v for k, v in whole.items()}
    made = sample_latents(trained, batch, guidance=2.0).cpu()
    rows = []
    for k in range(len(made)):
        length = int(batch["lengths"][k])
        for title, latents in (("captured, by the VAE", batch["latents"][k]), ("sampled", made[k])):
            people = torch.stack(latents[:length].chunk(2, dim=-1)).unflatten(-1, vae.latent_mean.shape)
            motion = space.stats.denormalise(vae.cpu().decode(people))
            rows.append((title, space.layout.joint_positions(motion).numpy()))
    return strip(rows, space.layout.parents)


def _save(module: nn.Module, path: Path) -> None:
    with replacing(path) as temporary:
        save_file({k: v.contiguous() for k, v in module.state_dict().items()}, temporary)
