# SPDX-License-Identifier: GPL-3.0-or-later
"""A release in the authors' layout becomes a bundle that says what torch says, from words to joints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")

from export.bundle_writer import ExportError  # noqa: E402
from export.compare_official import Comparison, compare_bundles  # noqa: E402
from export.official_bundle import OfficialFiles, OfficialPrecision, import_official  # noqa: E402
from export.official_release import load_release, read_sampling_facts, read_statistics  # noqa: E402
from export.random_release import SIZES, write_release  # noqa: E402
from intermoe_engine.bundle import Bundle  # noqa: E402
from intermoe_engine.cli.main import main  # noqa: E402
from intermoe_engine.generate import Engine, GenerateRequest  # noqa: E402
from training.text.clip_tokenizer import find_merges  # noqa: E402
from training.weights import WeightsError  # noqa: E402

PROMPT = "It’s the fencers’ turn 🤺: two people BOW to each other."


def files_of(folder: Path, clip: str | None = "clip") -> OfficialFiles:
    return OfficialFiles(
        folder / "model" / "denoiser.ckpt",
        folder / "model" / "vae.ckpt",
        folder / "config.yaml",
        folder,
        None if clip is None else folder / clip,
    )


def arguments(files: OfficialFiles, output: Path) -> list[str]:
    text = ["--without-text"] if files.clip is None else ["--clip", str(files.clip)]
    named = {
        "--denoiser": files.denoiser,
        "--vae": files.vae,
        "--config": files.config,
        "--stats": files.stats,
    }
    return ["import-official", *(str(x) for pair in named.items() for x in pair), *text, "-o", str(output)]


@pytest.fixture(scope="module", autouse=True)
def merges() -> None:
    try:
        find_merges(Path("clip.pt"), None)
    except WeightsError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the smallest size. Not to be written to."""
    return write_release(tmp_path_factory.mktemp("release") / "small", *SIZES["small"])


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    """The small release without CLIP, to be spoilt."""
    for name in ("model/denoiser.ckpt", "model/vae.ckpt", "config.yaml", "global_mean.npy", "global_std.npy"):
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes((small / name).read_bytes())
    return tmp_path / "copy"


