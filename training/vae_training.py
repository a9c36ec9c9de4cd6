# SPDX-License-Identifier: GPL-3.0-or-later
"""Training the VAE, which the authors did not release, on windows of single people out of pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from .data.sequences import Sequence2, Statistics, window_batch
from .kinematics import posed_joints
from .losses import VAEWeights, vae_losses
from .model import MotionVAE
from .optimisation import warm_up_cosine
from .recipe import DecoderRecipe, VAERecipe

LEAD_IN = 236
"""Windows lie up to so many frames behind the frame that their coordinates come from, as in long takes."""


class PersonWindows(IterableDataset):
    """Endless normalised windows (2 × batch, frames, 268): each person by themselves."""

    def __init__(
        self, sequences: Sequence[Sequence2], stats: Statistics, recipe: VAERecipe, seed: int
    ) -> None:
        self.sequences, self.stats, self.recipe, self.seed = sequences, stats, recipe, seed

    def __iter__(self) -> Iterator[Tensor]:
        rng = np.random.default_rng(self.seed)
        while True:
            windows = window_batch(self.sequences, rng, self.recipe.batch, self.recipe.frames, LEAD_IN)
            yield self.stats.normalise(windows).flatten(0, 1)


class VAETraining(pl.LightningModule):
    """One optimisation step of the VAE."""

    def __init__(
        self, vae: MotionVAE, recipe: VAERecipe, cycle: int, stats: Statistics, offsets: Tensor
    ) -> None:
        super().__init__()
        self.steps, self.learning_rate = recipe.steps[cycle], recipe.learning_rates[cycle]
        self.vae, self.recipe, self.stats, self.offsets = vae, recipe, stats, offsets
        self.weights = VAEWeights()

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        decoded, mean, log_variance = self.vae(batch)
        terms = vae_losses(batch, decoded, mean, log_variance, self.stats, self.offsets, self.weights)
        self.log_dict({k: v.detach() for k, v in terms.items()})
        return terms["loss"]

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(
            self.vae.parameters(), lr=self.learning_rate, weight_decay=self.recipe.weight_decay
        )
        schedule = warm_up_cosine(optimizer, self.recipe.warm_up, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class DecoderTraining(pl.LightningModule):
    """Teaching the decoder alone, with the encoder and so the latents as they are.

    It costs half as much, and a denoiser trained on these latents stays valid: the two can run side by side.
    """

    def __init__(self, vae: MotionVAE, recipe: DecoderRecipe, stats: Statistics, offsets: Tensor) -> None:
        super().__init__()
        self.vae, self.recipe, self.stats, self.offsets = vae, recipe, stats, offsets
        self.weights = VAEWeights(kl=0.0, slide=recipe.slide_weight)
        for part in (vae.motion_enc, vae.conv_enc, vae.dist):
            part.requires_grad_(False)

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        with torch.no_grad():
            mean, log_variance = self.vae.encode_distribution(batch)
            noise = torch.randn_like(mean) * torch.exp(0.5 * log_variance)
            latents = mean + self.recipe.noise * noise
        decoded = self.vae.decode_raw(latents)
        terms = vae_losses(batch, decoded, mean, log_variance, self.stats, self.offsets, self.weights)
        self.log_dict({k: v.detach() for k, v in terms.items()})
        return terms["loss"]

    def configure_optimizers(self):
        trained = [p for p in self.vae.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=self.recipe.learning_rate, weight_decay=0.0)
        schedule = warm_up_cosine(optimizer, self.recipe.warm_up, self.recipe.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@torch.no_grad()
def reconstruction_error(
    vae: MotionVAE, sequences: Sequence[Sequence2], stats: Statistics, offsets: Tensor, frames: int = 240
) -> dict[str, float]:
    """Mean errors of mean latents decoded, over windows of `frames` frames, metres except where named.

    positions: decoded joint positions; forward: joints from decoded pelvis and rotations, which is what a
    take shows; slide_mm_s: speed of planted feet of the latter, slide_real_mm_s: of the data.
    """
    rng = np.random.default_rng(0)
    windows = window_batch(sequences, rng, 24, frames).flatten(0, 1)
    decoded = stats.denormalise(vae.decode(vae.encode(stats.normalise(windows))))
    true, made = (f[..., 0:66].unflatten(-1, (22, 3)) for f in (windows, decoded))
    forward = posed_joints(decoded, offsets) + made[..., :1, :]
    feet = [7, 10, 8, 11]
    planted = windows[:, :-1, 258:262] > 0.5

    def slide(joints: Tensor) -> float:
        speed = torch.diff(joints[:, :, feet][..., [0, 2]], dim=1).norm(dim=-1)
        return float(speed[planted].mean()) * 30_000

    return {
        "positions": float((made - true).norm(dim=-1).mean()),
        "forward": float((forward - true).norm(dim=-1).mean()),
        "slide_mm_s": slide(forward),
        "slide_real_mm_s": slide(true),
    }


@torch.no_grad()
def standardise_latents(vae: MotionVAE, sequences: Sequence[Sequence2], stats: Statistics) -> None:
    """Set the VAE's latent mean and deviation from its latents of random windows, so that noise fits them."""
    rng = np.random.default_rng(1)
    windows = torch.cat([window_batch(sequences, rng, 16, 240) for _ in range(8)]).flatten(0, 1)
    mean, _ = vae.encode_distribution(stats.normalise(windows))
    flat = mean.flatten(0, 1)
    vae.latent_mean.copy_(flat.mean(dim=0))
    vae.latent_std.copy_(flat.std(dim=0).clamp(min=1e-2))
