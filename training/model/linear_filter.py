# SPDX-License-Identifier: GPL-3.0-or-later
"""The best linear guess of clean latents from noisy ones, of which the network then predicts the error.

Preconditioning as Karras et al. (2022, "Elucidating the design space of diffusion models") do it, with the
data's covariance in place of one deviation: across a person's latent numbers by principal axes, along time
by each axis's power spectrum (Wiener's filter). Identity axes and a flat spectrum of one would give v
prediction. A short training need not find by itself that people move smoothly and in few ways.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .diffusion import GaussianDiffusion

LAGS = 16
"""The spectrum is known at LAGS + 1 frequencies, 0 to half a cycle a latent frame."""
REACH = 6
"""The filter looks at so many latent frames to each side."""


def cosines(reach: int = REACH) -> Tensor:
    """(LAGS + 1, reach + 1): weights that make a filter's taps 0 … reach of its gains at the frequencies."""
    frequency = torch.arange(LAGS + 1, dtype=torch.float64) * math.pi / LAGS
    taps = torch.cos(frequency[:, None] * torch.arange(reach + 1, dtype=torch.float64))
    taps[[0, -1]] *= 0.5
    return (taps / LAGS).float()


class LinearFilter(nn.Module):
    """Wiener's filter of each person's latents at every noise level.

    mean (2, D) of A and of B; basis (D, D): principal axes of both in its columns; spectrum (D, LAGS + 1):
    power of each axis at each frequency; gain (1000,): by how much predictions at each diffusion step are
    drawn away from the mean, 1 until it is measured (training.calibration).
    """

    mean: Tensor
    basis: Tensor
    spectrum: Tensor
    gain: Tensor
    cosines: Tensor
    signal: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2, width))
        self.register_buffer("basis", torch.eye(width))
        self.register_buffer("spectrum", torch.ones(width, LAGS + 1))
        self.register_buffer("cosines", cosines(), persistent=False)
        alpha = torch.from_numpy(GaussianDiffusion().alphas_cumprod)
        self.register_buffer("gain", torch.ones(len(alpha)))
        self.register_buffer("signal", alpha.sqrt().float(), persistent=False)
        self.register_buffer("deviation", (1.0 - alpha).sqrt().float(), persistent=False)

    @torch.no_grad()
    def fit(self, latents: Tensor) -> None:
        """Measure means, axes and spectra on latents of pairs, (2, N, T, D), A first, T > LAGS."""
        if latents.shape[2] <= LAGS:
            raise ValueError(f"latents of {latents.shape[2]} frames are too short; give more than {LAGS}")
        self.mean.copy_(latents.mean(dim=(1, 2)))
        latents = (latents - self.mean[:, None, None]).flatten(0, 1)
        _, axes = torch.linalg.eigh(torch.cov(latents.flatten(0, 1).T.double()))
        self.basis.copy_(axes.flip(1))
        turned = latents @ self.basis
        frames = turned.shape[1]
        lags = torch.arange(LAGS + 1)
        shares = torch.stack(
            [(turned[:, : frames - k] * turned[:, k:]).mean((0, 1)) for k in range(LAGS + 1)]
        )
        shares = shares * (1.0 - lags / (LAGS + 1.0))[:, None]  # Bartlett: the power stays positive
        waves = torch.cos(lags[:, None] * lags * math.pi / LAGS) * 2.0
        waves[0] = 1.0
        self.spectrum.copy_((shares.T @ waves).clamp(min=1e-5))

    def gains(self, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """Taps (B, REACH + 1, D) of the filter at steps (B,), and the deviation (B, 1, D) that it leaves."""
        signal, deviation = self.signal[timesteps, None, None], self.deviation[timesteps, None, None]
        heard = signal**2 * self.spectrum + deviation**2
        taps = (signal * self.spectrum / heard) @ self.cosines
        left = (self.spectrum * deviation**2 / heard) @ self.cosines[:, :1]
        return taps.transpose(1, 2), left.transpose(1, 2).sqrt()

    def forward(self, noisy: Tensor, timesteps: Tensor, output: Tensor, valid: Tensor | None) -> Tensor:
        """Clean latents (2B, T, D) of noisy ones, everyone's A, then everyone's B.

        timesteps (B,); output (2B, T, D): the network's; valid (2B, T) bool, None: all are.
        """
        timesteps = timesteps.repeat(2)
        mean = self.mean.repeat_interleave(len(noisy) // 2, dim=0).unsqueeze(1)
        taps, left = self.gains(timesteps)
        turned = (noisy - self.signal[timesteps, None, None] * mean) @ self.basis
        present = torch.ones_like(turned[..., :1])
        if valid is not None:
            present = valid.unsqueeze(-1).to(turned.dtype)
            turned = turned * present
        guess, weight = turned * taps[:, :1], present * taps[:, :1]
        frames = noisy.shape[1]
        turned, present = F.pad(turned, (0, 0, REACH, REACH)), F.pad(present, (0, 0, REACH, REACH))
        for k in range(1, REACH + 1):
            tap = taps[:, k : k + 1]
            for start in (REACH - k, REACH + k):
                guess = guess + tap * turned[:, start : start + frames]
                weight = weight + tap * present[:, start : start + frames]
        # At the ends, where neighbours are missing, the others count for them.
        whole = taps[:, :1] + 2.0 * taps[:, 1:].sum(dim=1, keepdim=True)
        guess = guess * (whole / weight.clamp(min=1e-3)).clamp(1.0, 2.0)
        gain = self.gain[timesteps, None, None]
        return mean + gain * (guess + left * output) @ self.basis.T