@pytest.fixture(scope="module")
def bundles(small: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[OfficialPrecision, Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    precisions: tuple[OfficialPrecision, ...] = ("fp32", "fp16")
    return {p: Bundle.open(import_official(files_of(small), folder / p, p)) for p in precisions}


def check(results: list[Comparison]) -> None:
    exact, half = results
    assert (exact.precision, half.precision) == ("fp32", "fp16")
    assert exact.text_error < 1e-4 and exact.latent_error < 1e-3
    assert exact.mean_joint_mm < 0.1
    # Half precision is really in use, and what it moves stays far below what anybody sees.
    assert exact.mean_joint_mm < half.mean_joint_mm < 1.0


def test_the_bundles_sample_what_torch_samples(small: Path, bundles: dict[OfficialPrecision, Bundle]) -> None:
    check(compare_bundles(files_of(small), list(bundles.values()), PROMPT, frames=40))


def test_a_release_of_middle_size_end_to_end(tmp_path: Path) -> None:
    release = files_of(write_release(tmp_path / "release", *SIZES["middle"]))
    made = [import_official(release, tmp_path / p, p) for p in ("fp32", "fp16")]
    bundles = [Bundle.open(path) for path in made]
    assert bundles[1].size < 0.6 * bundles[0].size
    check(compare_bundles(release, bundles, PROMPT, frames=32))


def test_the_card_says_where_the_weights_come_from(
    small: Path, bundles: dict[OfficialPrecision, Bundle]
) -> None:
    card = bundles["fp32"].card
    assert card.feature_layout == "interhuman" and card.frames.max == 300 and card.text.max_tokens == 77
    assert (card.diffusion.default_steps, card.diffusion.default_guidance) == (50, 3.5)
    assert "non-commercial" in card.licence
    sources = card.provenance["sources"]
    assert sources["denoiser"]["file"] == "denoiser.ckpt" and len(sources["vae"]["sha256"]) == 64
    assert str(small) not in json.dumps(card.raw)  # the user's folders are nobody's business
    parity = {p["graph"]: p for p in card.provenance["parity"]}
    assert set(parity) == {"denoiser", "vae_encoder", "vae_decoder", "text_encoder"}


def test_zip_and_folder_are_one_bundle_to_the_engine(
    small: Path,
    bundles: dict[OfficialPrecision, Bundle],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INTERMOE_CACHE", str(tmp_path / "cache"))
    zipped = Bundle.open(import_official(files_of(small), tmp_path / "official.zip", "fp16"))
    assert zipped.sha256 == bundles["fp16"].sha256
    request = GenerateRequest(PROMPT, duration=1.0, steps=4, cleanup=False)
    takes = [Engine(bundle, "cpu").generate(request)[0] for bundle in (zipped, bundles["fp16"])]
    for a, b in zip(takes[0].actors, takes[1].actors, strict=True):
        np.testing.assert_array_equal(a.joint_positions, b.joint_positions)
    assert takes[0].meta["warnings"] == []


def test_without_text_the_sentence_does_nothing(small: Path, tmp_path: Path) -> None:
    path = import_official(files_of(small, None), tmp_path / "silent")
    assert not (path / "text_encoder.onnx").exists() and not (path / "tokenizer.json").exists()
    engine = Engine(Bundle.open(path), "cpu")
    takes = [
        engine.generate(GenerateRequest(text, duration=1.0, steps=4))[0]
        for text in ("they hug", "they dance")
    ]
    assert "no text encoder" in takes[0].meta["warnings"][0]
    np.testing.assert_array_equal(takes[0].actors[0].joint_positions, takes[1].actors[0].joint_positions)
    assert compare_bundles(files_of(small, None), [engine.bundle], frames=16)[0].latent_error < 1e-3


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    content = torch.load(path, weights_only=True)
    edit(content["state_dict"])
    torch.save(content, path)


def test_every_tensor_that_does_not_fit_is_named(copy: Path, tmp_path: Path) -> None:
    def spoil(state: dict[str, Any]) -> None:
        state["model.denoiser.net.blocks.1.ffn.gate_weight"] = torch.ones(3, 3)
        del state["model.clip_ln.bias"]
        state["model.denoiser.net.odd.weight"] = torch.ones(1)

    change(copy / "model" / "denoiser.ckpt", spoil)
    with pytest.raises(ExportError) as raised:
        import_official(files_of(copy, None), tmp_path / "bundle")
    told = str(raised.value)
    for part in (
        "missing 1: clip_ln.bias",
        "misshapen 1: denoiser.net.blocks.1.ffn.gate_weight is (3, 3), expected (4, 64)",
        "unexpected 1: denoiser.net.odd.weight",
    ):
        assert part in told
    assert "\n" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_vae_file_of_another_training_is_told_and_not_used(copy: Path) -> None:
    def other(state: dict[str, Any]) -> None:
        state["model.dist.bias"] += 1.0

    expected = load_release(*_paths(copy)).model.vae.dist.bias.clone()
    change(copy / "model" / "vae.ckpt", other)
    release = load_release(*_paths(copy))
    assert "another VAE (1 of" in release.notes[0] and "vae.dist.bias" in release.notes[0]
    assert torch.equal(release.model.vae.dist.bias, expected)


def test_a_denoiser_file_without_vae_takes_it_from_the_other(copy: Path) -> None:
    # Cloned, as the weights stay mapped from the file that is about to be written anew.
    expected = {k: v.clone() for k, v in load_release(*_paths(copy)).model.state_dict().items()}

    def strip(state: dict[str, Any]) -> None:
        for key in [key for key in state if key.startswith("model.vae.")]:
            del state[key]
        for key in list(state):
            state[key.removeprefix("model.")] = state.pop(key)

    change(copy / "model" / "denoiser.ckpt", strip)
    release = load_release(*_paths(copy))
    assert release.notes == []
    assert all(torch.equal(value, expected[key]) for key, value in release.model.state_dict().items())
    with pytest.raises(ExportError, match="holds no VAE"):
        load_release(copy / "model" / "denoiser.ckpt", copy / "model" / "denoiser.ckpt", *_paths(copy)[2:])


def _paths(folder: Path) -> tuple[Path, Path, Path, Path]:
    files = files_of(folder, None)
    return files.denoiser, files.vae, files.config, files.stats


def test_config_is_read_without_running_anything(tmp_path: Path) -> None:
    path, target = tmp_path / "config.yaml", tmp_path / "trapped"
    path.write_text(f"model: !!python/object/apply:pathlib.Path.touch [!!python/name:x '{target}']\n")
    with pytest.raises(ExportError, match="cannot be read as YAML") as raised:
        read_sampling_facts(path)
    assert "\n" not in str(raised.value) and not target.exists()
    facts = {"NUM_HEADS": 6, "STRATEGY": "ddim25", "CFG_WEIGHT": 2}
    path.write_text(yaml.safe_dump({"GENERAL": {"a": 1}, "model": facts}))
    read = read_sampling_facts(path)
    assert (read.heads, read.steps, read.guidance) == (6, 25, 2.0)
    for wrong, words in (
        ({"NUM_HEADS": None}, "must be numbers"),
        ({"BETA_SCHEDULER": "linear"}, "BETA_SCHEDULER linear"),
        ({"DIFFUSION_STEPS": 100}, "DIFFUSION_STEPS 100"),
        ({"STRATEGY": "ddpm"}, "STRATEGY ddpm"),
        ({"CFG_WEIGHT": "high"}, "must be numbers"),
    ):
        path.write_text(yaml.safe_dump({"model": {**facts, **wrong}}))
        with pytest.raises(ExportError, match=words):
            read_sampling_facts(path)
    path.write_text("- a list\n")
    with pytest.raises(ExportError, match="has no NUM_HEADS"):
        read_sampling_facts(path)


def test_statistics_must_be_plain_numbers(copy: Path, tmp_path: Path) -> None:
    np.save(copy / "global_std.npy", np.zeros(262))
    with pytest.raises(ExportError, match="262 finite numbers"):
        import_official(files_of(copy, None), tmp_path / "bundle")
    np.save(copy / "global_mean.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ExportError, match=r"global_mean\.npy cannot be read"):
        read_statistics(copy)
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_command_line(copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "bundle"
    assert main(arguments(files_of(copy, None), output)) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(output)
    assert main(arguments(files_of(copy, None), output)) == 1
    assert "exists already" in capsys.readouterr().err
    (copy / "config.yaml").unlink()
    assert main(arguments(files_of(copy, None), tmp_path / "again")) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "config.yaml" in error
    with pytest.raises(SystemExit) as raised:
        main(arguments(files_of(copy, None), output)[:-3] + ["-o", str(output)])
    assert raised.value.code == 2 and "--without-text" in capsys.readouterr().err
