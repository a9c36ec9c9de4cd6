# SPDX-License-Identifier: GPL-3.0-or-later
"""A run by the paper's recipe as the authors lay out theirs, for `intermoe import-official`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file

from intermoe_engine.atomic import replacing

from .model import ModelConfig

_CONFIG = """# As in the official release: what no weight tells.
model:
  NUM_HEADS: {heads}
  STRATEGY: ddim50
  CFG_WEIGHT: 3.5
  DIFFUSION_STEPS: 1000
  BETA_SCHEDULER: cosine
"""


def write_official_layout(run: Path, config: ModelConfig, denoiser: Path, vae: Path) -> Path:
    """Write run/official: denoiser.safetensors with the VAE in it, vae.safetensors, config.yaml, statistics.

    The keys are the official ones; a VAE's latent mean and deviation, which official files lack, go along.
    """
    folder = run / "official"
    weights = {f"vae.{key}": value for key, value in load_file(vae).items()}
    for name, tensors in (("vae", weights), ("denoiser", {**load_file(denoiser), **weights})):
        with replacing(folder / f"{name}.safetensors") as temporary:
            save_file(tensors, temporary)
    with np.load(run / "stats.npz", allow_pickle=False) as stats:
        for name in ("mean", "std"):
            with replacing(folder / f"global_{name}.npy") as temporary, temporary.open("wb") as file:
                np.save(file, stats[name])
    with replacing(folder / "config.yaml") as temporary:
        temporary.write_text(_CONFIG.format(heads=config.heads), encoding="utf-8")
    return folder
