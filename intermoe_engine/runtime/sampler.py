# SPDX-License-Identifier: GPL-3.0-or-later
"""Deterministic DDIM sampling with classifier-free guidance, for a denoiser that predicts clean latents.

Song, Meng, Ermon, "Denoising Diffusion Implicit Models", 2021 (eta = 0); Ho and Salimans,
"Classifier-Free Diffusion Guidance", 2022; cosine schedule: Nichol and Dhariwal, "Improved Denoising
Diffusion Probabilistic Models", 2021.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# latents (B, T, W), timesteps (B,) int64, text (B, E), mask (B, T) bool -> clean latents (B, T, W)
Denoiser = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
# Called with (steps done, steps in all) before each step and after the last; raises to stop.
StepCallback = Callable[[int, int], None]


def cosine_alphas_cumprod(steps: int = 1000, max_beta: float = 0.999) -> np.ndarray:
    """Cumulative products of 1 - beta (steps,) float64 of the cosine schedule."""
    t = np.arange(steps + 1, dtype=np.float64) / steps
    alpha_bar = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    betas = np.minimum(1.0 - alpha_bar[1:] / alpha_bar[:-1], max_beta)
    return np.cumprod(1.0 - betas)


def ddim_timesteps(count: int, steps: int = 1000) -> np.ndarray:
    """The `count` visited steps (count,) int64, ascending and evenly spread from 0: 0, 20, ..., 980 for 50.

    Raises ValueError unless 1 <= count <= steps.
    """
    if not 1 <= count <= steps:
        raise ValueError(f"the number of sampling steps must be from 1 to {steps}")
    return np.arange(count, dtype=np.int64) * steps // count


def sample_ddim(
    denoiser: Denoiser,
    noise: np.ndarray,
    text: np.ndarray,
    *,
    count: int,
    guidance: float,
    alphas_cumprod: np.ndarray,
    on_step: StepCallback | None = None,
) -> np.ndarray:
    """Clean latents (K, T, W) float32 from `noise` (K, T, W) under the condition `text` (K, E).

    x0 = guidance * x0(text) + (1 - guidance) * x0(0), without clipping; both predictions are rows of
    one batch of 2 K, or of K where guidance is 1 and the second would be thrown away. `on_step` is
    called between the steps.
    """
    timesteps = ddim_timesteps(count, len(alphas_cumprod))
    alpha_bar = alphas_cumprod[timesteps]
    # The last step goes to alpha_bar = 1, which is x0 itself.
    alpha_bar_previous = np.concatenate([[1.0], alpha_bar[:-1]])
    guided = guidance != 1.0
    condition = np.concatenate([text, np.zeros_like(text)]) if guided else text
    rows = len(condition)
    mask = np.ones((rows, noise.shape[1]), dtype=bool)
    latents = noise.astype(np.float32)
    for done, i in enumerate(range(count - 1, -1, -1)):
        if on_step is not None:
            on_step(done, count)
        batch = np.concatenate([latents, latents]) if guided else latents
        clean = denoiser(batch, np.full(rows, timesteps[i], dtype=np.int64), condition, mask)
        if guided:
            with_text, without = np.split(clean, 2)
            clean = guidance * with_text + (1.0 - guidance) * without
        # x_t = sqrt(a) x0 + sqrt(1 - a) eps, solved for eps and taken to the previous a.
        a, b = float(alpha_bar[i]), float(alpha_bar_previous[i])
        ratio = float(np.sqrt((1.0 - b) / (1.0 - a)))
        latents = (ratio * latents + (np.sqrt(b) - ratio * np.sqrt(a)) * clean).astype(np.float32)
    if on_step is not None:
        on_step(count, count)
    return latents
