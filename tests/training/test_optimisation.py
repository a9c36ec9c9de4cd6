# SPDX-License-Identifier: GPL-3.0-or-later
"""Averages, rates and Muon against closed forms and torch's own; outcomes are written whole or not at all."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from training.fit import averaging
from training.fit.averaging import AveragedWeights
from training.fit.muon import JoinedOptimizers, Muon
from training.fit.optimizers import build_optimizer, warm_up_cosine
from training.fit.trainer import finish
from training.model import InterMoE, ModelConfig
from training.recipe import ScheduleRecipe


def test_the_rate_warms_up_and_falls_to_a_hundredth() -> None:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=2.0)
    schedule = warm_up_cosine(optimizer, warm_up=4, steps=12)
    rates = []
    for _ in range(13):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates[:4] == pytest.approx([0.5, 1.0, 1.5, 2.0])
    assert rates[8] == pytest.approx(2 * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi / 2))))
    assert rates[12] == pytest.approx(0.02)


def test_the_average_follows_its_recursion() -> None:
    layer = nn.Linear(1, 1)
    average = AveragedWeights(layer, decay=0.9)
    expected = float(layer.weight.detach())
    for n in range(1, 200):
        with torch.no_grad():
            layer.weight.fill_(math.sin(n))
        average.on_train_batch_end()
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * math.sin(n)
    assert float(average.average.weight.detach()) == pytest.approx(expected, abs=1e-5)


def test_a_full_disk_costs_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    average = AveragedWeights(nn.Linear(2, 2), 0.9)
    (tmp_path / "x-state").mkdir()
    save_file = averaging.save_file

    def full(tensors: dict, path: Path) -> None:
        Path(path).write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(averaging, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        finish(average, tmp_path / "x.safetensors", tmp_path, "x")
    assert [p.name for p in tmp_path.iterdir()] == ["x-state"]

    monkeypatch.setattr(averaging, "save_file", save_file)
    finish(average, tmp_path / "x.safetensors", tmp_path, "x")
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]
    assert load_file(tmp_path / "x.safetensors").keys() == average.average.state_dict().keys()


def test_muon_steps_as_torch_s_own_does() -> None:
    torch.manual_seed(0)
    ours = [
        nn.Parameter(torch.randn(24, 16)),
        nn.Parameter(torch.randn(24, 16)),
        nn.Parameter(torch.randn(8, 32)),
    ]
    theirs = copy.deepcopy(ours)
    optimizers = (
        Muon(ours, lr=0.01, weight_decay=0.1),
        torch.optim.Muon(theirs, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(4):
        for parameter, twin in zip(ours, theirs, strict=True):
            parameter.grad = torch.randn_like(parameter)
            twin.grad = parameter.grad.clone()
        before = [p.detach().clone() for p in ours]
        for optimizer in optimizers:
            optimizer.step()
        for parameter, twin, old in zip(ours, theirs, before, strict=True):
            moved, expected = parameter.detach() - old, twin.detach() - old
            # torch's iterates in bfloat16, which is good to about one part in a hundred.
            assert (moved - expected).norm() < 0.03 * expected.norm()
            with torch.no_grad():
                twin.copy_(parameter)


def test_muon_takes_the_hidden_matrices_and_adamw_the_rest() -> None:
    model = InterMoE(ModelConfig(denoiser_width=32, denoiser_blocks=1, expert_width=16, vae_channels=4))
    recipe = ScheduleRecipe(steps=(1,), learning_rates=(1.0,), batch=1, optimizer="muon", muon_rate=2.0)
    optimizer = build_optimizer([(model.denoiser, 0.5)], recipe, 0.1)
    assert isinstance(optimizer, JoinedOptimizers)
    names = {id(p): n for n, p in model.denoiser.named_parameters()}
    rates = {names[id(p)]: g["lr"] for g in optimizer.param_groups for p in g["params"]}
    assert rates.keys() == set(names.values())
    assert rates["net.blocks.0.ffn.experts.3.up_proj.weight"] == pytest.approx(0.1)
    assert rates["net.blocks.0.sa_block.attention.in_proj_weight"] == pytest.approx(0.1)
    for rim in ("net.motion_embed.weight", "net.out.linear.weight", "net.blocks.0.ffn.gate_weight"):
        assert rates[rim] == pytest.approx(0.05)
    assert rates["net.blocks.0.sa_block.attention.in_proj_bias"] == pytest.approx(0.05)


def test_joined_optimizers_go_on_from_their_state() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(6, 4)

    def joined(module: nn.Linear) -> JoinedOptimizers:
        return JoinedOptimizers([Muon([module.weight], lr=0.01), torch.optim.AdamW([module.bias], lr=0.01)])

    def step(module: nn.Linear, optimizer: JoinedOptimizers, seed: int) -> None:
        torch.manual_seed(seed)
        module.weight.grad, module.bias.grad = torch.randn(4, 6), torch.randn(4)
        optimizer.step()

    optimizer = joined(layer)
    schedule = warm_up_cosine(optimizer, 2, 6)
    for seed in range(2):
        step(layer, optimizer, seed)
        schedule.step()
    other = copy.deepcopy(layer)
    resumed = joined(other)
    again = warm_up_cosine(resumed, 2, 6)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    again.load_state_dict(schedule.state_dict())
    for seed in range(2, 5):
        step(layer, optimizer, seed)
        step(other, resumed, seed)
        schedule.step()
        again.step()
    assert torch.equal(layer.weight, other.weight) and torch.equal(layer.bias, other.bias)
    assert [g["lr"] for g in resumed.param_groups] == [g["lr"] for g in optimizer.param_groups]
