# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of docs/training.md, one after the other, on small made-up data in the right layouts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from intermoe_engine.bundle import Bundle
from intermoe_engine.cli.main import main
from intermoe_engine.take import Take
from tests.training.data.known_motion import known_pair
from tests.training.data.test_interhuman import to_492, write_interhuman
from tests.training.data.test_interx import known_smplx, to_56x6, write_h5
from tests.training.loaders import known_people
from tests.training.trainer.tiny_run import write_recipe
from training.data.smplx_bodies import generic_body

pytestmark = pytest.mark.slow
STEPS = ("vae", "denoiser", "evaluator")


def own_clips(recipe: Path) -> Path:
    """The recipe without the names of clips that it holds out."""
    recipe.write_text(recipe.read_text().replace('held_out = ["clip4"]', ""))
    return recipe


@pytest.mark.timeout(900)
def test_from_an_interhuman_download_to_the_table(tmp_path: Path) -> None:
    clips = {f"{number}": to_492(known_pair(frames=48, seed=number)) for number in range(10)}
    names = list(clips)
    splits = {"train": names[:4], "val": names[4:5], "test": names[5:]}
    source = write_interhuman(tmp_path / "InterHuman", clips, splits)
    (source / "ignore_list.txt").write_text("")
    cache, run, table = tmp_path / "cache", tmp_path / "run", tmp_path / "table"
    assert main(["train", "prepare", str(source), "-o", str(cache)]) == 0
    recipe = own_clips(write_recipe(tmp_path, layout="interhuman"))
    for stage in STEPS:
        more = ["--config", str(recipe)] if stage == "vae" else []
        assert main(["train", stage, *more, "--data", str(cache), "-o", str(run)]) == 0
    evaluate = ["evaluate", "--run", str(run), "--data", str(cache), "--split", "test", "-o", str(table)]
    assert main([*evaluate, "--repetitions", "2", "--steps", "2", "--swaps", "1"]) == 0
    figures = json.loads((table / "table.json").read_text())
    assert figures and (table / "table.md").read_text().strip()
    bundle = Bundle.open(tmp_path / "out.zip") if export(run, tmp_path / "out.zip") else None
    assert bundle is not None and bundle.card.feature_layout == "interhuman"


@pytest.mark.timeout(900)
def test_from_an_inter_x_download_to_the_table(tmp_path: Path) -> None:
    clips = [to_56x6(known_smplx(48, seed=seed), generic_body().pelvis) for seed in range(8)]
    named = {f"G00{k}T000A000R000": clip for k, clip in enumerate(clips)}
    splits = {"train": slice(0, 4), "val": slice(4, 5), "test": slice(5, 8)}
    source = write_h5(
        tmp_path / "Inter-X", {split: dict(list(named.items())[part]) for split, part in splits.items()}
    )
    cache, run, judge, table = (tmp_path / name for name in ("cache", "run", "judge", "table"))
    assert main(["train", "prepare", str(source), "-o", str(cache)]) == 0
    recipe = own_clips(write_recipe(tmp_path, layout="interx"))
    assert main(["train", "all", "--config", str(recipe), "--data", str(cache), "-o", str(run)]) == 0
    # Evaluators read the 22 body joints, in InterHuman's features.
    assert main(["train", "evaluator", "--data", str(cache), "-o", str(run)]) == 1
    recipe = own_clips(write_recipe(tmp_path, layout="interhuman"))
    assert main(["train", "evaluator", "--config", str(recipe), "--data", str(cache), "-o", str(judge)]) == 0
    assert export(run, tmp_path / "interx.zip")
    evaluate = ["evaluate", "--bundle", str(tmp_path / "interx.zip"), "--data", str(cache), "--steps", "2"]
    evaluate += ["--evaluator", str(judge / "evaluator.safetensors"), "--repetitions", "2", "--swaps", "1"]
    assert main([*evaluate, "-o", str(table)]) == 0
    assert json.loads((table / "table.json").read_text())
    take = tmp_path / "wave.npz"
    generate = ["generate", "one person waves", "--bundle", str(tmp_path / "interx.zip"), "-o", str(take)]
    assert main([*generate, "--duration", "1", "--steps", "2", "--device", "cpu"]) == 0
    assert np.isfinite(Take.load(take).actors[1].joint_positions).all()


@pytest.mark.timeout(900)
def test_from_a_folder_of_bvh_pairs_to_a_take(tmp_path: Path) -> None:
    source = tmp_path / "clips"
    source.mkdir()
    rows = ["name\tfile_a\tfile_b\tcaption\trole_a\trole_b\tsplit"]
    for number in range(3):
        truth = known_people.known_pair(frames=60, seed=number)
        for person, letter in enumerate("ab"):
            skeleton = known_people.on_skeleton(truth, person, known_people.MIXAMO, None, None, 0.01, ())
            known_people.write_bvh(source / f"s{number}_{letter}.bvh", skeleton, truth.fps)
        split = "val" if number == 2 else "train"
        rows.append(f"s{number}\ts{number}_a.bvh\ts{number}_b.bvh\ttwo people step\tleader\tother\t{split}")
    (source / "captions.tsv").write_text("\n".join(rows) + "\n")
    cache, run = tmp_path / "cache", tmp_path / "run"
    assert main(["train", "prepare", str(source), "-o", str(cache)]) == 0
    recipe = own_clips(write_recipe(tmp_path, optimizer="muon"))
    assert main(["train", "all", "--config", str(recipe), "--data", str(cache), "-o", str(run)]) == 0
    assert json.loads((run / "card.json").read_text())["example_prompts"] == ["two people step"]
    assert export(run, tmp_path / "studio.zip")
    take = tmp_path / "step.npz"
    generate = ["generate", "two people step", "--bundle", str(tmp_path / "studio.zip"), "-o", str(take)]
    assert main([*generate, "--duration", "1", "--steps", "2", "--device", "cpu"]) == 0
    assert np.isfinite(Take.load(take).actors[1].joint_positions).all()


def export(run: Path, bundle: Path) -> bool:
    from export.__main__ import main as export_main

    return export_main(["--run", str(run), "-o", str(bundle)]) == 0
