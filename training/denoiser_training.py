# SPDX-License-Identifier: GPL-3.0-or-later
"""Training the denoiser and the text head as published: x0 prediction, dropped conditions, capacity bias."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .batches.latent_store import CaptionedLatents
from .batches.stream import BatchSource, Share, moved
from .fit.experts import ExpertLoads, settle_biases
from .fit.optimizers import build_optimizer, warm_up_cosine
from .fit.trainer import Training
from .model import GaussianDiffusion, InterMoE
from .recipe import DenoiserRecipe, TrainerRecipe


class Conditioned(nn.Module):
    """The two trained parts of this stage under their official names, so that one file holds both."""

    def __init__(self, model: InterMoE) -> None:
        super().__init__()
        self.denoiser = model.denoiser
        self.clipTransEncoder, self.clip_ln = model.clipTransEncoder, model.clip_ln

    def sentence_vectors(self, batch: dict[str, Tensor]) -> Tensor:
        """Sentence vectors (B, E) from token states (B, N, E), read at the end token (B,)."""
        x = self.clip_ln(self.clipTransEncoder(batch["states"], batch["valid"]))
        index = batch["end"].reshape(-1, 1, 1).expand(-1, 1, x.shape[-1])
        return torch.gather(x, 1, index).squeeze(1)

    def predict(self, noisy: Tensor, timesteps: Tensor, text: Tensor, batch: dict[str, Any]) -> Tensor:
        """Clean latents (B, T, 2D) of a batch's noisy ones, whose frames behind `lengths` are padding."""
        mask = None
        if batch["padded"]:
            mask = torch.arange(noisy.shape[1], device=noisy.device) < batch["lengths"][:, None]
        return self.denoiser(noisy, timesteps, text, mask)


class DenoiserTraining(Training):
    """One optimisation step of denoiser and text head."""

    def __init__(
        self,
        trained: Conditioned,
        source: BatchSource,
        recipe: DenoiserRecipe,
        schedule: tuple[int, int, float],
        key: tuple[int, ...],
        settings: TrainerRecipe,
    ) -> None:
        """schedule: steps, steps of the warm-up, learning rate of this cycle."""
        super().__init__(source, key, settings)
        self.trained, self.recipe, self.schedule = trained, recipe, schedule
        self.loads = ExpertLoads(trained.denoiser.moe_layers())
        self.diffusion = GaussianDiffusion()

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        clean, lengths = batch["latents"], batch["lengths"]
        noise, timesteps, keep = self._chance(clean, batch["longest"])
        text = self.trained.sentence_vectors(batch)
        text = text * keep[:, None].to(text.dtype)
        noisy = self.diffusion.q_sample(clean, timesteps, noise)
        error = (self.trained.predict(noisy, timesteps, text, batch).float() - clean).square()
        if self.trained.denoiser.filter is not None:  # in parts of the noise: every noise level counts alike
            error = error / self.trained.denoiser.filter.deviation[timesteps, None, None].square()
        real = torch.arange(clean.shape[1], device=clean.device) < lengths[:, None]
        total = (error * real[..., None]).sum()
        # Divided by the frames of the whole batch: the mean over ranks is then the plain run's loss.
        count = batch["total_frames"] * clean.shape[-1] / self.share.ranks
        return self.reported({"loss": total / count})

    def _chance(self, clean: Tensor, longest: int) -> tuple[Tensor, Tensor, Tensor]:
        """Noise like `clean`, diffusion steps (B,) and whether to keep each sentence (B,) bool.

        Drawn for the whole batch, of which every rank takes its rows: the plain run's chance.
        """
        ranks, rank, rows = self.share.ranks, self.share.rank, len(clean)
        generator, device = self.step_generator(), clean.device
        own = slice(rank * rows, (rank + 1) * rows)
        total = self.diffusion.total_steps
        timesteps = torch.randint(0, total, (rows * ranks,), generator=generator, device=device)
        keep = torch.rand(rows * ranks, generator=generator, device=device) >= self.recipe.condition_drop
        shape = (rows * ranks, longest, clean.shape[-1])
        noise = torch.randn(shape, generator=generator, device=device)
        return noise[own, : clean.shape[1]], timesteps[own], keep[own]

    def configure_optimizers(self):
        steps, warm_up, rate = self.schedule
        share = self.recipe.text_rate
        parts: Sequence[tuple[nn.Module, float]] = (
            (self.trained.denoiser, 1.0),
            (self.trained.clipTransEncoder, share),
            (self.trained.clip_ln, share),
        )
        optimizer = build_optimizer(parts, self.recipe, rate)
        schedule = warm_up_cosine(optimizer, warm_up, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@torch.no_grad()
def prediction_errors(trained: Conditioned, source: CaptionedLatents, batches: int = 4) -> dict[str, float]:
    """Mean squared error of the prediction by noise level, with the text, without it and with a wrong one."""
    diffusion = GaussianDiffusion()
    generator = torch.Generator().manual_seed(0)
    device = next(trained.parameters()).device
    totals: dict[str, list[float]] = {}
    for step in range(batches):
        batch = moved(source.batch(step, Share()), device)
        clean, lengths = batch["latents"], batch["lengths"]
        text = trained.sentence_vectors(batch)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        real = (torch.arange(clean.shape[1], device=device) < lengths[:, None])[..., None]
        conditions = {"text": text, "none": torch.zeros_like(text), "wrong": text.roll(1, 0)}
        for level in (100, 500, 900):
            timesteps = torch.full((len(clean),), level, device=device)
            noisy = diffusion.q_sample(clean, timesteps, noise)
            for name, condition in conditions.items():
                error = (trained.predict(noisy, timesteps, condition, batch) - clean).square() * real
                mean = float(error.sum() / (real.sum() * clean.shape[-1]))
                totals.setdefault(f"{name}@{level}", []).append(mean)
    return {name: float(np.mean(values)) for name, values in totals.items()}


@torch.no_grad()
def settle_experts(trained: Conditioned, source: CaptionedLatents, batches: int = 8) -> Tensor:
    """Measure the experts' biases anew on batches at random noise levels; see `settle_biases`."""
    diffusion = GaussianDiffusion()
    device = next(trained.parameters()).device

    def run() -> None:
        generator = torch.Generator().manual_seed(0)
        for step in range(batches):
            batch = moved(source.batch(step, Share()), device)
            clean = batch["latents"]
            timesteps = torch.randint(0, diffusion.total_steps, (len(clean),), generator=generator).to(device)
            noise = torch.randn(clean.shape, generator=generator).to(device)
            text = trained.sentence_vectors(batch)
            trained.predict(diffusion.q_sample(clean, timesteps, noise), timesteps, text, batch)

    return settle_biases(trained.denoiser.moe_layers(), run)


@torch.no_grad()
def sample_latents(
    trained: Conditioned, batch: dict[str, Any], seed: int = 0, steps: int = 50, guidance: float = 3.5
) -> Tensor:
    """Clean latents (B, T, 2D) sampled for the sentences and lengths of a batch."""
    device = next(trained.parameters()).device
    batch = moved(batch, device)
    noise = torch.randn(batch["latents"].shape, generator=torch.Generator().manual_seed(seed)).to(device)
    frames = noise.shape[1]
    mask = torch.arange(frames, device=device) < batch["lengths"][:, None]
    text = trained.sentence_vectors(batch)
    return GaussianDiffusion().sample(trained.denoiser, noise, text, mask, steps, guidance)
