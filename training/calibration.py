# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples that spread as far as the data do.

In sampling, a denoiser sees what it has made itself; what it is unsure of it draws to the mean, a little at
each step, until the latents of a take spread less than those of captures (the drift between training and
sampling that Ning et al. 2024, "Elucidating the exposure bias in diffusion models", describe). Here each
step's prediction is drawn away from the mean by as much as brings its deviation back to that of predictions
on noised data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from intermoe_engine.atomic import replacing

from .batches.stream import Share, moved
from .cycles import DENOISER_STAGE
from .denoiser_stage import captioned_latents, denoiser_pieces
from .denoiser_training import Conditioned
from .model import GaussianDiffusion, InterMoE
from .model.diffusion import spaced_timesteps
from .processes import first_process
from .workspace import DENOISER, Workspace

LEAST, MOST = 0.8, 1.5
"""No step's prediction is changed by more."""
_DRAWS = 8  # batches whose longest is taken: lengths may be random
SCORES = "spread-scores.json"


@torch.no_grad()
def measured_gains(
    trained: Conditioned, batch: dict[str, Any], steps: int, guidance: float, seed: int = 0
) -> Tensor:
    """Gains (1000,) of the linear filter, measured while sampling the batch's sentences beside its latents.

    Between the steps that are taken the gains are interpolated. Raises ValueError without a linear filter.
    """
    denoiser = trained.denoiser
    if denoiser.filter is None:
        raise ValueError("only a denoiser with a linear filter keeps gains")
    denoiser.filter.gain.fill_(1.0)
    diffusion = GaussianDiffusion()
    clean = batch["latents"]
    generator = torch.Generator().manual_seed(seed)
    draw = lambda: torch.randn(clean.shape, generator=generator).to(clean.device)
    mean = denoiser.filter.mean.flatten()
    real = (torch.arange(clean.shape[1], device=clean.device) < batch["lengths"][:, None])[..., None]
    text = trained.sentence_vectors(batch)

    def deviation(x: Tensor, timesteps: Tensor) -> Tensor:
        """The guided prediction less the mean, zero in padding."""
        told = trained.predict(x, timesteps, text, batch)
        if guidance != 1.0:
            untold = trained.predict(x, timesteps, torch.zeros_like(text), batch)
            told = guidance * told + (1.0 - guidance) * untold
        return (told - mean) * real

    schedule = spaced_timesteps(steps, diffusion.total_steps).tolist()
    gains = []
    x = draw()
    for index in reversed(range(steps)):
        timesteps = torch.full((len(clean),), schedule[index], device=clean.device)
        wanted = deviation(diffusion.q_sample(clean, timesteps, draw()), timesteps).square().mean()
        found = deviation(x, timesteps)
        gain = (wanted / found.square().mean().clamp(min=1e-12)).sqrt().clamp(LEAST, MOST)
        gains.append(float(gain))
        x = diffusion.ddim_step(x, mean + gain * found, schedule[index], schedule[index - 1] if index else -1)
    table = np.interp(np.arange(diffusion.total_steps), schedule, gains[::-1])
    return torch.from_numpy(table).to(denoiser.filter.gain.dtype)


def calibrate(space: Workspace) -> None:
    """Measure the gains for the recipe's [sampling] and write them into denoiser.safetensors.

    Does nothing where the recipe asks for none, or where they are measured already.
    """
    recipe = space.recipe.sampling
    settings = {"pairs": recipe.calibration_pairs, "steps": recipe.steps, "guidance": recipe.guidance}
    if not recipe.calibration_pairs or not first_process() or space.read_json(SCORES).get("for") == settings:
        return
    model = InterMoE(space.recipe.model)
    model.vae.load_state_dict(load_file(space.latents_vae))
    trained = Conditioned(model)
    trained.load_state_dict(load_file(space.run / DENOISER))
    device = space.devices.torch_device()
    trained.to(device).eval()
    source = captioned_latents(space, model.vae, denoiser_pieces(space, held_out=False), held_out=False)
    stream = source((space.recipe.seed, DENOISER_STAGE, 100), recipe.calibration_pairs)
    batch = max((stream.batch(k, Share()) for k in range(_DRAWS)), key=lambda batch: batch["longest"])
    gains = measured_gains(trained, moved(batch, device), recipe.steps, recipe.guidance)
    assert trained.denoiser.filter is not None
    trained.denoiser.filter.gain.copy_(gains)
    with replacing(space.run / DENOISER) as temporary:
        save_file({k: v.cpu().contiguous() for k, v in trained.state_dict().items()}, temporary)
    told = {f"gain@{step}": round(float(gains[step]), 4) for step in (0, 100, 300, 500, 700, 900)}
    space.write_json(SCORES, {"for": settings, **told})
    print(f"{SCORES}: {told}", flush=True)
