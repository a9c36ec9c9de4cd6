# SPDX-License-Identifier: GPL-3.0-or-later
"""The noise schedule and the sampler against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from training.model import GaussianDiffusion, ModelConfig, drop_condition, spaced_timesteps


def test_schedule_is_the_squared_cosine() -> None:
    diffusion = GaussianDiffusion()
    t = np.arange(1000)
    bar = [math.cos(((i + 1) / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for i in t[:990]]
    start = math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    np.testing.assert_allclose(diffusion.alphas_cumprod[:990], np.array(bar) / start, rtol=1e-9)
    assert diffusion.betas.max() == 0.999


def test_noising_has_the_stated_mean_and_variance() -> None:
    diffusion = GaussianDiffusion()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(3, 200, 100, generator=generator)
    steps = torch.tensor([0, 500, 999])
    x = diffusion.q_sample(torch.full_like(noise, 2.0), steps, noise)
    alpha = torch.tensor(diffusion.alphas_cumprod[steps.numpy()], dtype=torch.float32)
    torch.testing.assert_close(x.mean(dim=(1, 2)), 2.0 * alpha.sqrt(), atol=0.03, rtol=0)
    torch.testing.assert_close(x.var(dim=(1, 2)), 1.0 - alpha, atol=0.03, rtol=0)


@pytest.mark.parametrize("steps", [1, 7, 50, 1000])
def test_a_perfect_denoiser_recovers_the_clean_latents(steps: int) -> None:
    clean = torch.randn(2, 5, 6)
    calls: list[tuple[int, int]] = []

    def denoiser(latents: Tensor, timesteps: Tensor, text: Tensor, mask: Tensor | None) -> Tensor:
        calls.append((latents.shape[0], int(timesteps[0])))
        return clean.repeat(2, 1, 1)

    out = GaussianDiffusion().sample(denoiser, torch.randn(2, 5, 6), torch.zeros(2, 3), steps=steps)
    torch.testing.assert_close(out, clean, atol=1e-5, rtol=0)
    assert calls == [(4, int(t)) for t in spaced_timesteps(steps)[::-1]]


def test_guidance_extrapolates_from_the_empty_text() -> None:
    def denoiser(latents: Tensor, timesteps: Tensor, text: Tensor, mask: Tensor | None) -> Tensor:
        assert mask is not None and mask.shape[0] == latents.shape[0]
        return torch.ones_like(latents) * (1.0 + text[:, :1, None])

    mask = torch.ones(1, 2, dtype=torch.bool)
    out = GaussianDiffusion().sample(denoiser, torch.randn(1, 2, 4), torch.ones(1, 3), mask, guidance=3.5)
    torch.testing.assert_close(out, torch.full((1, 2, 4), 3.5 * 2.0 - 2.5 * 1.0))


def test_ddim_equals_the_exact_flow_of_gaussian_data() -> None:
    """For data ~ N(0, s^2) the best denoiser is linear and the flow scales noise to standard deviation s."""
    diffusion, spread = GaussianDiffusion(), 0.5

    def denoiser(latents: Tensor, timesteps: Tensor, text: Tensor, mask: Tensor | None) -> Tensor:
        alpha = float(diffusion.alphas_cumprod[int(timesteps[0])])
        return math.sqrt(alpha) * spread**2 / (alpha * spread**2 + 1.0 - alpha) * latents

    noise = torch.randn(1, 4, 4)
    out = diffusion.sample(denoiser, noise, torch.zeros(1, 1), steps=500, guidance=1.0)
    torch.testing.assert_close(out, spread * noise, atol=0.01, rtol=0.02)


def test_steps_out_of_range_are_refused() -> None:
    for steps in (0, 1001):
        with pytest.raises(ValueError, match="between 1 and 1000"):
            spaced_timesteps(steps)


def test_dropped_conditions_are_zero_and_about_as_many_as_asked() -> None:
    kept = drop_condition(torch.ones(20000, 2), 0.1, torch.Generator().manual_seed(0))
    assert set(kept.sum(dim=1).tolist()) == {0.0, 2.0}
    assert abs((kept[:, 0] == 0).float().mean().item() - 0.1) < 0.01


def test_config_round_trip_and_errors() -> None:
    for config in (ModelConfig.official(), ModelConfig.starter()):
        assert ModelConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ValueError, match="unknown entries: widht"):
        ModelConfig.from_dict({"widht": 3})
    with pytest.raises(ValueError, match="feature_layout"):
        ModelConfig(feature_layout="smpl")
