# SPDX-License-Identifier: GPL-3.0-or-later
"""From a run's folder to a bundle that the engine opens, and sampling through it as torch samples."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnxruntime as ort  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from export.__main__ import main  # noqa: E402
from export.bundle_writer import ExportError, stats_file, write_bundle  # noqa: E402
from export.random_bundle import TINY, random_model, standing_statistics, write_random_bundle  # noqa: E402
from export.run import export_run, load_run  # noqa: E402
from intermoe_engine.bundle import Bundle, BundleError  # noqa: E402
from intermoe_engine.generate import Engine, GenerateRequest  # noqa: E402
from intermoe_engine.runtime.sampler import cosine_alphas_cumprod, sample_ddim  # noqa: E402
from intermoe_engine.skeleton import SMPL22  # noqa: E402
from training.model import GaussianDiffusion, ModelConfig  # noqa: E402
from training.text.minilm import MiniLMNotFound, minilm_files  # noqa: E402

try:
    minilm_files()
except MiniLMNotFound as error:
    pytest.skip(str(error), allow_module_level=True)

RUN_CONFIG = ModelConfig.from_dict({**TINY.to_dict(), "text_width": 384, "text_head_heads": 8})


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_bundle(tmp_path_factory.mktemp("bundle") / "tiny.zip")


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    model = random_model(RUN_CONFIG, seed=7)
    folder = tmp_path / "run"
    folder.mkdir()
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(
        {k.removeprefix("vae."): v for k, v in state.items() if k.startswith("vae.")},
        folder / "vae.safetensors",
    )
    save_file({k: v for k, v in state.items() if not k.startswith("vae.")}, folder / "denoiser.safetensors")
    mean, std = standing_statistics(RUN_CONFIG)
    np.savez(folder / "stats.npz", mean=mean, std=std)
    card = {
        "id": "run",
        "name": "Run",
        "licence": "GPL-3.0-or-later",
        "knows": "noise",
        "frames": {"max": 120},
    }
    for name, document in (
        ("config", RUN_CONFIG.to_dict()),
        ("skeleton", SMPL22.to_dict()),
        ("card", card),
    ):
        (folder / f"{name}.json").write_text(json.dumps(document))
    return folder


def test_the_engine_accepts_the_bundle(tiny: Path) -> None:
    card = Bundle.open(tiny).card
    assert card.feature_layout == "interhuman+root" and card.latent.width == 2 * TINY.latent_width
    assert card.skeleton.names == SMPL22.names
    measured = {(p["graph"], p["precision"]): p for p in card.provenance["parity"]}
    assert {graph for graph, _ in measured} == {"denoiser", "text_encoder", "vae_decoder", "vae_encoder"}
    assert all(p["max_abs_error"] <= 1e-4 for (_, precision), p in measured.items() if precision == "fp32")


def test_the_same_weights_give_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    assert write_random_bundle(tmp_path / "again.zip").read_bytes() == tiny.read_bytes()


def test_a_folder_holds_what_the_zip_holds(tiny: Path, tmp_path: Path) -> None:
    folder = Bundle.open(write_random_bundle(tmp_path / "bundle"))
    zipped = Bundle.open(tiny)
    assert folder.sha256 == zipped.sha256
    with pytest.raises(ExportError, match="exists already"):
        write_bundle(tmp_path / "bundle", {**zipped.card.raw}, {n: zipped.read(n) for n in zipped.card.files})


@pytest.mark.parametrize("frames", [4, 15])
def test_sampling_through_the_bundle_is_sampling_in_torch(tiny: Path, frames: int) -> None:
    bundle, model = Bundle.open(tiny), random_model()
    denoiser = ort.InferenceSession(bundle.read("denoiser.onnx"))
    decoder = ort.InferenceSession(bundle.read("vae_decoder.onnx"))
    draw = np.random.default_rng(11)
    noise = draw.standard_normal((2, frames, 2 * TINY.latent_width)).astype(np.float32)
    text = draw.standard_normal((2, TINY.text_width)).astype(np.float32)

    def call(latents: np.ndarray, timesteps: np.ndarray, text: np.ndarray, mask: np.ndarray) -> np.ndarray:
        inputs = {"latents": latents, "timesteps": timesteps, "text": text, "mask": mask}
        return np.asarray(denoiser.run(None, inputs)[0])

    got = sample_ddim(call, noise, text, count=50, guidance=3.5, alphas_cumprod=cosine_alphas_cumprod(1000))
    expected = GaussianDiffusion().sample(model.denoiser, torch.from_numpy(noise), torch.from_numpy(text))
    assert expected.abs().max() > 0.5
    np.testing.assert_allclose(got, expected.numpy(), atol=1e-3)

    people = got.reshape(2, frames, 2, 7, -1).transpose(2, 0, 1, 3, 4).reshape(4, frames, 7, -1)
    motion = np.asarray(decoder.run(None, {"latents": np.ascontiguousarray(people)})[0])
    np.testing.assert_allclose(motion, model.vae.decode(torch.from_numpy(people.copy())).numpy(), atol=1e-4)


def test_command_line_exports_a_run(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out" / "run.zip"
    assert main(["--run", str(run_folder), "-o", str(output)]) == 0
    bundle = Bundle.open(output)
    assert bundle.card.frames.max == 120 and bundle.card.frames.min == 15
    assert bundle.card.provenance["knows"] == "noise"
    assert "denoiser fp16-storage" in capsys.readouterr().out
    assert [path.name for path in output.parent.iterdir()] == ["run.zip"]

    assert main(["--run", str(run_folder), "-o", str(output), "--max-megabytes", "1"]) == 1
    assert "lower precision" in capsys.readouterr().err
    assert Bundle.open(output).sha256 == bundle.sha256  # a refused export leaves the old one alone


def test_a_bundle_says_when_a_sentence_is_unlike_all_it_knows(run_folder: Path, tmp_path: Path) -> None:
    known = ["two people dance salsa together", "a man leads a woman in a partner dance"]
    listed = [
        {"name": "salsa", "prompt": known[0], "seconds": 1.5},
        {"name": "lead", "prompt": known[1], "seconds": 9.0},
    ]
    told = {"sentences": known, "interactions": ["salsa", "lead"]}
    (run_folder / "known.json").write_text(json.dumps(told))
    card = json.loads((run_folder / "card.json").read_text())
    (run_folder / "card.json").write_text(json.dumps({**card, "interactions": listed}))
    engine = Engine(Bundle.open(export_run(run_folder, tmp_path / "run.zip")), "cpu")
    assert [dataclasses.asdict(known) for known in engine.bundle.card.interactions] == listed
    like, unlike = (
        engine.generate(GenerateRequest(prompt, 0.5, steps=1, cleanup=False))[0].meta["warnings"]
        for prompt in ("a couple dances salsa", "one person kicks the other in the shin")
    )
    assert like == []
    assert len(unlike) == 1 and "not trained" in unlike[0] and f'lead ("{known[1]}")' in unlike[0]
    # Without a duration: as long as it usually takes, within the card's 4 s, and 5 s cut to 4 where unknown.
    for prompt, frames in (("a couple dances salsa", 45), (known[1], 120), ("a dog barks", 120)):
        take = engine.generate(GenerateRequest(prompt, steps=1, cleanup=False))[0]
        assert take.frames == frames and take.meta["duration"] == pytest.approx(frames / 30)


def test_weights_are_read_back_exactly(run_folder: Path) -> None:
    expected = random_model(RUN_CONFIG, seed=7).state_dict()
    got = load_run(run_folder).model.state_dict()
    assert all(torch.equal(got[key], value) for key, value in expected.items())


def test_incomplete_runs_are_refused_in_one_line(run_folder: Path, tmp_path: Path) -> None:
    config = json.loads((run_folder / "config.json").read_text())
    (run_folder / "config.json").write_text(json.dumps({**config, "denoiser_blocks": 3}))
    with pytest.raises(ExportError, match=r"lack \d+ entries.*blocks\.2"):
        export_run(run_folder, tmp_path / "x.zip")
    (run_folder / "config.json").write_text(json.dumps({**config, "vae_channels": 16}))
    with pytest.raises(ExportError, match=r"misshape"):
        export_run(run_folder, tmp_path / "x.zip")
    (run_folder / "card.json").unlink()
    with pytest.raises(ExportError, match=r"lacks card\.json"):
        export_run(run_folder, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_a_card_that_the_engine_refuses_is_not_written(tiny: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(tiny)
    files = {name: bundle.read(name) for name in bundle.card.files}
    with pytest.raises(BundleError, match="fps"):
        write_bundle(tmp_path / "bad.zip", {**bundle.card.raw, "fps": 0}, files)
    with pytest.raises(ExportError, match="JSON"):
        write_bundle(tmp_path / "bad.zip", {**bundle.card.raw, "score": float("nan")}, files)
    del files["stats.npz"]
    with pytest.raises(BundleError, match=r"stats\.npz"):
        write_bundle(tmp_path / "bad.zip", bundle.card.raw, files)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("std", [np.zeros(268), np.ones(262), np.full(268, np.nan)])
def test_statistics_that_cannot_be_used_are_refused(std: np.ndarray) -> None:
    with pytest.raises(ExportError, match="268"):
        stats_file(np.zeros(268), std, 268)
