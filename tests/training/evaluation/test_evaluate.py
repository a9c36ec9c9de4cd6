# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole evaluation: on a generator that replays the captures, and on an engine with random weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from intermoe_engine.bundle import Bundle
from intermoe_engine.cli.main import main
from intermoe_engine.errors import RequestError
from intermoe_engine.generate import Engine
from intermoe_engine.representation import INTERHUMAN, INTERHUMAN_ROOT
from intermoe_engine.rotations import quat_from_axis_angle, quat_multiply
from intermoe_engine.skeleton import SMPL22
from training.data.cache import CacheWriter, PairCache
from training.data.pair_clip import PairClip
from training.evaluation import save_evaluator
from training.evaluation.embedding import Embedder
from training.evaluation.evaluate import EvaluationSettings, evaluate, write_report
from training.evaluation.generation import GeneratedMotion, MotionGenerator
from training.evaluation.motion import PairMotion
from training.model.evaluator import EvaluatorConfig, PairEvaluator

FRAMES = 30
CAPTIONS = (
    "the first person waves while the second person watches",
    "the second person waves while the first person watches",
    "two people shake hands",
)
SWAPPED = {CAPTIONS[0]: CAPTIONS[1], CAPTIONS[1]: CAPTIONS[0]}
UP = np.array([0.0, 1.0, 0.0])
SMALL = EvaluatorConfig(
    width=16, layers=1, heads=2, hidden=16, embedding=8, text_width=8, text_layers=1, text_heads=2,
    text_hidden=16, vocabulary=40, positions=12,
)  # fmt: skip


