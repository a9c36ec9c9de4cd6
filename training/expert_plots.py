# SPDX-License-Identifier: GPL-3.0-or-later
"""Which expert takes which frames of whom, drawn for a few sentences."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from safetensors.torch import load_file
from torch import Tensor, nn

from intermoe_engine.atomic import replacing

from .batches.stream import generator
from .denoiser_stage import captioned_latents, denoiser_pieces
from .denoiser_training import Conditioned
from .model import GaussianDiffusion, InterMoE
from .model.config import FRAMES_PER_LATENT
from .model.moe import TemporalSelectiveMoE
from .workspace import DENOISER, Workspace

LEVEL = 500
"""The diffusion step at which the routers are asked."""
_FPS = 30.0


@torch.no_grad()
def expert_takes(trained: Conditioned, batch: dict[str, Any], level: int = LEVEL, seed: int = 0) -> Tensor:
    """Who takes what of a batch that is noised to a diffusion step: (blocks, 2, B, T, E) bool, A first."""
    clean = batch["latents"]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    timesteps = torch.full((len(clean),), level)
    noisy = GaussianDiffusion().q_sample(clean, timesteps, noise)
    takes: list[Tensor] = []

    def keep(module: nn.Module, args: tuple[Any, ...]) -> None:
        assert isinstance(module, TemporalSelectiveMoE)
        takes.append(module.route(args[0], args[1])[1])

    handles = [layer.register_forward_pre_hook(keep) for layer in trained.denoiser.moe_layers()]
    try:
        trained.predict(noisy, timesteps, trained.sentence_vectors(batch), batch)
    finally:
        for handle in handles:
            handle.remove()
    return torch.stack(takes).unflatten(1, (2, -1))


def draw_experts(space: Workspace, path: Path, count: int = 4) -> Path:
    """PNG for `count` held-out clips and sentences: a row for each block and person, a line for each expert.

    Needs the run's trained denoiser. Raises OSError.
    """
    model = InterMoE(dataclasses.replace(space.recipe.model, dropout=0.0))
    model.vae.load_state_dict(load_file(space.latents_vae))
    trained = Conditioned(model).eval()
    trained.load_state_dict(load_file(space.run / DENOISER))
    source = captioned_latents(space, model.vae, denoiser_pieces(space, held_out=True), held_out=True)(
        (space.recipe.seed, 0), count
    )
    rows = np.linspace(0, len(source.latents) - 1, count).round().astype(int)
    lengths = source.latents.lengths[rows]
    words = [
        source.picker.pick(int(row), FRAMES_PER_LATENT * int(length), generator(int(row)))
        for row, length in zip(rows, lengths, strict=True)
    ]
    frames = int(lengths.max())
    batch = {
        "latents": torch.from_numpy(source.latents.latents[rows, :frames].astype(np.float32)),
        "lengths": torch.from_numpy(lengths),
        "padded": True,
        **source.texts.gather(words),
    }
    takes = expert_takes(trained, batch).numpy()
    return draw_takes(path, takes, lengths, [source.texts.texts[word] for word in words])


def draw_takes(path: Path, takes: np.ndarray, lengths: np.ndarray, titles: Sequence[str]) -> Path:
    """takes (blocks, 2, B, T, E) bool, lengths (B,) latent frames -> a PNG, a column for each sentence."""
    blocks, _, count, _, experts = takes.shape
    figure = Figure(figsize=(4.2 * count, 0.6 + 1.0 * blocks * 2), dpi=90)
    axes = figure.subplots(blocks * 2, count, squeeze=False)
    for column in range(count):
        length = int(lengths[column])
        seconds = length * FRAMES_PER_LATENT / _FPS
        for row in range(blocks * 2):
            block, person = divmod(row, 2)
            axis = axes[row, column]
            axis.imshow(
                takes[block, person, column, :length].T,
                aspect="auto",
                interpolation="nearest",
                cmap=("Oranges", "Blues")[person],
                vmin=0,
                vmax=1.3,
                extent=(0, seconds, experts, 0),
            )
            axis.set_yticks([])
            if column == 0:
                axis.set_ylabel(f"block {block + 1}\n{'AB'[person]}", fontsize=8)
            if row < blocks * 2 - 1:
                axis.set_xticks([])
        axes[0, column].set_title(titles[column][:64], fontsize=8)
        axes[-1, column].set_xlabel("seconds", fontsize=8)
    figure.tight_layout()
    with replacing(path) as temporary, temporary.open("wb") as file:
        FigureCanvasAgg(figure).print_png(file)
    return path
