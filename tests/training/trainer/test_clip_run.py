# SPDX-License-Identifier: GPL-3.0-or-later
"""A run by the paper's text encoder ends in the official layout, latents' statistics included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from export.official_release import load_release
from export.random_release import random_clip, write_transformers_folder
from tests.training.trainer.tiny_run import train, write_cache, write_recipe
from training.recipe import RecipeError, TextRecipe
from training.text.clip_tokenizer import find_merges
from training.text.clip_tower import ClipTextConfig
from training.text.clip_weights import load_clip
from training.text.states import caption_states
from training.weights import WeightsError


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        find_merges(Path("clip.pt"), None)
    except WeightsError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("clip")
    write_transformers_folder(folder, random_clip(ClipTextConfig(width=64, layers=1)))
    return folder


def test_all_77_states_count_and_the_end_token_is_known(clip: Path) -> None:
    captions = ["a photo of a cat", "two people bow to each other"]
    found = caption_states(captions, TextRecipe(encoder="clip", weights=str(clip)))
    assert found.states.shape == (2, 77, 64) and found.lengths.tolist() == [77, 77]
    assert found.ends.tolist() == [6, 7] and found.padding_visible
    ids = torch.zeros(1, 77, dtype=torch.long)
    ids[0, :7] = torch.tensor([49406, 320, 1125, 539, 320, 2368, 49407])  # OpenAI's
    assert np.allclose(load_clip(clip)(ids)[0].numpy(), found.states[0], atol=1e-5)


def test_without_weights_it_says_what_to_do() -> None:
    with pytest.raises(RecipeError, match="--text-weights"):
        caption_states(["two people bow"], TextRecipe(encoder="clip", weights="absent.pt"))


def test_a_run_by_clip_is_an_official_release(clip: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, layout="interhuman")
    text = recipe.read_text().replace("text_width = 384", "text_width = 64")
    text = text.replace("text_head_heads = 2", "text_head_heads = 8")
    recipe.write_text(text.replace("[model]", '[text]\nencoder = "clip"\n[model]'))
    run = train("all", recipe, write_cache(tmp_path / "cache"), tmp_path / "run", "--text-weights", str(clip))
    folder = run / "official"
    release = load_release(
        folder / "denoiser.safetensors", folder / "vae.safetensors", folder / "config.yaml", folder
    )
    assert release.sampling.heads == 2 and not release.notes
    state = release.model.state_dict()
    for name, prefix in (("vae", "vae."), ("denoiser", "")):
        for key, tensor in load_file(run / f"{name}.safetensors").items():
            assert torch.equal(state[prefix + key], tensor), key
    assert float(state["vae.latent_mean"].abs().max()) > 0
    assert np.array_equal(release.mean, np.load(run / "stats.npz")["mean"])
