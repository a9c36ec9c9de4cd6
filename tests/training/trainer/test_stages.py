# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of training by its command, and what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from intermoe_engine.cli.main import main
from tests.training.trainer.tiny_run import log_of, train, write_cache, write_recipe
from training.batches.captions import view_caption
from training.evaluation.official import load_evaluator
from training.model import InterMoE, ModelConfig
from training.recipe import RECIPES, RecipeError, find_recipe, load_recipe


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cache(tmp_path_factory.mktemp("data") / "cache")


@pytest.fixture(scope="module")
def run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    recipe = write_recipe(folder)
    text = recipe.read_text().replace("strip = 0", "strip = 6").replace("score = 0", "score = 6")
    recipe.write_text(text)
    return train("all", recipe, cache, folder / "run")


def test_a_run_leaves_what_the_export_reads(run: Path) -> None:
    from export.run import load_run

    model = load_run(run).model
    raw = load_file(run / "denoiser.safetensors")
    assert torch.equal(
        model.denoiser.state_dict()["net.out.linear.weight"], raw["denoiser.net.out.linear.weight"]
    )
    assert float(model.vae.latent_std.min()) > 0 and float(model.vae.latent_mean.abs().max()) > 0


def test_curves_hold_the_load_of_every_expert(run: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard" / "denoiser-1"))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    loads = {f"expert load/block {block}/{expert}" for block in range(2) for expert in range(4)}
    assert loads <= tags and {"dead experts", "terms/loss", "rate/0", "held out/text@500"} <= tags
    assert all(0.0 <= event.value <= 1.0 for tag in loads for event in events.Scalars(tag))
    assert {event.step for event in events.Scalars("terms/loss")} == set(range(1, 15))
    assert events.Images("sample")
    assert (run / "strips" / "denoiser-1-0000012.png").is_file()
    assert log_of(run, "denoiser-1")[14]["dead_experts"] >= 0


def test_a_finished_run_is_left_alone(run: Path, cache: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in run.glob("*.safetensors")}
    assert main(["train", "all", "--resume", "--data", str(cache), "-o", str(run)]) == 0
    assert {p: p.stat().st_mtime_ns for p in run.glob("*.safetensors")} == before


def test_another_recipe_needs_another_folder(
    run: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_recipe(tmp_path, dropout=0.3)
    arguments = ["train", "vae", "--config", str(other), "--data", str(cache), "-o", str(run)]
    assert main(arguments) == 1
    assert "begun with another recipe" in capsys.readouterr().err
    assert (
        main(["train", "denoiser", "--config", str(other), "--data", str(cache), "-o", str(tmp_path / "r")])
        == 1
    )
    assert "intermoe train vae" in capsys.readouterr().err


def test_an_evaluator_is_trained_and_knows_itself(cache: Path, tmp_path: Path) -> None:
    run = train("evaluator", write_recipe(tmp_path), cache, tmp_path / "run")
    evaluator = load_evaluator(run / "evaluator.safetensors")
    assert evaluator.config.features == 268 and evaluator.config.text_encoder == "minilm"
    stats = np.load(run / "stats.npz")
    assert np.allclose(evaluator.feature_mean, stats["mean"])
    scores = json.loads((run / "evaluator-scores.json").read_text())
    assert 0.0 <= scores["top1"] <= 1.0
    losses = [line["loss"] for line in log_of(run, "evaluator-1").values()]
    assert len(losses) == 6 and np.isfinite(losses).all()


def test_inter_x_trains_with_hands(cache: Path, tmp_path: Path) -> None:
    run = train("all", write_recipe(tmp_path, layout="interx"), cache, tmp_path / "run")
    config = ModelConfig.from_dict(json.loads((run / "config.json").read_text()))
    assert config.joints == 55 and np.load(run / "stats.npz")["mean"].shape == (660,)
    model = InterMoE(config)
    model.vae.load_state_dict(load_file(run / "vae.safetensors"))
    losses = [line["loss"] for line in log_of(run, "vae-1").values()]
    assert losses[-1] < losses[0]


def test_profiling_trains_nothing(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train("vae", write_recipe(tmp_path), cache, tmp_path / "run", "--profile")
    said = capsys.readouterr().out
    assert "frames of pairs a second" in said and "waits for batches" in said
    assert not list(run.glob("*.safetensors"))


def test_views_change_what_a_caption_says() -> None:
    text = "the first person raises the left arm of the second person"
    assert view_caption(text, swap=False, mirror=True) == text.replace("left", "right")
    assert view_caption(text, True, False) == "the second person raises the left arm of the first person"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_can_be_read(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem and find_recipe(path.stem) == path


def test_the_paper_s_recipe_has_the_paper_s_sizes_and_schedule() -> None:
    recipe = load_recipe(find_recipe("interhuman"))
    assert recipe.model == ModelConfig.official()
    assert recipe.denoiser.cycle_steps(6400) == (100_000,) and recipe.denoiser.warm_up_steps(6400) == 1000
    assert 2 * recipe.vae.batch == 256 and recipe.vae.stride == 10 and recipe.vae.learning_rates == (2e-4,)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("batch = 4\nframes", "batch = 4\nframe", "frame is not known"),
        ("steps = [6, 6]", "steps = [6]", "learning_rates needs one entry"),
        ("frames = 16", "frames = 18", "multiple of 4"),
        ('optimizer = "adamw"', 'optimizer = "sgd"', "use adamw, muon"),
        ("seed = 3", "", "'seed' is missing"),
        ("[vae]", "[vea]", "'vae' is missing"),
    ],
)
def test_a_wrong_recipe_is_refused_in_words(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = write_recipe(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(RecipeError, match=said) as caught:
        load_recipe(path)
    assert str(path) in str(caught.value)
