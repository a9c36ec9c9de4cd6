# SPDX-License-Identifier: GPL-3.0-or-later
"""Gains that bring samples back to the data's deviation, on a denoiser known to fall short of it."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from tests.training.trainer.tiny_run import train, write_cache, write_recipe  # noqa: E402
from training.calibration import SCORES, measured_gains  # noqa: E402
from training.denoiser_training import Conditioned  # noqa: E402
from training.model import GaussianDiffusion, InterMoE, ModelConfig  # noqa: E402
from training.recipe import RecipeError, load_recipe  # noqa: E402

STEPS = 40


def timid_denoiser() -> tuple[Conditioned, torch.Tensor]:
    """A filter made for data of half the deviation, nothing learned beyond it; and data (24, 32, 2D)."""
    torch.manual_seed(0)
    config = ModelConfig(
        vae_channels=2, denoiser_width=16, denoiser_blocks=1, heads=2, experts=2, expert_width=16,
        text_width=8, text_head_layers=1, text_head_ff=8, text_head_heads=2, prediction="residual",
    )  # fmt: skip
    trained = Conditioned(InterMoE(config)).eval()
    width = config.vae_channels * 7
    data = torch.randn(24, 32, 2 * width) + 1.0
    assert trained.denoiser.filter is not None
    trained.denoiser.filter.fit(torch.stack((1.0 + 0.5 * (data - 1.0)).chunk(2, dim=-1)))
    with torch.no_grad():
        trained.denoiser.net.out.linear.weight.zero_()
        trained.denoiser.net.out.linear.bias.zero_()
    return trained, data


def batch_of(data: torch.Tensor) -> dict:
    count, frames = data.shape[:2]
    return {
        "latents": data,
        "lengths": torch.full((count,), frames),
        "padded": False,
        "states": torch.randn(count, 3, 8),
        "valid": torch.ones(count, 3, dtype=torch.bool),
        "end": torch.full((count,), 2),
    }


def sampled_deviation(trained: Conditioned, data: torch.Tensor, guidance: float) -> float:
    noise = torch.randn(data.shape, generator=torch.Generator().manual_seed(9))
    text = torch.randn(len(data), 8)
    return float(GaussianDiffusion().sample(trained.denoiser, noise, text, None, STEPS, guidance).std())


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_samples_spread_as_far_as_the_data(guidance: float) -> None:
    trained, data = timid_denoiser()
    assert sampled_deviation(trained, data, guidance) < 0.7 * float(data.std())
    gains = measured_gains(trained, batch_of(data), STEPS, guidance)
    assert gains.shape == (1000,) and float(gains.max()) > 1.02
    assert trained.denoiser.filter is not None
    trained.denoiser.filter.gain.copy_(gains)
    assert sampled_deviation(trained, data, guidance) == pytest.approx(float(data.std()), rel=0.05)


def test_a_run_measures_them_once_and_again_for_other_settings(tmp_path: Path) -> None:
    cache, recipe = write_cache(tmp_path / "cache", (120, 130, 100, 110, 120)), write_recipe(tmp_path)
    asked = 'prediction = "residual"\n[sampling]\nsteps = 4\ncalibration_pairs = 4\n[vae]'
    text = recipe.read_text().replace("max_frames = 48", "max_frames = 120").replace("[vae]", asked)
    recipe.write_text(text)
    run = train("all", recipe, cache, tmp_path / "run")
    gain = load_file(run / "denoiser.safetensors")["denoiser.filter.gain"]
    assert not torch.equal(gain, torch.ones(1000))
    written = (run / SCORES).stat().st_mtime_ns
    train("all", recipe, cache, run)
    assert (run / SCORES).stat().st_mtime_ns == written
    recipe.write_text(text.replace("steps = 4", "steps = 5"))
    train("denoiser", recipe, cache, run)
    assert (run / SCORES).stat().st_mtime_ns > written
    assert not torch.equal(load_file(run / "denoiser.safetensors")["denoiser.filter.gain"], gain)


def test_a_recipe_without_a_filter_cannot_ask_for_them(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    recipe.write_text(recipe.read_text().replace("[vae]", "[sampling]\ncalibration_pairs = 4\n[vae]"))
    with pytest.raises(RecipeError, match="residual"):
        load_recipe(recipe)
