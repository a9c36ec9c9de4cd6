# SPDX-License-Identifier: GPL-3.0-or-later
"""From captured motion to motion sampled for its sentence: the whole chain, on a handful of clips."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.training.trainer.tiny_run import train
from training.batches.latent_store import join_people
from training.batches.stream import Share
from training.data.cache import CacheWriter
from training.data.cmu import load_cmu_pair
from training.denoiser_stage import captioned_latents, denoiser_pieces
from training.denoiser_training import Conditioned, sample_latents
from training.fit.trainer import Devices
from training.model import InterMoE, ModelConfig
from training.recipe import load_recipe
from training.workspace import Workspace

SHARED = Path(os.environ.get("INTERMOE_SHARED", Path(__file__).resolve().parents[4] / "shared"))
DATA = SHARED / "data" / "cmu_pairs"
FRAMES = 32
# Trial, first frame, and one of the sentences of training/data/salsa_captions.py that are true of the window.
CLIPS = (
    ("02", 60, "two people dance a latin dance slowly and gently"),
    ("03", 150, "a man and a woman dance a salsa dance, facing each other all the time"),
    ("04", 100, "two people dance a partner dance fast and lively"),
    (
        "12",
        200,
        "a man and a woman dance a partner dance, and the woman turns all the way round under the arm",
    ),
)
RECIPE = """
name = "overfit"
seed = 1
[trainer]
save = 200
log = 50
strip = 0
score = 0
[data]
mirror = false
swap = false
[model]
feature_layout = "interhuman+root"
vae_channels = 24
denoiser_width = 128
denoiser_blocks = 3
heads = 4
experts = 4
expert_width = 128
text_width = 384
text_head_layers = 1
text_head_ff = 128
text_head_heads = 4
person_embedding = true
[vae]
steps = [400]
learning_rates = [8e-3]
batch = 4
frames = 32
lead_in = 0
warm_up = 20
optimizer = "muon"
ema_decay = 0.98
weights = { kl = 0.001 }
[denoiser]
steps = [900]
learning_rates = [2e-3]
text_rate = 0.1
batch = 16
min_frames = 32
max_frames = 32
warm_up = 50
beta2 = 0.99
dropout = 0.0
ema_decay = 0.99
condition_drop = 0.0
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not DATA.is_dir(), reason="CMU's pairs are not at hand (INTERMOE_SHARED)")
def test_a_denoiser_learns_a_handful_of_clips_by_heart(tmp_path: Path) -> None:
    with CacheWriter(tmp_path / "cache") as cache:
        for trial, start, sentence in CLIPS:
            clip = load_cmu_pair(DATA, trial).window(start, FRAMES)
            cache.add(replace(clip, captions=(sentence,), source="cmu"))
    recipe = tmp_path / "overfit.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    run = train("all", recipe, tmp_path / "cache", tmp_path / "run")

    model = InterMoE(ModelConfig.from_dict(json.loads((run / "config.json").read_text()))).eval()
    model.vae.load_state_dict(load_file(run / "vae.safetensors"))
    trained = Conditioned(model)
    trained.load_state_dict(load_file(run / "denoiser.safetensors"))
    space = Workspace(load_recipe(recipe), tmp_path / "cache", run, Devices(accelerator="cpu"))
    pieces = denoiser_pieces(space, held_out=False)
    source = captioned_latents(space, model.vae, pieces, held_out=False)((1,), 16)
    batch = source.batch(0, Share())
    made = sample_latents(trained, batch, seed=5, steps=50, guidance=1.0)
    people = torch.stack(made.chunk(2, dim=-1), dim=1).unflatten(-1, model.vae.latent_mean.shape)
    assert torch.equal(join_people(people.flatten(0, 1).flatten(2)), made)
    with torch.no_grad():
        motion = space.stats.denormalise(model.vae.decode(people.flatten(0, 1)))
    layout = space.layout
    offsets = torch.from_numpy(space.store.offsets[0, 0])
    joints = layout.posed(motion, offsets) + layout.joint_positions(motion)[..., :1, :]

    # Which clip each row of the batch was: its latents tell.
    latents = torch.from_numpy(np.array(source.latents.latents, dtype=np.float32))
    rows = (batch["latents"][:, None] - latents[None]).square().mean(dim=(2, 3)).argmin(dim=1)
    assert len(set(rows.tolist())) == len(CLIPS)
    errors = []
    for row, clip in enumerate(rows.tolist()):
        true = layout.canonical(space.store.cut(clip, 0, FRAMES, False, False)[None])[0]
        wanted = layout.joint_positions(true)
        errors.append(float((joints[2 * row : 2 * row + 2] - wanted).norm(dim=-1).mean()))
    print(f"mean joint error by clip, mm: {[round(1000 * e, 1) for e in errors]}")
    assert np.max(errors) < 0.030
