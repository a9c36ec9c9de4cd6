# SPDX-License-Identifier: GPL-3.0-or-later
"""A run by the paper's text encoder ends in the official layout, latents' statistics included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from export.__main__ import main as export
from export.official_release import load_release
from export.random_release import random_clip, write_transformers_folder
from export.run import load_run
from intermoe_engine.bundle import Bundle
from intermoe_engine.cli.main import main as intermoe
from intermoe_engine.generate import Engine
from tests.training.trainer.tiny_run import train, write_cache, write_recipe
from training.recipe import RecipeError, TextRecipe
from training.text.clip_tokenizer import find_merges
from training.text.clip_tower import ClipTextConfig
from training.text.clip_weights import load_clip
from training.text.states import caption_states
from training.weights import WeightsError

PROMPT = "two people bow to each other"


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


@pytest.fixture(scope="module")
def run(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    recipe = write_recipe(folder, layout="interhuman")
    text = recipe.read_text().replace("text_width = 384", "text_width = 64")
    text = text.replace("text_head_heads = 2", "text_head_heads = 8")
    recipe.write_text(text.replace("[model]", '[text]\nencoder = "clip"\n[model]'))
    cache = write_cache(folder / "cache")
    for stage in ("all", "evaluator"):
        train(stage, recipe, cache, folder / "run", "--text-weights", str(clip))
    return folder / "run"


def test_it_is_scored_and_becomes_a_bundle(clip: Path, run: Path, tmp_path: Path) -> None:
    data, bundle = run.parent / "cache", tmp_path / "run.zip"
    assert export(["--run", str(run), "-o", str(bundle)]) == 1  # its recipe names no file
    assert export(["--run", str(run), "-o", str(bundle), "--text-weights", str(clip)]) == 0
    engine, trained = Engine(Bundle.open(bundle)), load_run(run)
    states = caption_states([PROMPT], TextRecipe(encoder="clip", weights=str(clip)))
    with torch.no_grad():
        ends = torch.from_numpy(states.ends)
        wanted = trained.model.text_head(torch.from_numpy(states.states), ends)[0].numpy()
    assert engine._text is not None
    assert np.allclose(engine._text.encode(PROMPT).text, wanted, atol=5e-3)  # its weights are in fp16
    evaluate = ["evaluate", "--run", str(run), "--data", str(data), "--split", "", "--limit", "2"]
    evaluate += ["--text-weights", str(clip), "--steps", "2", "--repetitions", "2", "--swaps", "0"]
    assert intermoe([*evaluate, "-o", str(tmp_path / "table")]) == 0
    assert "R-precision" in (tmp_path / "table" / "table.md").read_text()


def test_it_is_an_official_release(run: Path) -> None:
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
