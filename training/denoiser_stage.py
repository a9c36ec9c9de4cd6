# SPDX-License-Identifier: GPL-3.0-or-later
"""The denoiser's stage of a run: latents and sentences of the data, then denoiser and text head."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import lightning.pytorch as pl
import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from .batches.captions import CaptionPicker, ClipCaptions, SalsaCaptions, piece_tracks
from .batches.latent_store import CaptionedLatents, long_windows, open_latents
from .batches.pieces import Pieces, random_pieces, whole_pieces
from .batches.stream import Share, generator
from .batches.text_store import TextStore, open_texts
from .claims import teach_claims
from .cycles import DENOISER_STAGE, run_cycles, save_weights
from .data.salsa_captions import salsa_captions, split_captions
from .denoiser_training import (
    Conditioned,
    DenoiserTraining,
    prediction_errors,
    sample_latents,
    settle_experts,
)
from .fit.strips import strip
from .fit.trainer import Training
from .model import InterMoE, MotionVAE
from .model.config import FRAMES_PER_LATENT
from .model.linear_filter import LAGS
from .official_layout import write_official_layout
from .paraphrases import teach_paraphrases
from .processes import first_process, made_once
from .recipe import RecipeError
from .vae_stage import longest_window
from .workspace import DENOISER, VAE, Workspace

_PIECES = 9
_HELD_OUT_WINDOWS = 64


def train_denoiser(space: Workspace) -> None:
    """Train denoiser and text head on the VAE's latents and write denoiser.safetensors."""
    recipe, run = space.recipe.denoiser, space.run
    if (run / DENOISER).is_file():
        space.write_facts()
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
    if recipe.claim_steps and not (run / "denoiser-cycle-1.safetensors").is_file():
        _teach_text_head(space, trained, pieces)
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
    on_train = source((space.recipe.seed, DENOISER_STAGE, 99), 16)
    shares = settle_experts(trained, on_train)
    if shares.numel():
        print(
            f"experts take {float(shares.min()):.3f} to {float(shares.max()):.3f} of the frames", flush=True
        )
    made_once((run / DENOISER).is_file, lambda: save_weights(trained, run / DENOISER))
    if first_process():
        if space.recipe.model.feature_layout == "interhuman" and space.recipe.text.encoder == "clip":
            write_official_layout(run, space.recipe.model, run / DENOISER, run / VAE)
        scores = {
            "minutes": round((time.monotonic() - begun) / 60, 1),
            "train": prediction_errors(trained, on_train),
            "held_out": prediction_errors(trained, judged),
        }
        space.write_json("denoiser-scores.json", scores)
        print(f"denoiser-scores.json: {scores}", flush=True)


def _teach_text_head(space: Workspace, trained: Conditioned, pieces: Pieces) -> None:
    """Before all else the text head learns to tell sentences apart; see `claims` and `paraphrases`."""
    steps, key = space.recipe.denoiser.claim_steps, (space.recipe.seed, DENOISER_STAGE, 97)
    picker, texts = captions_of(space, pieces, held_out=False)
    if isinstance(picker, ClipCaptions):
        right = teach_paraphrases(trained, picker.candidates, texts, steps, key)
        print(f"text head: {right:.2f} of paraphrases found among a batch's clips", flush=True)
        return
    read = teach_claims(trained, split_captions(salsa_captions())[0], texts, steps, key)
    print(f"text head: claims read right {read}", flush=True)


def denoiser_pieces(space: Workspace, held_out: bool) -> Pieces:
    """What the denoiser sees of the data: see DenoiserRecipe."""
    recipe, data = space.recipe.denoiser, space.recipe.data
    rng = generator(space.recipe.seed, _PIECES, int(held_out))
    count = _HELD_OUT_WINDOWS if held_out else recipe.windows
    if recipe.one_length:
        frames = min(recipe.max_frames, longest_window(space, recipe.max_frames, held_out))
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
