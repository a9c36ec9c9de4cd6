# SPDX-License-Identifier: GPL-3.0-or-later
"""Averages and rates against closed forms; outcomes are written whole or not at all."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from training import optimisation
from training.optimisation import AveragedWeights, save_average, warm_up_cosine


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
    save_file = optimisation.save_file

    def full(tensors: dict, path: Path) -> None:
        Path(path).write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(optimisation, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        save_average(average, tmp_path / "x.safetensors", tmp_path, "x")
    assert [p.name for p in tmp_path.iterdir()] == ["x-state"]

    monkeypatch.setattr(optimisation, "save_file", save_file)
    save_average(average, tmp_path / "x.safetensors", tmp_path, "x")
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]
    assert load_file(tmp_path / "x.safetensors").keys() == average.average.state_dict().keys()
