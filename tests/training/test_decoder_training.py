# SPDX-License-Identifier: GPL-3.0-or-later
"""The decoder's own training: noise of the size that a recipe asks for, and an encoder that stays."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.trainer.tiny_run import log_of, train, write_cache, write_recipe
from training.batches.stream import Share
from training.vae_training import drawn_latents

SHAPE = (600, 8, 7, 5)
DECODER = """
[decoder]
steps = [6]
learning_rates = [1e-2]
batch = 4
spread = 0.2
"""


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def test_spread_is_another_part_of_each_number_s_deviation_in_every_window() -> None:
    spread = 0.2 * torch.rand(7, 5, generator=chance()) + 0.1
    mean = torch.randn(SHAPE, generator=chance())
    drawn = drawn_latents(mean, torch.full(SHAPE, 99.0), spread, chance(), Share())
    noise = (drawn - mean) / spread
    amount = noise.flatten(1).std(dim=1)  # of 280 numbers: known to 4 %
    assert amount.max() < 1.15 and amount.min() < 0.02
    for quantile in (0.1, 0.5, 0.9):  # uniform from 0 to 1
        assert amount.quantile(quantile) == pytest.approx(quantile, abs=0.06)
    whole = (noise / amount[:, None, None, None]).std(dim=(0, 1))
    assert torch.allclose(whole, torch.ones(7, 5), atol=0.06)  # in parts of that number's own deviation


def test_without_spread_the_noise_is_the_encoder_s() -> None:
    deviation = torch.rand(SHAPE, generator=chance()) + 0.5
    drawn = drawn_latents(torch.zeros(SHAPE), deviation, None, chance(), Share())
    assert (drawn / deviation).std() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("spread", [None, torch.ones(7, 5)])
def test_ranks_draw_their_rows_of_one_noise(spread: torch.Tensor | None) -> None:
    mean, deviation = torch.zeros(SHAPE), torch.ones(SHAPE)
    whole = drawn_latents(mean, deviation, spread, chance(), Share())
    half = SHAPE[0] // 2
    parts = [drawn_latents(mean[:half], deviation[:half], spread, chance(), Share(r, 2)) for r in (0, 1)]
    assert torch.equal(torch.cat(parts), whole)


def test_the_encoder_and_the_latents_stay(tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache")
    recipe = write_recipe(tmp_path)
    recipe.write_text(recipe.read_text() + DECODER)
    run = train("vae", recipe, cache, tmp_path / "run")
    before, after = (load_file(run / f"{name}.safetensors") for name in ("vae-coarse", "vae"))
    moved = {key for key, tensor in after.items() if not torch.equal(tensor, before[key])}
    decoder = {key for key in after if key.startswith(("motion_dec.", "conv_dec."))}
    assert moved == decoder and after.keys() - decoder
    assert len(log_of(run, "decoder-1")) == 6