def clip(number: int, amplitudes: tuple[float, float], caption: str) -> PairClip:
    """Two people face each other and swing their left arms by so many radians, each clip at its own pace."""
    time = np.arange(FRAMES) / 30.0
    root = np.zeros((2, FRAMES, 3))
    root[:, :, 1] = 0.95
    root[0, :, 2], root[1, :, 2] = -0.4, 0.4 + 0.02 * number
    rotations = np.zeros((2, FRAMES, 22, 4))
    rotations[..., 0] = 1.0
    rotations[1, :, 0] = quat_from_axis_angle(UP, np.array(np.pi))
    shoulder = SMPL22.index("l_shoulder")
    for person, amplitude in enumerate(amplitudes):
        angle = amplitude * np.sin(2 * np.pi * time * (1 + 0.1 * number))
        swing = quat_from_axis_angle(np.array([0.0, 0.0, 1.0]), angle)
        rotations[person, :, shoulder] = quat_multiply(swing, rotations[person, :, shoulder])
    offsets = np.stack([SMPL22.offsets, SMPL22.offsets])
    return PairClip(
        f"clip_{number:02d}", 30.0, root, rotations, offsets, ("", ""), (caption,), "test", "made"
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> PairCache:
    folder = tmp_path_factory.mktemp("cache") / "cache"
    with CacheWriter(folder) as writer:
        for number in range(6):
            amplitudes = ((1.0, 0.2), (0.2, 1.0), (0.6, 0.6))[number % 3]
            writer.add(clip(number, amplitudes, CAPTIONS[number % 3]))
        writer.add(replace(clip(90, (1, 1), ""), captions=()))
        writer.add(replace(clip(91, (1, 1), "two people wave"), split="train"))
    return PairCache(folder)


def tokenizer_json() -> bytes:
    words = ["[PAD]", "[UNK]", "[BOS]"] + sorted({word for c in CAPTIONS for word in c.split()})
    vocabulary = {word: k for k, word in enumerate(words)}
    vocabulary |= {f"unused{k}": k for k in range(len(words), 39)}
    tokenizer = Tokenizer(models.WordLevel({**vocabulary, "[EOS]": 39}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[BOS] $A [EOS]", special_tokens=[("[BOS]", 2), ("[EOS]", 39)]
    )
    return tokenizer.to_str().encode()


@pytest.fixture(scope="module")
def evaluator() -> PairEvaluator:
    torch.manual_seed(0)
    return PairEvaluator(SMALL)


@pytest.fixture(scope="module")
def embedder(evaluator: PairEvaluator) -> Embedder:
    return Embedder(evaluator, tokenizer_json=tokenizer_json())


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> Engine:
    return Engine(Bundle.open(tiny_bundle), "cpu")


class Replay(MotionGenerator):
    """Gives back the capture itself, with the people swapped where the sentence has the roles swapped."""

    def __init__(self, engine: Engine, cache: PairCache, swap: bool) -> None:
        super().__init__(engine)
        self.cache, self.swap = cache, swap

    def make(self, caption: str, frames: int, seed: int, variations: int = 1) -> list[GeneratedMotion]:
        number = seed % (1 << 32)
        loaded = self.cache.load(number)
        motion = PairMotion.of_clip(loaded, frames)
        if self.swap and caption == SWAPPED.get(loaded.captions[0]):
            motion = motion.swapped()
        return [GeneratedMotion(motion, motion, 0.0, 0.0)] * variations


def test_replayed_captures_score_as_the_captures(
    cache: PairCache, engine: Engine, embedder: Embedder
) -> None:
    report = evaluate(cache, EvaluationSettings(), Replay(engine, cache, swap=True), embedder)
    assert report["rows"] == ["real", "decoded", "cleaned"] and report["data"]["clips"] == 6
    for row in ("decoded", "cleaned"):
        assert report["protocol"][row] == report["protocol"]["real"]
        expected = report["animator"]["real"]
        compared = {key for key in expected if key != "bone_drift_mm"}  # of the model's own statement
        assert {key: report["animator"][row][key] for key in compared} == {k: expected[k] for k in compared}
        assert report["distance"][row]["from_real_m"] == 0
        assert report["roles"][row]["role_accuracy"] == report["roles"]["real"]["role_accuracy"]
        assert report["roles"][row]["livelier_as_real"] == {
            "mean": 1.0, "median": 1.0, "p5": 1.0, "p95": 1.0, "n": 4,
        }  # fmt: skip
    assert report["protocol"]["real"]["fid"]["mean"] == pytest.approx(0, abs=1e-6)
    swaps = report["roles"]["cleaned"]
    assert swaps["swap_margin"]["mean"] == pytest.approx(1) and swaps["swap_margin"]["n"] == 4
    assert swaps["swap_rate"]["mean"] == swaps["swap_rate_evaluator"]["mean"] == 1
    assert any("one batch of 6 clips" in note for note in report["notes"])


def test_a_generator_deaf_to_roles(cache: PairCache, engine: Engine, embedder: Embedder) -> None:
    report = evaluate(cache, EvaluationSettings(), Replay(engine, cache, swap=False), embedder)
    swaps = report["roles"]["cleaned"]
    assert swaps["swap_margin"]["mean"] == pytest.approx(-1)
    assert swaps["swap_rate"]["mean"] == swaps["swap_rate_evaluator"]["mean"] == 0


def test_figures_of_the_captures_are_right(cache: PairCache) -> None:
    report = evaluate(cache, EvaluationSettings(), None, None)
    assert report["rows"] == ["real"] and report["protocol"] == {} and report["bundle"] is None
    real = report["animator"]["real"]
    assert real["distance_m"]["mean"] == pytest.approx(0.8 + 0.02 * 2.5, abs=1e-3)
    assert real["asked_hands_mm"]["n"] == 2 and real["asked_contact"]["n"] == 2
    assert real["foot_slide_mm_s"]["mean"] == pytest.approx(0, abs=1)
    assert real["asked_still_ratio"]["n"] == 4
    assert real["asked_still_ratio"]["mean"] < 0.4 < real["liveliness_ratio"]["p95"]
    assert "published metrics are left out" in report["notes"][0]


def test_a_real_engine_end_to_end(
    cache: PairCache, tiny_bundle: Path, evaluator: PairEvaluator, tmp_path: Path, capsys
) -> None:
    save_evaluator(evaluator, tmp_path / "evaluator.safetensors")
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_json())
    command = [
        "evaluate", "--bundle", str(tiny_bundle), "--data", str(cache.path), "--steps", "3", "--swaps", "1",
        "--evaluator", str(tmp_path / "evaluator.safetensors"), "--device", "cpu",
        "--tokenizer", str(tmp_path / "tokenizer.json"),
        "--samples", "2", "--multimodality", "2", "2", "--repetitions", "5", "--limit", "2",
    ]  # fmt: skip
    assert main([*command, "-o", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    table = (tmp_path / "out" / "table.md").read_text()
    assert table in printed.out and "clips" in printed.err
    for line in ("| | real | generated | generated, cleaned up |", "| FID ↓ |", "| Multimodality ↑ | – |"):
        assert line in table
    report = json.loads((tmp_path / "out" / "table.json").read_text())
    assert report["protocol"]["decoded"]["multimodality"]["mean"] > 0
    drift = {row: report["animator"][row]["bone_drift_mm"]["mean"] for row in report["rows"]}
    assert drift["decoded"] > 1 and drift["cleaned"] < 1e-6
    assert report["bundle"]["steps"] == 3 and report["evaluator"]["layout"] == "interhuman"
    assert "2 generated motions per clip served 5 repetitions" in table

    # The same command gives the same figures, from the parts that are there and from nothing.
    assert main([*command, "-o", str(tmp_path / "out")]) == 0
    again = json.loads((tmp_path / "out" / "table.json").read_text())
    assert main([*command, "-o", str(tmp_path / "fresh")]) == 0
    fresh = json.loads((tmp_path / "fresh" / "table.json").read_text())
    for key in ("protocol", "animator", "roles", "distance"):
        assert again[key] == fresh[key] == report[key]


def test_an_interrupted_evaluation_goes_on(cache: PairCache, engine: Engine, tmp_path: Path) -> None:
    settings = EvaluationSettings(limit=4, samples=3, swaps=0)
    made: list[int] = []

    class Breaking(Replay):
        def make(self, caption: str, frames: int, seed: int, variations: int = 1) -> list[GeneratedMotion]:
            if len(made) == 8:
                raise KeyboardInterrupt
            made.append(seed)
            return super().make(caption, frames, seed, variations)

    with pytest.raises(KeyboardInterrupt):
        evaluate(cache, settings, Breaking(engine, cache, True), None, tmp_path)
    kept = len(made)
    whole = Replay(engine, cache, True)
    original, whole.make = whole.make, lambda *a: (made.append(a[2]), original(*a))[1]  # type: ignore[method-assign]
    report = evaluate(cache, settings, whole, None, tmp_path)
    assert kept == 8 and len(made) == len(set(made)) == 12
    assert report["animator"] == evaluate(cache, settings, whole, None)["animator"]


def test_features_are_those_of_training(cache: PairCache) -> None:
    loaded = cache.load(1)
    for layout in (INTERHUMAN, INTERHUMAN_ROOT):
        np.testing.assert_allclose(
            PairMotion.of_clip(loaded).features(layout), loaded.features(layout), atol=1e-6
        )
    np.testing.assert_allclose(
        PairMotion.of_clip(loaded, 20).swapped().features(INTERHUMAN),
        loaded.window(0, 20).swapped().features(INTERHUMAN),
        atol=1e-6,
    )


def test_the_official_evaluator_sees_each_person_on_the_floor(cache: PairCache, embedder: Embedder) -> None:
    motion = PairMotion.of_clip(cache.load(0))
    lifted = replace(motion, positions=motion.positions + np.array([0, 0.5])[:, None, None, None] * UP)
    floored = lifted.features(INTERHUMAN, floor_each=True)[..., 1:66:3]
    np.testing.assert_allclose(floored.min(axis=(1, 2)), 0, atol=1e-6)
    assert lifted.features(INTERHUMAN)[1, ..., 1:66:3].min() > 0.4
    np.testing.assert_allclose(embedder.motions([lifted]), embedder.motions([motion]), atol=1e-5)


def test_embeddings_do_not_depend_on_company(cache: PairCache, evaluator: PairEvaluator) -> None:
    small, large = (Embedder(evaluator, tokenizer_json=tokenizer_json(), batch=n) for n in (1, 16))
    motions = [PairMotion.of_clip(cache.load(i), frames) for i, frames in enumerate((30, 15, 20))]
    np.testing.assert_allclose(small.motions(motions), large.motions(motions), atol=1e-5)
    captions = [*CAPTIONS, CAPTIONS[0]]
    np.testing.assert_allclose(small.texts(captions), large.texts(captions), atol=1e-5)
    np.testing.assert_array_equal(large.texts(captions)[0], large.texts(captions)[3])
    assert np.abs(np.diff(large.texts(CAPTIONS), axis=0)).max() > 1e-3


def test_a_split_without_clips_is_refused(cache: PairCache, tmp_path: Path, capsys) -> None:
    with pytest.raises(RequestError, match="captioned clips are in test, train"):
        evaluate(cache, EvaluationSettings(split="val"), None, None)
    assert main(["evaluate", "--data", str(cache.path), "--split", "val", "-o", str(tmp_path / "o")]) == 2
    assert "choose another" in capsys.readouterr().err and not (tmp_path / "o").exists()


def test_a_tokenizer_that_does_not_fit_is_refused(evaluator: PairEvaluator) -> None:
    with pytest.raises(ValueError, match="--tokenizer"):
        Embedder(evaluator)
    other = Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).to_str().encode()
    with pytest.raises(ValueError, match="knows 1 tokens, the evaluator 40"):
        Embedder(evaluator, tokenizer_json=other)


def test_an_official_checkpoint_with_foreign_objects(cache: PairCache, tmp_path: Path, capsys) -> None:
    torch.manual_seed(1)
    state = {f"model.{key}": value for key, value in PairEvaluator(SMALL).state_dict().items()}
    # As trainers write them: paths and settings of other packages lie beside the weights.
    torch.save({"state_dict": state, "callbacks": {"best": Path("a.ckpt")}}, tmp_path / "interclip.ckpt")
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_json())
    command = [
        "evaluate", "--data", str(cache.path), "--evaluator", str(tmp_path / "interclip.ckpt"),
        "--evaluator-heads", "2", "--tokenizer", str(tmp_path / "tokenizer.json"), "--repetitions", "2",
        "-o", str(tmp_path / "out"),
    ]  # fmt: skip
    assert main(command) == 0
    report = json.loads((tmp_path / "out" / "table.json").read_text())
    assert not any("served" in note for note in report["notes"])  # nothing was generated
    assert report["evaluator"]["name"].startswith("InterCLIP") and report["protocol"]["real"]["fid"]
    capsys.readouterr()
    (tmp_path / "empty.ckpt").write_bytes(b"no checkpoint")
    assert main([*command[:4], str(tmp_path / "empty.ckpt"), *command[5:]]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_report_is_plain_json(cache: PairCache, tmp_path: Path) -> None:
    report = evaluate(cache, EvaluationSettings(limit=2), None, None)
    _, path = write_report(report, tmp_path)
    assert json.loads(path.read_text()) == json.loads(json.dumps(report))
