# SPDX-License-Identifier: GPL-3.0-or-later
"""Diffusion on latents: cosine schedule, noising, and DDIM sampling with guidance."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

DenoiserCall = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]


def cosine_betas(steps: int = 1000, max_beta: float = 0.999) -> np.ndarray:
    """(steps,) float64 betas of the cosine schedule (Nichol and Dhariwal 2021)."""
    edges = np.arange(steps + 1, dtype=np.float64) / steps
    alpha_bar = np.cos((edges + 0.008) / 1.008 * math.pi / 2) ** 2
    return np.minimum(1.0 - alpha_bar[1:] / alpha_bar[:-1], max_beta)


def spaced_timesteps(steps: int, total: int = 1000) -> np.ndarray:
    """(steps,) ascending int64 steps, evenly spaced from 0: 0, 20, ..., 980 for 50 of 1000."""
    if not 1 <= steps <= total:
        raise ValueError(f"{steps} sampling steps asked for; choose between 1 and {total}")
    return np.arange(steps, dtype=np.int64) * total // steps


class GaussianDiffusion:
    """The noise process x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) noise, a_t the cumulative product of 1 - beta."""

    def __init__(self, total_steps: int = 1000) -> None:
        self.total_steps = total_steps
        self.betas = cosine_betas(total_steps)
        self.alphas_cumprod = np.cumprod(1.0 - self.betas)

    def q_sample(self, clean: Tensor, timesteps: Tensor, noise: Tensor) -> Tensor:
        """Noise clean latents (B, ...) to steps (B,) with the given standard normal noise."""
        alpha = torch.as_tensor(self.alphas_cumprod, device=clean.device)[timesteps]
        alpha = alpha.reshape(-1, *[1] * (clean.dim() - 1))
        return alpha.sqrt().to(clean.dtype) * clean + (1.0 - alpha).sqrt().to(clean.dtype) * noise

    def ddim_step(self, x: Tensor, clean: Tensor, step: int, previous: int) -> Tensor:
        """One deterministic DDIM step (Song et al. 2021, eta 0) from `step` to `previous` (-1: the end)."""
        alpha = float(self.alphas_cumprod[step])
        alpha_previous = float(self.alphas_cumprod[previous]) if previous >= 0 else 1.0
        noise = (math.sqrt(1.0 / alpha) * x - clean) / math.sqrt(1.0 / alpha - 1.0)
        return math.sqrt(alpha_previous) * clean + math.sqrt(1.0 - alpha_previous) * noise

    @torch.no_grad()
    def sample(
        self,
        denoiser: DenoiserCall,
        noise: Tensor,
        text: Tensor,
        mask: Tensor | None = None,
        steps: int = 50,
        guidance: float = 3.5,
        progress: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """Clean latents (B, T, 2D) from noise of that shape by DDIM with classifier-free guidance.

        Args:
            denoiser: `(latents, timesteps, text, mask) -> clean latents`, in eval mode.
            noise: (B, T, 2D) standard normal.
            text: (B, E) sentence vectors.
            mask: (B, T) or (B, T, 2), non-zero where a frame is real.
            steps: how many of the schedule's steps to take.
            guidance: s of s x0(text) + (1 - s) x0(0); both halves go through in one batch.
            progress: called with (done, steps) after each step; raise in it to stop.
        """
        guided = guidance != 1.0
        if guided:
            text = torch.cat([text, torch.zeros_like(text)], dim=0)
            mask = None if mask is None else torch.cat([mask, mask], dim=0)
        schedule = spaced_timesteps(steps, self.total_steps).tolist()
        x = noise
        for done, index in enumerate(reversed(range(steps)), start=1):
            batch = torch.cat([x, x], dim=0) if guided else x
            timesteps = torch.full((batch.shape[0],), schedule[index], dtype=torch.long, device=x.device)
            clean = denoiser(batch, timesteps, text, mask)
            if guided:
                with_text, without = clean.chunk(2, dim=0)
                clean = guidance * with_text + (1.0 - guidance) * without
            x = self.ddim_step(x, clean, schedule[index], schedule[index - 1] if index else -1)
            if progress is not None:
                progress(done, steps)
        return x


def drop_condition(
    text: Tensor, probability: float = 0.1, generator: torch.Generator | None = None
) -> Tensor:
    """Set each sentence vector of (B, E) to zeros with this probability, for classifier-free guidance."""
    keep = torch.rand(text.shape[0], 1, device=text.device, generator=generator) >= probability
    return text * keep.to(text.dtype)
