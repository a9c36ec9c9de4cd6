# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine as a whole, on the real graphs with random weights."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from intermoe_engine.bundle import Bundle, BundleError
from intermoe_engine.errors import Cancelled, DeviceError, RequestError
from intermoe_engine.generate import Engine, GenerateRequest
from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.runtime.session import load_graph
from intermoe_engine.skeleton import SMPL22
from intermoe_engine.take import Take
from tests.tiny_bundle import rewrite_card, write_folder

REQUEST = GenerateRequest("two people dance salsa", duration=1.5, seed=11, steps=6)


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> Engine:
    return Engine(Bundle.open(tiny_bundle), "cpu")


def change(**values) -> GenerateRequest:
    return dataclasses.replace(REQUEST, **values)


def same(a: Take, b: Take, tolerance: float = 1e-4) -> bool:
    return all(
        np.abs(x.joint_positions - y.joint_positions).max() < tolerance
        for x, y in zip(a.actors, b.actors, strict=True)
    )


def test_one_seed_is_one_motion_alone_or_among_variations(engine: Engine) -> None:
    many = engine.generate(change(variations=10))  # more than fit in one batch
    assert [take.seed for take in many] == list(range(11, 21))
    for k in (0, 3, 9):
        alone = engine.generate(change(seed=11 + k))[0]
        assert same(alone, many[k])
    assert not same(many[0], many[1], 1e-2)


def test_another_session_gives_the_same(engine: Engine, tiny_bundle: Path) -> None:
    again = Engine(Bundle.open(tiny_bundle), "auto")
    assert same(engine.generate(REQUEST)[0], again.generate(REQUEST)[0])


def test_prompt_and_guidance_matter(engine: Engine) -> None:
    base = engine.generate(REQUEST)[0]
    assert not same(base, engine.generate(change(prompt="one person left"))[0], 1e-3)
    assert not same(base, engine.generate(change(guidance=5.0))[0], 1e-3)


@pytest.mark.parametrize(("duration", "frames"), [(0.5, 15), (0.55, 16), (1.0, 30), (2.03, 61), (4.0, 120)])
def test_any_duration(engine: Engine, duration: float, frames: int) -> None:
    take = engine.generate(change(duration=duration, steps=2))[0]
    assert take.frames == frames and take.fps == 30.0
    for actor in take.actors:
        assert np.isfinite(actor.joint_positions).all()


def test_take_is_consistent_and_canonical(engine: Engine, tmp_path: Path) -> None:
    take = engine.generate(REQUEST)[0]
    for actor in take.actors:
        positions, _ = forward_kinematics(
            actor.root_translation, actor.joint_rotations, SMPL22.parents, actor.rest_offsets
        )
        np.testing.assert_allclose(positions, actor.joint_positions, atol=1e-9)
        np.testing.assert_allclose(np.linalg.norm(actor.joint_rotations, axis=-1), 1, atol=1e-9)
    np.testing.assert_allclose(take.actors[0].root_translation[0, [0, 2]], 0, atol=1e-9)
    loaded = Take.load(take.save(tmp_path / "take.npz"))
    assert same(take, loaded, 1e-5) and loaded.meta == take.meta
    assert take.meta["bundle"]["id"] == "tiny-test" and take.meta["device"] == "cpu"
    assert 0 < take.meta["fit_error"]["mean_m"] < take.meta["fit_error"]["max_m"]


def test_cleanup_can_be_switched_off(engine: Engine) -> None:
    raw = engine.generate(change(cleanup=False))[0]
    clean = engine.generate(REQUEST)[0]
    assert raw.meta["cleanup"] is None
    assert clean.meta["cleanup"]["jitter_after"] < clean.meta["cleanup"]["jitter_before"]


def test_layout_without_root_rotation(tmp_path: Path) -> None:
    bundle = Bundle.open(write_folder(tmp_path / "b", layout="interhuman"))
    take = Engine(bundle, "cpu").generate(REQUEST)[0]
    assert take.frames == 45
    # The random weights stretch bones by centimetres from frame to frame; no more than that may be lost.
    assert take.meta["fit_error"]["mean_m"] < 0.1


