# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluator against numbers that the published InterGen code computed, and its own form."""

from __future__ import annotations

import json
import math
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

import training
from training.evaluation import EvaluatorError, load_evaluator, load_official_evaluator, save_evaluator
from training.model.evaluator import EvaluatorConfig, PairEvaluator, contrastive_loss
from training.weights import WeightsError

HEADS = 4  # of the tiny case

State = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def numbers(published: Path) -> State:
    with np.load(published / "evaluator_tiny.npz") as archive:
        return {key: archive[key] for key in archive}


@pytest.fixture(scope="module")
def state(published: Path, numbers: State) -> State:
    make = runpy.run_path(str(published / "make_state_dict.py"))["make_state_dict"]
    return {**make(published / "evaluator_tiny.json"), "model.latent_scale": numbers["latent_scale"]}


@pytest.fixture(scope="module")
def evaluator(state: State) -> PairEvaluator:
    return load_official_evaluator(state, heads=HEADS)


@torch.no_grad()
def test_embeddings_match_the_published_code(evaluator: PairEvaluator, numbers: State) -> None:
    lengths = torch.from_numpy(numbers["motion_lens"])
    motion = evaluator.encode_motion(torch.from_numpy(numbers["motions"]), lengths)
    text = evaluator.encode_text(torch.from_numpy(numbers["input_ids"]))
    np.testing.assert_allclose(motion.numpy(), numbers["motion_emb"], atol=1e-4)
    np.testing.assert_allclose(text.numpy(), numbers["text_emb"], atol=1e-4)


@torch.no_grad()
def test_what_lies_behind_the_end_is_not_seen(evaluator: PairEvaluator, numbers: State) -> None:
    motions = torch.from_numpy(numbers["motions"]).clone()
    lengths = torch.from_numpy(numbers["motion_lens"])
    for row, length in enumerate(numbers["motion_lens"]):
        motions[row, length:] = 7.0
    motions = F.pad(motions, (0, 0, 0, 260))  # to 300 frames, as in the protocol
    motion = evaluator.encode_motion(motions, lengths)
    np.testing.assert_allclose(motion.numpy(), numbers["motion_emb"], atol=1e-4)


def test_sizes_come_from_the_shapes(evaluator: PairEvaluator) -> None:
    assert evaluator.config == EvaluatorConfig(
        width=64, layers=2, heads=4, hidden=48, text_layers=8, text_hidden=48, vocabulary=512
    )
    assert evaluator.config.features == 262 and not evaluator.training
    assert training.load_official_evaluator is load_official_evaluator


@torch.no_grad()
def test_no_prefix_tensors_and_the_table_are_accepted(state: State, numbers: State) -> None:
    plain = {key.removeprefix("model."): torch.from_numpy(value) for key, value in state.items()}
    plain["motion_encoder.sequence_pos_encoder.pe"] = torch.zeros(2000, 64)
    plain["latent_scale"] = torch.tensor(float(numbers["latent_scale"][0]))
    loaded = load_official_evaluator({"state_dict": plain}, heads=HEADS)
    text = loaded.encode_text(torch.from_numpy(numbers["input_ids"]))
    np.testing.assert_allclose(text.numpy(), numbers["text_emb"], atol=1e-4)


def test_the_error_names_every_wrong_key(state: State) -> None:
    broken = dict(state)
    del broken["model.out.bias"]
    broken["model.text_ln.weight"] = np.zeros(5, np.float32)
    broken["model.surplus"] = np.zeros(1, np.float32)
    with pytest.raises(EvaluatorError) as caught:
        load_official_evaluator(broken, heads=HEADS)
    message = str(caught.value)
    assert "missing 1: out.bias" in message
    assert "misshapen 1: text_ln.weight is (5,), expected (768,)" in message
    assert "unexpected 1: surplus" in message
    with pytest.raises(EvaluatorError, match=r"missing 1: token_embedding\.weight"):
        load_official_evaluator({k: v for k, v in state.items() if "token_embedding" not in k}, HEADS)
    with pytest.raises(EvaluatorError, match="missing 1: latent_scale"):
        load_official_evaluator({k: v for k, v in state.items() if "latent_scale" not in k}, HEADS)
    with pytest.raises(EvaluatorError, match="choose heads so that it divides"):
        load_official_evaluator(state, heads=5)


