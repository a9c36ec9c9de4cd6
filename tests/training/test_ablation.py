# SPDX-License-Identifier: GPL-3.0-or-later
"""Variants of the experts: what each routes, and that they are compared alike."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from export.bundle_writer import ExportError  # noqa: E402
from export.denoiser_graph import denoiser_graph  # noqa: E402
from training.ablation import FIXED, SMALL, VARIANTS, parameters, table, variant_recipe  # noqa: E402
from training.denoiser_training import Conditioned  # noqa: E402
from training.expert_plots import draw_takes, expert_takes  # noqa: E402
from training.fit.experts import settle_biases  # noqa: E402
from training.model import InterMoE, ModelConfig  # noqa: E402
from training.model.moe import TemporalSelectiveMoE  # noqa: E402
from training.recipe import find_recipe, load_recipe  # noqa: E402

TINY = ModelConfig(
    vae_channels=8, denoiser_width=32, denoiser_blocks=2, heads=4, experts=4, expert_width=32, text_width=16,
    text_head_layers=1, text_head_ff=32, text_head_heads=4,
)  # fmt: skip


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 9, 16, generator=generator), torch.randn(3, 16, generator=generator)


def layer(**changes: object) -> TemporalSelectiveMoE:
    torch.manual_seed(0)
    return TemporalSelectiveMoE(16, 8, 4, **changes)  # type: ignore[arg-type]


def test_each_frame_goes_to_its_best_expert_or_to_the_only_one() -> None:
    x, condition = inputs()
    gates, takes = layer(routing="token").route(x, condition)
    assert torch.equal(takes, torch.nn.functional.one_hot(gates.argmax(-1), 4).bool())
    dense = TemporalSelectiveMoE(16, 8, 1, routing="all")
    gates, takes = dense.route(x, condition)
    assert takes.all() and torch.equal(gates, torch.ones_like(gates))
    expected = dense.experts[0](dense.norm(x, condition))
    torch.testing.assert_close(dense(x, condition), expected)


def test_a_router_hears_only_what_it_should() -> None:
    x, condition = inputs()
    for router, same, other in (("motion", condition.flip(0), x), ("text", condition, x.flip(1))):
        moe = layer(router=router)
        assert torch.equal(moe.logits(x, condition), moe.logits(other, same)), router
    assert not torch.equal(layer().logits(x, condition), layer().logits(x, condition.flip(0)))


def test_biases_stay_where_nothing_is_balanced() -> None:
    x, condition = inputs()
    for changes in ({"bias_step": 0.0}, {"routing": "token"}):
        moe = layer(**changes).train()
        moe(x, condition)
        moe.update_capacity_bias()
        assert settle_biases([moe], lambda: None).numel() == 0
        assert (moe.aux_bias == -0.5).all() and moe.frames_seen == 0


def test_configurations_that_cannot_be_are_refused() -> None:
    for changes in (
        {"routing": "all"},
        {"routing": "x"},
        {"router": "x"},
        {"routing": "token", "capacity": 9},
    ):
        with pytest.raises(ValueError):
            dataclasses.replace(TINY, **changes)
    older = {k: v for k, v in TINY.to_dict().items() if k not in ("routing", "router")}
    assert ModelConfig.from_dict(older) == TINY


def test_variants_have_no_export() -> None:
    for changes in ({"routing": "token"}, {"router": "text"}, {"routing": "all", "experts": 1}):
        with pytest.raises(ExportError, match="for comparisons"):
            denoiser_graph(InterMoE(dataclasses.replace(TINY, **changes)).denoiser)


def test_variants_are_alike_but_for_one_thing() -> None:
    recipe = load_recipe(find_recipe("starter"))
    recipes = {name: variant_recipe(recipe, name, 40, 4) for name in VARIANTS}
    full = recipes["full"]
    assert full.denoiser.capacity_bias_step > 0 == recipes[FIXED].denoiser.capacity_bias_step
    assert {r.denoiser.steps for r in recipes.values()} == {(40,)} and {r.seed for r in recipes.values()} == {
        recipe.seed
    }
    active = {name: parameters(r.model)["active"] for name, r in recipes.items()}
    router = 2 * SMALL["denoiser_width"] * SMALL["denoiser_blocks"]
    assert (
        active["dense"] == active["full"] - router * 7 and active["16 experts"] == active["full"] + router * 8
    )
    errors = {f"{text}@{level}": 0.5 for text in ("text", "none", "wrong") for level in (100, 500, 900)}
    row = {"variant": "full", "active": 1000, "parameters": 2000, "seconds_per_step": 0.25, "errors": errors}
    assert "| full | 1 k | 2 k | 0.250 | 0.5000 / 0.5000 / 0.5000 |" in table([row])


def test_plots_show_what_routers_choose(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained = Conditioned(InterMoE(dataclasses.replace(TINY, routing="token"))).eval()
    batch = {
        "latents": torch.randn(3, 12, 2 * TINY.latent_width),
        "lengths": torch.tensor([12, 9, 5]),
        "padded": True,
        "states": torch.randn(3, 6, 16),
        "valid": torch.ones(3, 6, dtype=torch.bool),
        "end": torch.tensor([5, 5, 5]),
    }
    takes = expert_takes(trained, batch)
    assert takes.shape == (2, 2, 3, 12, 4) and (takes.sum(dim=-1) == 1).all(), "one expert a frame"
    assert not torch.equal(takes[:, 0], takes[:, 1]), "each person has their own"
    picture = draw_takes(tmp_path / "experts.png", takes.numpy(), np.array([12, 9, 5]), ["they wave"] * 3)
    assert picture.read_bytes()[:4] == b"\x89PNG"