def test_cancel_takes_effect_before_the_next_step(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    real = engine._denoiser.run
    monkeypatch.setattr(engine._denoiser, "run", lambda **inputs: (runs.append(1), real(**inputs))[1])
    with pytest.raises(Cancelled):
        engine.generate(change(steps=500), is_cancelled=lambda: len(runs) >= 3)
    assert len(runs) == 3


def test_progress_is_complete_and_in_order(engine: Engine) -> None:
    seen: list[tuple[str, int, int]] = []
    engine.generate(change(variations=9, steps=3), lambda *event: seen.append(event))
    sampling = [(done, total) for stage, done, total in seen if stage == "sampling"]
    assert sampling == sorted(sampling) and sampling[0] == (0, 6) and sampling[-1] == (6, 6)
    assert seen[-1] == ("decoding", 9, 9)


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": ""}, {"prompt": " \t\n "}, {"prompt": "\x00\x07"}, {"prompt": "\u200b\u200d \ufeff"},
        {"prompt": "a" * 20_000},
        {"duration": 0.4}, {"duration": 4.2}, {"duration": math.nan}, {"duration": -1.0},
        {"duration": math.inf},
        {"steps": 0}, {"steps": 1001}, {"guidance": -1.0}, {"guidance": math.nan},
        {"variations": 0}, {"variations": 1000}, {"seed": -1}, {"seed": 2**63},
    ],
)  # fmt: skip
def test_bad_requests_are_refused_in_one_line(engine: Engine, values: dict) -> None:
    with pytest.raises(RequestError) as caught:
        engine.generate(change(**values))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "prompt", ["две танцуют", "踊る二人", "💃🕺", "two\x00people\tdance\n", "tw\udcffo", "‮abc"]
)
def test_any_script_and_control_characters_are_taken(engine: Engine, prompt: str) -> None:
    assert engine.generate(change(prompt=prompt, steps=1))[0].frames == 45


def test_control_characters_do_not_change_the_motion(engine: Engine) -> None:
    odd = engine.generate(change(prompt="two\x00people\r\n dance  salsa\x1b"))[0]
    assert same(odd, engine.generate(REQUEST)[0], 1e-9)


def test_long_prompt_is_cut_with_a_warning(engine: Engine) -> None:
    cut = engine.generate(change(prompt="two people dance " * 30))[0]
    assert cut.meta["warnings"] == ["the prompt has 90 tokens and was cut after 12; make it shorter"]
    assert same(cut, engine.generate(change(prompt="two people dance " * 4))[0])
    assert engine.generate(REQUEST)[0].meta["warnings"] == []


def test_device_tells_the_truth(tiny_bundle: Path) -> None:
    model = (tiny_bundle / "vae_decoder.onnx").read_bytes()
    graph = load_graph("decoder", model, "auto")
    providers = graph.session.get_providers()
    assert graph.device == ("cuda" if providers[0] == "CUDAExecutionProvider" else "cpu")
    if graph.device == "cpu":
        with pytest.raises(DeviceError, match="CUDA"):
            load_graph("decoder", model, "cuda")
    with pytest.raises(DeviceError):
        load_graph("decoder", model, "tpu")


def test_layout_that_is_not_read_yet(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "b")
    rewrite_card(folder, feature_layout="interx")
    with pytest.raises(BundleError, match="interx"):
        Engine(Bundle.open(folder), "cpu")


def test_skeleton_that_the_layout_does_not_describe(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "b")
    card = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    skeleton = {key: values[:21] for key, values in card["skeleton"].items()}
    skeleton["mirror"] = list(range(21))
    rewrite_card(folder, skeleton=skeleton)
    with pytest.raises(BundleError, match="skeleton"):
        Engine(Bundle.open(folder), "cpu")


def test_decoder_of_another_layout(tmp_path: Path, tiny_bundle: Path) -> None:
    folder = write_folder(tmp_path / "b", layout="interhuman")
    shutil.copy(tiny_bundle / "vae_decoder.onnx", folder)
    rewrite_card(folder)
    with pytest.raises(BundleError, match="vae_decoder.onnx"):
        Engine(Bundle.open(folder), "cpu").generate(REQUEST)


def test_the_take_keeps_the_prompt_without_what_files_cannot_hold(engine: Engine) -> None:
    assert engine.generate(change(prompt=" two\udcff\tdance\n", steps=1))[0].prompt == "two dance"


def test_the_last_seed(engine: Engine) -> None:
    last = 2**63 - 1 - 64
    assert engine.generate(change(seed=last, steps=1, variations=2))[1].seed == last + 1