@torch.no_grad()
def test_a_checkpoint_is_read_without_executing_it(tmp_path: Path, state: State, numbers: State) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "executed",))

    tensors = {key: torch.from_numpy(value) for key, value in state.items()}
    for beside in ({"epoch": 3}, {"trap": Trap()}):
        torch.save({"state_dict": tensors, **beside}, tmp_path / "interclip.ckpt")
        loaded = load_evaluator(tmp_path / "interclip.ckpt", heads=HEADS)
        text = loaded.encode_text(torch.from_numpy(numbers["input_ids"]))
        np.testing.assert_allclose(text.numpy(), numbers["text_emb"], atol=1e-4)
    assert not (tmp_path / "executed").exists()


def test_a_file_of_another_evaluator_says_so_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "evaluator.safetensors"
    with pytest.raises(WeightsError, match="there is no file"):
        load_evaluator(path)
    path.write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_evaluator(path)
    metadata = {"evaluator": json.dumps(SMALL.to_dict())}
    save_file({"weight": torch.zeros(2)}, str(path), metadata)
    with pytest.raises(EvaluatorError, match="does not hold the evaluator it promises") as caught:
        load_evaluator(path)
    assert "\n" not in str(caught.value)


SMALL = EvaluatorConfig(
    features=268, width=32, layers=1, heads=4, hidden=48, embedding=24, text="states", text_width=16,
    text_layers=1, text_heads=4, text_hidden=32, dropout=0.0, normalised=True,
)  # fmt: skip


def test_own_form_round_trips_through_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    evaluator = PairEvaluator(SMALL).eval()
    evaluator.set_statistics(torch.randn(268), torch.rand(268) + 0.5)
    save_evaluator(evaluator, tmp_path / "evaluator.safetensors")
    loaded = load_evaluator(tmp_path / "evaluator.safetensors")
    assert loaded.config == SMALL
    motions, lengths = torch.randn(3, 20, 536), torch.tensor([20, 12, 5])
    states, mask = torch.randn(3, 6, 16), torch.arange(6) < torch.tensor([6, 4, 2])[:, None]
    with torch.no_grad():
        torch.testing.assert_close(
            loaded.encode_motion(motions, lengths), evaluator.encode_motion(motions, lengths)
        )
        sentences = loaded.encode_sentence(states, mask)
        torch.testing.assert_close(loaded.encode_sentence(states[1:2, :4]), sentences[1:2])
        torch.testing.assert_close(
            loaded.encode_sentence(states[:, 0]), loaded.encode_sentence(states[:, :1])
        )


def test_the_order_of_the_people_and_not_the_contacts_count() -> None:
    torch.manual_seed(0)
    evaluator = PairEvaluator(SMALL).eval()
    motions, lengths = torch.randn(1, 9, 536), torch.tensor([9])
    with torch.no_grad():
        embedded = evaluator.encode_motion(motions, lengths)
        other_contacts = motions.clone()
        other_contacts[..., 258:262] += 1
        other_contacts[..., 268 + 258 : 268 + 262] += 1
        torch.testing.assert_close(evaluator.encode_motion(other_contacts, lengths), embedded)
        swapped = torch.cat([motions[..., 268:], motions[..., :268]], dim=-1)
        assert (evaluator.encode_motion(swapped, lengths) - embedded).abs().max() > 0.01


def test_the_loss_in_closed_form() -> None:
    # Orthonormal pairs scaled by s: the right logit is s², the others 0.
    s, n = 2.0, 5
    embedded = torch.eye(n) * s
    expected = math.log(math.exp(s**2) + n - 1) - s**2
    assert contrastive_loss(embedded, embedded).item() == pytest.approx(expected, rel=1e-5)
    assert contrastive_loss(embedded, embedded.roll(1, 0)).item() == pytest.approx(expected + s**2, rel=1e-5)


def test_the_loss_teaches_four_pairs() -> None:
    torch.manual_seed(0)
    evaluator = PairEvaluator(SMALL)
    motions, lengths, states = torch.randn(4, 8, 536), torch.full((4,), 8), torch.randn(4, 5, 16)
    optimiser = torch.optim.Adam(evaluator.parameters(), lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        evaluator.loss(motions, lengths, states).backward()
        optimiser.step()
    with torch.no_grad():
        logits = evaluator.encode_motion(motions, lengths) @ evaluator.encode_sentence(states).T
    assert logits.argmax(dim=1).tolist() == [0, 1, 2, 3]


def test_wrong_calls_say_what_to_do(evaluator: PairEvaluator) -> None:
    with pytest.raises(ValueError, match="call encode_text"):
        evaluator.encode_sentence(torch.zeros(1, 768))
    with pytest.raises(ValueError, match="reads 2 x 262 features, got 536"):
        evaluator.encode_motion(torch.zeros(1, 4, 536), torch.tensor([4]))
    with pytest.raises(ValueError, match="1999 frames at most"):
        evaluator.encode_motion(torch.zeros(1, 2000, 524), torch.tensor([4]))
