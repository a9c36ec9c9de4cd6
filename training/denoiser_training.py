# SPDX-License-Identifier: GPL-3.0-or-later
"""Training the denoiser and the text head as published: x0 prediction, dropped conditions, capacity bias."""

from __future__ import annotations

import json
import time
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .data.latent_pool import CaptionedLatents, LatentPool
from .data.salsa import SalsaData
from .data.salsa_captions import salsa_captions, split_captions
from .model import GaussianDiffusion, InterMoE, drop_condition
from .optimisation import AveragedWeights, fit, save_average, warm_up_cosine
from .recipe import DenoiserRecipe, Recipe
from .text.minilm import encode_captions


class Conditioned(nn.Module):
    """The two trained parts of this stage under their official names, so that one file holds both."""

    def __init__(self, model: InterMoE) -> None:
        super().__init__()
        self.denoiser = model.denoiser
        self.clipTransEncoder, self.clip_ln = model.clipTransEncoder, model.clip_ln


def sentence_vectors(model: InterMoE, states: Tensor, mask: Tensor) -> Tensor:
    """Sentence vectors (B, E) from token states (B, N, E) and their mask (B, N), read at the last token."""
    return model.text_head(states, mask.sum(dim=1) - 1, ~mask)


class DenoiserTraining(pl.LightningModule):
    """One optimisation step of denoiser and text head."""

    def __init__(self, model: InterMoE, recipe: DenoiserRecipe, cycle: int) -> None:
        super().__init__()
        self.model, self.recipe, self.cycle = model, recipe, cycle
        self.trained = Conditioned(model)
        self.diffusion = GaussianDiffusion()

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], index: int) -> Tensor:
        clean, states, mask = batch
        text = drop_condition(sentence_vectors(self.model, states, mask), self.recipe.condition_drop)
        timesteps = torch.randint(0, self.diffusion.total_steps, (len(clean),), device=clean.device)
        noisy = self.diffusion.q_sample(clean, timesteps, torch.randn_like(clean))
        loss = (self.model.denoiser(noisy, timesteps, text) - clean).square().mean()
        self.log("loss", loss.detach())
        return loss

    def on_train_batch_end(self, *args: object, **kwargs: object) -> None:
        self.model.update_capacity_bias()

    def configure_optimizers(self):
        rate = self.recipe.learning_rates[self.cycle]
        trained = self.trained
        text_head = [*trained.clipTransEncoder.parameters(), *trained.clip_ln.parameters()]
        optimizer = torch.optim.AdamW(
            [
                {"params": trained.denoiser.parameters(), "lr": rate},
                {"params": text_head, "lr": rate * self.recipe.text_rate},
            ],
            weight_decay=self.recipe.weight_decay,
        )
        schedule = warm_up_cosine(optimizer, self.recipe.warm_up, self.recipe.steps[self.cycle])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@torch.no_grad()
def validation_loss(model: InterMoE, data: CaptionedLatents, batches: int = 12) -> dict[str, float]:
    """Mean squared error of the prediction by noise level, with the text, without it and with a wrong one."""
    diffusion = GaussianDiffusion()
    generator = torch.Generator().manual_seed(0)
    totals: dict[str, list[float]] = {}
    for (clean, states, mask), _ in zip(data, range(batches), strict=False):
        text = sentence_vectors(model, states, mask)
        noise = torch.randn(clean.shape, generator=generator)
        for step in (100, 500, 900):
            timesteps = torch.full((len(clean),), step)
            noisy = diffusion.q_sample(clean, timesteps, noise)
            for name, condition in (
                ("text", text),
                ("none", torch.zeros_like(text)),
                ("wrong", text.roll(1, 0)),
            ):
                error = (model.denoiser(noisy, timesteps, condition) - clean).square().mean()
                totals.setdefault(f"{name}@{step}", []).append(float(error))
    return {name: float(np.mean(values)) for name, values in totals.items()}


def train_denoiser(recipe: Recipe, data: SalsaData, model: InterMoE, run: Path) -> None:
    """Train on the data's windows and write denoiser.safetensors and denoiser-scores.json."""
    pl.seed_everything(recipe.seed + 1, verbose=False)
    r = recipe.denoiser
    model.vae.eval()
    trained, held = split_captions(salsa_captions())
    states, mask = encode_captions([c.text for c in trained + held])
    states = states.astype(np.float16)
    pool = LatentPool(data.train, model.vae, data.stats, r.windows, r.max_frames, recipe.seed, report=True)
    held_pool = LatentPool(data.held_out, model.vae, data.stats, 64, r.max_frames, recipe.seed)
    split = len(trained)
    held_set = CaptionedLatents(held_pool, held, states[split:], mask[split:], r, recipe.seed)
    begun = time.monotonic()
    both = Conditioned(model)
    for cycle, steps in enumerate(r.steps):
        train_set = CaptionedLatents(pool, trained, states[:split], mask[:split], r, recipe.seed + cycle)
        done = run / f"denoiser-cycle-{cycle + 1}.safetensors"
        if not done.exists():
            average = AveragedWeights(both, r.ema_decay)
            name = f"denoiser-{cycle + 1}"
            fit(DenoiserTraining(model, r, cycle), train_set, steps, run, name, average)
            save_average(average, done, run, name)
        both.load_state_dict(load_file(done))
    model.cpu().eval()
    save_file(both.state_dict(), run / "denoiser.safetensors")
    scores = {
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "captions": {"trained": len(trained), "held_out": len(held)},
        "train": validation_loss(model, train_set),
        "held_out": validation_loss(model, held_set),
    }
    (run / "denoiser-scores.json").write_text(json.dumps(scores, indent=1), encoding="utf-8")
    print(json.dumps(scores, indent=1))
