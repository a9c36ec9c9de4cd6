# SPDX-License-Identifier: GPL-3.0-or-later
"""Training the VAE, which the authors did not release, on windows of single people out of pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from .batches.statistics import Statistics
from .batches.stream import BatchSource, Share
from .batches.windows import WindowChooser
from .fit.optimizers import build_optimizer, warm_up_cosine
from .fit.strips import strip
from .fit.trainer import Training
from .layouts import MotionLayout
from .losses import FEET, VAEWeights, vae_losses
from .model import MotionVAE
from .recipe import DecoderRecipe, ScheduleRecipe, TrainerRecipe


class VAETraining(Training):
    """One optimisation step of the VAE, or with a DecoderRecipe of its decoder alone.

    The decoder alone costs half as much, and a denoiser trained on the latents, which do not change, stays
    valid: the two can run side by side.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        vae: MotionVAE,
        source: BatchSource,
        stats: Statistics,
        layout: MotionLayout,
        weights: VAEWeights,
        recipe: ScheduleRecipe,
        schedule: tuple[int, int, float],
        key: tuple[int, ...],
        settings: TrainerRecipe,
    ) -> None:
        """schedule: steps, steps of the warm-up, learning rate of this cycle."""
        super().__init__(source, key, settings)
        self.vae, self.layout, self.weights = vae, layout, weights
        self.recipe, self.schedule = recipe, schedule
        self.register_buffer("mean", stats.mean, persistent=False)
        self.register_buffer("std", stats.std, persistent=False)
        self.noise, self.spread = 1.0, 0.0
        self.decoder_only = isinstance(recipe, DecoderRecipe)
        if isinstance(recipe, DecoderRecipe):
            self.noise, self.spread = recipe.noise, recipe.spread
            for part in (vae.motion_enc, vae.conv_enc, vae.dist):
                part.requires_grad_(False)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        motion, offsets = batch
        with torch.set_grad_enabled(not self.decoder_only):
            mean, log_variance = self.vae.encode_distribution(motion[..., : self.layout.size])
        mean, log_variance = mean.float(), log_variance.float()
        deviation = self.noise * torch.exp(0.5 * log_variance)
        spread = self.spread * self.vae.latent_std if self.spread else None
        decoded = self.vae.decode_raw(
            drawn_latents(mean, deviation, spread, self.step_generator(), self.share)
        )
        stats = Statistics(self.mean, self.std)
        return self.reported(
            vae_losses(motion, decoded, mean, log_variance, stats, offsets, self.weights, self.layout)
        )

    def configure_optimizers(self):
        steps, warm_up, rate = self.schedule
        optimizer = build_optimizer([(self.vae, 1.0)], self.recipe, rate)
        schedule = warm_up_cosine(optimizer, warm_up, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def drawn_latents(
    mean: Tensor, deviation: Tensor, spread: Tensor | None, chance: torch.Generator, share: Share
) -> Tensor:
    """Latents about `mean` (B, T/4, P, C), as a decoder is to meet them.

    deviation (B, T/4, P, C) of the noise; spread (P, C): up to so much of it instead, another part of it for
    each window. Noise is drawn for the whole batch and every rank takes its rows: the plain run's noise.
    """
    rows = len(mean)
    shape = (rows * share.ranks, *mean.shape[1:])
    own = slice(share.rank * rows, (share.rank + 1) * rows)
    noise = torch.randn(shape, generator=chance, device=mean.device)[own]
    if spread is not None:
        amount = torch.rand(shape[0], generator=chance, device=mean.device)[own]
        deviation = amount[:, None, None, None] * spread
    return mean + deviation * noise


class Reconstruction:
    """Held-out windows and what a VAE makes of them: errors, and a picture."""

    def __init__(self, vae: nn.Module, chooser: WindowChooser, stats: Statistics, windows: int = 24) -> None:
        assert isinstance(vae, MotionVAE)
        self.vae, self.stats, self.layout = vae, stats, chooser.store.layout
        choice = chooser.choose(np.random.default_rng(0), windows)
        self.windows, self.offsets = chooser.cut(choice)

    def errors(self) -> dict[str, float]:
        """Mean errors over the windows; see `reconstruction_error`."""
        return reconstruction_error(self.vae, self.windows, self.offsets, self.stats, self.layout)

    @torch.no_grad()
    def picture(self) -> np.ndarray:
        """Two windows, as captured and as decoded."""
        rows = []
        for number in (0, 1):
            window, offsets = self.windows[number], self.offsets[number]
            placed = decoded_joints(self.vae, window, offsets, self.stats, self.layout)[1]
            rows += [
                ("captured", self.layout.joint_positions(window).numpy()),
                ("decoded", placed.cpu().numpy()),
            ]
        return strip(rows, self.layout.parents)


@torch.no_grad()
def decoded_joints(
    vae: MotionVAE, motion: Tensor, offsets: Tensor, stats: Statistics, layout: MotionLayout
) -> tuple[Tensor, Tensor]:
    """Joints (B, T, J, 3) of canonical features (B, T, stored) encoded and decoded: positions, and posed.

    Posed joints come from the decoded root and rotations, which is what a take shows.
    """
    device = vae.latent_mean.device
    normalised = stats.normalise(motion)
    decoded = vae.decode(vae.encode(normalised[..., : layout.size].to(device))).cpu()
    made = stats.denormalise(torch.cat([decoded, normalised[..., layout.size :]], dim=-1))
    positions = layout.joint_positions(made)
    return positions, layout.posed(made, offsets.unsqueeze(-3)) + positions[..., :1, :]


def reconstruction_error(
    vae: MotionVAE, windows: Tensor, offsets: Tensor, stats: Statistics, layout: MotionLayout
) -> dict[str, float]:
    """Mean errors of mean latents decoded, metres except where named, of windows (B, 2, T, stored).

    positions: decoded joint positions; forward: joints from decoded root and rotations, which is what a
    take shows; slide_mm_s: speed of planted feet of the latter, slide_real_mm_s: of the data.
    """
    motion = windows.flatten(0, 1)
    true = layout.joint_positions(motion)
    made, posed = decoded_joints(vae, motion, offsets.flatten(0, 1), stats, layout)
    planted = layout.planted(motion)[:, :-1]

    def slide(joints: Tensor) -> float:
        speed = torch.diff(joints[:, :, FEET][..., [0, 2]], dim=1).norm(dim=-1)
        return float(speed[planted].mean()) * 30_000

    return {
        "positions": float((made - true).norm(dim=-1).mean()),
        "forward": float((posed - true).norm(dim=-1).mean()),
        "slide_mm_s": slide(posed),
        "slide_real_mm_s": slide(true),
    }


@torch.no_grad()
def standardise_latents(vae: MotionVAE, motion: Sequence[Tensor]) -> None:
    """Set the VAE's latent mean and deviation from its latents, so that noise fits them.

    motion: normalised features (B, T, size), in as many pieces as suits.
    """
    device = vae.latent_mean.device
    flat = torch.cat([vae.encode_distribution(piece.to(device))[0].flatten(0, 1) for piece in motion])
    vae.latent_mean.copy_(flat.mean(dim=0))
    vae.latent_std.copy_(flat.std(dim=0).clamp(min=1e-2))
