# SPDX-License-Identifier: GPL-3.0-or-later
"""The linear guess of clean latents against closed forms."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from training.model import GaussianDiffusion  # noqa: E402
from training.model.linear_filter import LAGS, LinearFilter  # noqa: E402

STEPS = [40, 300, 700]
DIFFUSION = GaussianDiffusion()


def error(module: LinearFilter, clean: torch.Tensor, step: int) -> torch.Tensor:
    """Mean squared error by frame and number, (T, D), of the guess alone."""
    torch.manual_seed(1)
    steps = torch.full((len(clean),), step)
    noisy = DIFFUSION.q_sample(clean, steps, torch.randn_like(clean))
    guess = module(noisy.repeat(2, 1, 1), steps, torch.zeros_like(clean).repeat(2, 1, 1), None)
    return (guess[: len(clean)] - clean).square().mean(dim=0)


def autoregressive(count: int, frames: int, memory: float) -> torch.Tensor:
    """(count, frames, 2) of unit variance, each frame `memory` of the one before."""
    torch.manual_seed(0)
    x = torch.randn(count, 2)
    rows = []
    for _ in range(frames):
        rows.append(x)
        x = memory * x + math.sqrt(1.0 - memory**2) * torch.randn(count, 2)
    return torch.stack(rows, dim=1)


@pytest.mark.parametrize("step", STEPS)
def test_white_numbers_of_any_size_give_the_scalar_filter(step: int) -> None:
    torch.manual_seed(0)
    deviations = torch.tensor([2.0, 1.0, 0.1])
    clean = torch.randn(4000, 24, 3) * deviations
    module = LinearFilter(3)
    module.fit(torch.stack([clean, clean]))
    signal = float(DIFFUSION.alphas_cumprod[step])
    variance = deviations**2
    expected = variance * (1 - signal) / (signal * variance + 1 - signal)
    torch.testing.assert_close(error(module, clean, step).mean(dim=0), expected, rtol=0.04, atol=1e-5)


@pytest.mark.parametrize("step", STEPS)
def test_turned_numbers_are_found_again(step: int) -> None:
    torch.manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(3, 3))
    straight = torch.randn(4000, 24, 3) * torch.tensor([2.0, 0.5, 0.05])
    modules = LinearFilter(3), LinearFilter(3)
    modules[0].fit(torch.stack([straight, straight]))
    modules[1].fit(torch.stack([straight @ turn] * 2))
    errors = error(modules[0], straight, step), error(modules[1], straight @ turn, step)
    assert float(errors[1].sum(dim=-1).mean()) == pytest.approx(float(errors[0].sum(dim=-1).mean()), rel=0.02)


@pytest.mark.parametrize("step", STEPS)
def test_smooth_motion_is_nearly_as_well_filtered_as_can_be(step: int) -> None:
    """Against the optimum over whole sequences, by their covariance matrix; at the ends too."""
    frames, memory = 48, 0.8
    clean = autoregressive(3000, frames, memory)
    module = LinearFilter(2)
    module.fit(torch.stack([clean, clean]))
    apart = (torch.arange(frames)[:, None] - torch.arange(frames)).abs().double()
    covariance = memory**apart
    signal = float(DIFFUSION.alphas_cumprod[step])
    heard = signal * covariance + (1 - signal) * torch.eye(frames, dtype=torch.float64)
    best = covariance - signal * covariance @ torch.linalg.solve(heard, covariance)
    found = error(module, clean, step).mean(dim=1).double()
    middle = slice(LAGS, frames - LAGS)
    assert float(found[middle].mean()) < 1.1 * float(best.diagonal()[middle].mean())
    ends = [0, 1, frames - 2, frames - 1]
    assert float(found[ends].mean()) < 1.4 * float(best.diagonal()[ends].mean())


def test_flat_spectrum_is_v_prediction() -> None:
    torch.manual_seed(0)
    module = LinearFilter(4)
    noisy, output = torch.randn(2, 10, 4), torch.randn(2, 10, 4)
    steps = torch.tensor([300])
    signal = torch.from_numpy(DIFFUSION.alphas_cumprod)[steps].float().sqrt()[:, None, None]
    expected = signal * noisy + (1 - signal**2).sqrt() * output
    torch.testing.assert_close(module(noisy, steps, output, None), expected, rtol=1e-4, atol=1e-5)


def test_padding_changes_nothing() -> None:
    clean = autoregressive(200, 30, 0.9)
    module = LinearFilter(2)
    module.fit(torch.stack([clean, clean]))
    noisy, steps = torch.randn(2, 20, 2), torch.tensor([500])
    plain = module(noisy, steps, torch.zeros_like(noisy), None)
    longer = torch.cat([noisy, torch.full((2, 5, 2), 9.0)], dim=1)
    valid = (torch.arange(25)[None] < 20).repeat(2, 1)
    padded = module(longer, steps, torch.zeros_like(longer), valid)[:, :20]
    torch.testing.assert_close(padded, plain, rtol=1e-5, atol=1e-6)


def test_short_latents_are_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        LinearFilter(2).fit(torch.randn(2, 3, LAGS, 2))


def test_each_person_has_a_mean() -> None:
    """Where there is nothing but noise, the guess is who this is."""
    torch.manual_seed(0)
    means = torch.tensor([[0.7, -0.4], [-1.0, 2.0]])
    clean = means[:, None, None] + 0.1 * torch.randn(2, 400, 24, 2)
    module = LinearFilter(2)
    module.fit(clean)
    noise = torch.randn(6, 24, 2)
    guess = module(noise, torch.full((3,), 999), torch.zeros_like(noise), None)
    torch.testing.assert_close(guess[:3].mean((0, 1)), means[0], atol=0.03, rtol=0)
    torch.testing.assert_close(guess[3:].mean((0, 1)), means[1], atol=0.03, rtol=0)
