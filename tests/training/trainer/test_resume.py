# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed goes on as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.trainer.tiny_run import log_of, train, write_cache, write_recipe

TRAININGS = ("vae-1", "vae-2", "denoiser-1")


def killed_after(command: list[str], log: Path, lines: int) -> None:
    """Start the command and kill it, with no chance to say goodbye, once the log has so many lines."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not log.is_file() or log.read_bytes().count(b"\n") < lines:
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is not to be had on Windows")
def test_a_killed_run_goes_on_exactly(tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache")
    # Dropout, Muon's state and worker processes: whatever could be out of step is in use.
    recipe = write_recipe(tmp_path, dropout=0.1, workers=1, optimizer="muon")
    plain = train("all", recipe, cache, tmp_path / "plain")
    run = tmp_path / "killed"
    command = [sys.executable, "-m", "intermoe_engine", "train", "all", "--accelerator", "cpu"]
    command += ["--config", str(recipe), "--data", str(cache), "-o", str(run)]
    # With a state every 4 steps, one dies between two of them and one before the first.
    killed_after(command, run / "vae-1-log.jsonl", 5)
    killed_after(command, run / "denoiser-1-log.jsonl", 10)
    assert not (run / "denoiser.safetensors").exists()
    train("all", recipe, cache, run, "--resume")
    for name in TRAININGS:
        assert log_of(run, name) == log_of(plain, name)
    for name in ("vae.safetensors", "denoiser.safetensors"):
        expected = load_file(plain / name)
        assert all(torch.equal(tensor, expected[key]) for key, tensor in load_file(run / name).items())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache")
    recipe = write_recipe(tmp_path)
    plain = train("all", recipe, cache, tmp_path / "plain")
    run = tmp_path / "two"
    train("evaluator", recipe, cache, plain)
    for stage in ("all", "evaluator"):
        command = [sys.executable, "-m", "intermoe_engine", "train", stage, "--accelerator", "cpu"]
        command += ["--config", str(recipe), "--data", str(cache), "-o", str(run), "--devices", "2"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr
    for name in (*TRAININGS, "evaluator-1"):
        expected = log_of(plain, name)
        for step, terms in log_of(run, name).items():
            assert terms == pytest.approx(expected[step], rel=2e-4, abs=1e-6), (name, step)
    # As trained; those of denoiser.safetensors are measured anew on weights that are equal to rounding.
    expected = load_file(plain / "denoiser-cycle-1.safetensors")
    made = load_file(run / "denoiser-cycle-1.safetensors")
    biases = [key for key in made if key.endswith("aux_bias")]
    assert biases and all(torch.equal(made[key], expected[key]) for key in biases)
    for name in ("vae.safetensors", "denoiser.safetensors", "evaluator.safetensors"):
        expected = load_file(plain / name)
        for key, tensor in load_file(run / name).items():
            wanted = expected[key]
            if key.endswith("in_proj_bias"):
                # A key's bias changes no attention: its gradient is rounding, which Adam blows up.
                third = len(tensor) // 3
                tensor, wanted = (torch.cat([t[:third], t[2 * third :]]) for t in (tensor, wanted))
            torch.testing.assert_close(tensor, wanted, atol=1e-4, rtol=1e-3, msg=key)
