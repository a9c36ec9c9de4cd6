# SPDX-License-Identifier: GPL-3.0-or-later
"""The model against numbers that the published InterMoE code computed."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from training.model import GaussianDiffusion, InterMoE, ModelConfig, load_official_state, spaced_timesteps
from training.model.skeleton_graph import adjacency, pool_matrix, unpool_matrix

HEADS = 4  # of the tiny case
FIXED_LEAVES = {"adj_matrix", "skeleton_pool", "skeleton_unpool", "pe", "expert_threshold", "ema_decay"}


@pytest.fixture(scope="module")
def state(published: Path) -> dict[str, np.ndarray]:
    return runpy.run_path(str(published / "make_state_dict.py"))["make_state_dict"](published / "tiny.json")


@pytest.fixture(scope="module")
def model(state: dict[str, np.ndarray]) -> InterMoE:
    return load_official_state(state, heads=HEADS)


@pytest.fixture(scope="module")
def numbers(published: Path) -> dict[str, torch.Tensor]:
    with np.load(published / "tiny.npz") as tiny, np.load(published / "tiny_text.npz") as text:
        return {key: torch.from_numpy(archive[key]) for archive in (tiny, text) for key in archive}


def _error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    assert ours.shape == theirs.shape
    return (ours - theirs).abs().max().item()


@torch.no_grad()
def test_vae_matches(model: InterMoE, numbers: dict[str, torch.Tensor]) -> None:
    assert _error(model.vae.encode(numbers["motion"]), numbers["latent_mean"]) < 1e-4
    assert _error(model.vae.decode(numbers["latent_mean"]), numbers["decoded"]) < 1e-4


@torch.no_grad()
def test_denoiser_matches(model: InterMoE, numbers: dict[str, torch.Tensor]) -> None:
    inputs = [numbers[key] for key in ("x_t", "timesteps", "cond")]
    assert _error(model.denoiser(*inputs, numbers["mask"]), numbers["denoised"]) < 1e-4
    per_frame = numbers["mask"][..., 0] > 0
    assert _error(model.denoiser(*inputs, per_frame), numbers["denoised"]) < 1e-4


@torch.no_grad()
def test_text_head_matches(model: InterMoE, numbers: dict[str, torch.Tensor]) -> None:
    assert _error(model.text_head(numbers["hidden"], numbers["eot"]), numbers["text_cond"]) < 1e-4


def test_fifty_guided_steps_match(model: InterMoE, numbers: dict[str, torch.Tensor]) -> None:
    assert spaced_timesteps(50).tolist() == numbers["use_timesteps"].tolist()
    seen: list[tuple[int, int]] = []
    sampled = GaussianDiffusion().sample(
        model.denoiser,
        numbers["noise"],
        numbers["cond"],
        numbers["mask"],
        progress=lambda done, total: seen.append((done, total)),
    )
    assert _error(sampled, numbers["sampled"]) < 1e-3
    assert seen == [(i, 50) for i in range(1, 51)]


def test_skeleton_matrices_match(published: Path) -> None:
    with np.load(published / "tiny_fixed.npz") as fixed:
        checked = 0
        for key in fixed:
            parts = key.removeprefix("model.vae.").split(".")
            level = int(parts[2]) if parts[0] == "conv_enc" else 1 - int(parts[2])
            if make := {
                "adj_matrix": adjacency,
                "skeleton_pool": pool_matrix,
                "skeleton_unpool": unpool_matrix,
            }.get(parts[-1]):
                np.testing.assert_allclose(make(level).numpy(), fixed[key], atol=1e-6, err_msg=key)
                checked += 1
    assert checked == 20


def test_state_dict_keys_and_shapes_are_the_official_ones(published: Path, model: InterMoE) -> None:
    listed = json.loads((published / "tiny.json").read_text())["keys"]
    official = {
        key.removeprefix("model."): tuple(shape)
        for key, shape in listed.items()
        if key.rsplit(".", 1)[-1] not in FIXED_LEAVES
    }
    ours = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert {ours.pop("vae.latent_mean"), ours.pop("vae.latent_std")} == {(7, 16)}
    assert ours == official


def test_sizes_come_from_the_shapes(model: InterMoE) -> None:
    assert model.config == ModelConfig(
        vae_channels=16, denoiser_width=64, denoiser_blocks=2, heads=4, experts=4, expert_width=48
    )
    assert not model.training


@torch.no_grad()
def test_prefix_tensors_clip_and_constants_are_accepted(
    published: Path, state: dict[str, np.ndarray], numbers: dict[str, torch.Tensor]
) -> None:
    extended = {key.removeprefix("model."): torch.from_numpy(value) for key, value in state.items()}
    with np.load(published / "tiny_fixed.npz") as fixed:
        extended |= {key: torch.from_numpy(fixed[key]) for key in fixed}
    extended["model.denoiser.net.blocks.0.ffn.expert_threshold"] = torch.zeros(4)
    extended["clip_transformer.resblocks.0.ln_1.weight"] = torch.zeros(8)
    extended["positional_embedding"] = torch.zeros(77, 8)
    loaded = load_official_state({"state_dict": extended}, heads=HEADS)
    assert _error(loaded.vae.encode(numbers["motion"]), numbers["latent_mean"]) < 1e-4


def test_error_names_every_wrong_key(state: dict[str, np.ndarray]) -> None:
    broken = dict(state)
    del broken["model.vae.dist.bias"]
    broken["model.clip_ln.weight"] = np.zeros(5, np.float32)
    broken["model.denoiser.net.surplus"] = np.zeros(1, np.float32)
    with pytest.raises(ValueError) as caught:
        load_official_state(broken, heads=HEADS)
    message = str(caught.value)
    assert "missing 1: vae.dist.bias" in message
    assert "misshapen 1: clip_ln.weight is (5,), expected (768,)" in message
    assert "unexpected 1: denoiser.net.surplus" in message


def test_error_when_a_whole_part_is_missing(state: dict[str, np.ndarray]) -> None:
    vae_only = {key: value for key, value in state.items() if ".vae." in key}
    with pytest.raises(ValueError, match=r"missing .*denoiser\.net\.motion_embed\.weight"):
        load_official_state(vae_only, heads=HEADS)
    with pytest.raises(ValueError, match=r"missing .*vae\.motion_enc"):
        load_official_state({k: v for k, v in state.items() if ".vae." not in k}, heads=HEADS)


def test_error_when_heads_do_not_divide_or_skeleton_differs(state: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="choose heads so that it divides"):
        load_official_state(state, heads=5)
    key = "model.vae.conv_enc.layers.0.0.layers.2.adj_matrix"
    with pytest.raises(ValueError, match="other numbers than InterHuman's skeleton"):
        load_official_state({**state, key: np.ones((22, 22), np.float32)}, heads=HEADS)
