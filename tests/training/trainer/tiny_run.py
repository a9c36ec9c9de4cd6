# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up cache and a recipe so small that a training takes seconds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from intermoe_engine.cli.main import main
from intermoe_engine.rotations import quat_exp
from intermoe_engine.skeleton import SMPL22
from training.data.cache import CacheWriter
from training.data.pair_clip import PairClip

RECIPE = """
name = "tiny"
seed = 3
[trainer]
save = 4
log = 1
strip = 0
score = 0
workers = {workers}
[data]
held_out = ["clip4"]
[model]
feature_layout = "{layout}"
vae_channels = 4
denoiser_width = 16
denoiser_blocks = 2
heads = 2
experts = 4
expert_width = 16
text_width = 384
text_head_layers = 1
text_head_ff = 16
text_head_heads = 2
[vae]
steps = [6, 6]
learning_rates = [1e-3, 1e-3]
batch = 4
frames = 16
lead_in = 20
warm_up = 3
dropout = {dropout}
optimizer = "{optimizer}"
[denoiser]
steps = [14]
learning_rates = [1e-3]
batch = 4
min_frames = 16
max_frames = 48
warm_up = 3
dropout = {dropout}
[evaluator]
steps = [6]
learning_rates = [1e-3]
batch = 4
min_frames = 16
max_frames = 48
dropout = {dropout}
[evaluator.sizes]
width = 16
layers = 1
heads = 2
hidden = 16
embedding = 8
text_layers = 1
text_heads = 2
text_hidden = 16
"""


def made_up_clip(name: str, frames: int, seed: int) -> PairClip:
    """Two people who sway, turn and wander."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / 30.0

    def waves(*shape: int) -> np.ndarray:
        speed, phase = rng.uniform(1.0, 4.0, (2, 1, *shape)), rng.uniform(0, 6, (2, 1, *shape))
        return np.sin(speed * time.reshape(1, -1, *[1] * len(shape)) + phase)

    root = 0.1 * waves(3) + np.array([[[0.0, 0.95, 0.0]], [[0.1, 0.95, 0.8]]])
    return PairClip(
        name,
        30.0,
        root,
        quat_exp(0.2 * waves(22, 3)),
        np.stack([SMPL22.offsets, SMPL22.offsets]),
        ("", ""),
        captions=(f"one person waves the left hand {seed} times", "two people sway"),
        source="made up",
    )


def write_cache(folder: Path, lengths: Sequence[int] = (40, 48, 90, 60, 50)) -> Path:
    """Clips of so many frames; one is shorter and one longer than the denoiser's longest."""
    with CacheWriter(folder) as cache:
        for number, frames in enumerate(lengths):
            cache.add(made_up_clip(f"clip{number}", frames, number))
    return folder


def write_recipe(
    folder: Path,
    dropout: float = 0.0,
    workers: int = 0,
    optimizer: str = "adamw",
    layout: str = "interhuman+root",
) -> Path:
    """The recipe with these settings."""
    path = folder / "tiny.toml"
    path.write_text(
        RECIPE.format(dropout=dropout, workers=workers, optimizer=optimizer, layout=layout), encoding="utf-8"
    )
    return path


def train(stage: str, recipe: Path, cache: Path, run: Path, *more: str) -> Path:
    """Train in this process."""
    arguments = ["train", stage, "--config", str(recipe), "--data", str(cache), "-o", str(run), *more]
    assert main([*arguments, "--accelerator", "cpu"]) == 0
    return run


def log_of(run: Path, name: str) -> dict[int, dict[str, float]]:
    """The lines of a training's log by step, without what depends on the clock. Asserts that none repeats."""
    lines = [json.loads(line) for line in (run / f"{name}-log.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert len(set(steps)) == len(steps)
    return {line.pop("step"): {k: v for k, v in line.items() if k != "seconds_per_step"} for line in lines}
