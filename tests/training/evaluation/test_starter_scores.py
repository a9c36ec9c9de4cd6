# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a starter: people nobody would believe, the judge, touches asked for, the table."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from intermoe_engine.bundle import Bundle
from intermoe_engine.errors import RequestError
from intermoe_engine.generate import Engine
from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.rotations import quat_from_axis_angle
from intermoe_engine.skeleton import SMPL22
from training.composer.captions import order_of
from training.composer.score_reading import load_scores
from training.data.cache import CacheWriter, PairCache
from training.data.pair_clip import PairClip
from training.evaluation.asked_touch import actors_of, asked_touches, nearest, solved_gaps
from training.evaluation.collect import make_plan
from training.evaluation.embedding import Embedder
from training.evaluation.faults import faults
from training.evaluation.generation import RememberingGenerator
from training.evaluation.judge import Judge
from training.evaluation.motion import PairMotion
from training.evaluation.phrases import load_phrases, swapped_sentences
from training.evaluation.role_order import RoleOrder
from training.evaluation.starter_checks import StarterChecks
from training.evaluation.starter_material import Counts
from training.evaluation.starter_table import Line
from training.evaluation.vae_error import reconstruction_errors
from training.model.evaluator import EvaluatorConfig, PairEvaluator

FPS, FRAMES = 30.0, 60
SCORES = {score.name: score for score in load_scores()}
SMALL = EvaluatorConfig(
    width=16, layers=1, heads=2, hidden=16, embedding=8, text="states", text_width=384, text_layers=1,
    text_heads=2, text_hidden=16,
)  # fmt: skip


def pair(kind: str = "handshake", number: int = 0, split: str = "test", apart: float = 0.9) -> PairClip:
    """Two people face each other, arms swinging, each with an arm stretched forward."""
    root = np.zeros((2, FRAMES, 3))
    root[:, :, 1] = 0.95
    root[1, :, 2] = apart
    rotations = np.zeros((2, FRAMES, 22, 4))
    rotations[..., 0] = 1.0
    rotations[1, :, 0] = quat_from_axis_angle(np.array([0.0, 1.0, 0.0]), np.array(np.pi))
    swing = 0.3 * np.sin(np.arange(FRAMES) / (4 + number))
    up, right = np.array([0.0, 1.0, 0.0]), SMPL22.index("r_shoulder")
    rotations[:, :, right] = quat_from_axis_angle(up, np.pi / 2 + swing)
    roles = ("actor", "other") if number % 2 else ("other", "actor")
    said = (f"one person does {kind} with another", f"two people do {kind}")
    offsets = np.stack([SMPL22.offsets, SMPL22.offsets])
    return PairClip(f"{kind}_{number}", FPS, root, rotations, offsets, roles, said, split, "composed")


def motion_of(clip: PairClip) -> PairMotion:
    return PairMotion.of_clip(clip)


def test_people_who_live_have_no_faults_and_others_have_theirs() -> None:
    positions = pair().positions()
    lowest = positions[..., 1].min()
    positions = positions - [0.0, lowest, 0.0]
    still = np.repeat(positions[:, :1], FRAMES, axis=1)
    travel = np.zeros((FRAMES, 1, 3))
    travel[:, 0, 0] = np.linspace(0.0, 2.0, FRAMES)
    carried = positions.copy()
    carried[1] += travel
    risen = positions.copy()
    risen[0, 10:40] += [0.0, 0.3, 0.0]
    assert faults(positions, FPS) == {"frozen": False, "drifting": False, "floating": False}
    assert faults(still, FPS) == {"frozen": True, "drifting": False, "floating": False}
    assert faults(carried, FPS)["drifting"] and not faults(carried, FPS)["floating"]
    assert faults(risen, FPS)["floating"]
    risen[0, 20:22] -= [0.0, 0.3, 0.0]  # two hops, each shorter than the limit
    assert not faults(risen, FPS)["floating"]


def test_who_does_what_is_told_where_the_two_differ(tmp_path: Path) -> None:
    def told(kind: str, number: int, split: str = "train") -> PairClip:
        clip = pair(kind, number, split)
        idle = clip.joint_rotations.copy()
        if kind == "slap":  # the other stands still
            idle[clip.roles.index("other"), :, SMPL22.index("r_shoulder")] = [1.0, 0.0, 0.0, 0.0]
        return replace(clip, joint_rotations=idle)

    with CacheWriter(tmp_path / "cache") as writer:
        for kind in ("slap", "bow"):
            for number in range(8):
                writer.add(told(kind, number), origin=kind)
    order = RoleOrder.of_training(PairCache(tmp_path / "cache"))
    assert set(order.usual) == {"slap"}
    held = motion_of(told("slap", 9))  # the actor is person A
    assert order.margin(held, "slap", "actor") > 0 > order.margin(held, "slap", "other")
    assert order.margin(held.swapped(), "slap", "other") > 0
    assert np.isnan(order.margin(held, "bow", "actor"))


def test_the_judge_ranks_by_the_nearest_order_of_an_interaction() -> None:
    rows = np.array([0, 0, 1, 2])
    judge = Judge(("bow", "chase", "hug"), rows, np.eye(4))
    motion = np.array([[0.1, 0.9, 0.2, 0.0], [0.5, 0.0, 0.4, 0.6], [0.3, 0.0, 0.2, 0.1]])
    assert judge.places(motion, ["bow", "bow", "hug"]).tolist() == [1, 2, 3]
    with pytest.raises(KeyError, match="no training clip shows waltz"):
        judge.places(motion[:1], ["waltz"])


def test_a_touch_is_asked_of_whoever_has_the_role() -> None:
    (touch,) = asked_touches(SCORES["slap"], ("other", "actor"))
    assert touch.who == 1 and touch.parts == ("l_hand", "r_hand") and touch.on == ("head",)
    hug = asked_touches(SCORES["hug"], ("actor", "other"))
    assert sorted((t.who, t.rank) for t in hug) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert not asked_touches(SCORES["kick_hit"], ("actor", "other"))[0].of_hand


def test_hands_that_miss_are_measured_and_brought_together() -> None:
    (touch,) = asked_touches(SCORES["handshake"], ("actor", "other"))
    near, far = pair(apart=1.5), pair(apart=1.7)
    gaps = [nearest(motion_of(clip), touch)[0] for clip in (near, far)]
    assert gaps[1] > gaps[0] > 0.0
    # An oracle without capsules: finger tips are nearer than wrists, by at most two hands.
    wrists = [
        np.linalg.norm(c.positions()[0, :, 21] - c.positions()[1, :, 21], axis=-1).min() for c in (near, far)
    ]
    assert all(0.0 < wrist - gap < 0.5 for wrist, gap in zip(wrists, gaps, strict=True))
    assert nearest(motion_of(near).swapped(), touch)[0] == pytest.approx(gaps[0], abs=1e-6)
    after = solved_gaps(actors_of(near), FPS, [touch])
    assert after.shape == (1,) and after[0] < min(0.02, gaps[0])


def test_no_paraphrase_is_a_sentence_of_a_score() -> None:
    phrases = load_phrases()
    assert {name for name, _ in phrases.paraphrases} - set(SCORES) == {"salsa"}
    assert set(SCORES) <= {name for name, _ in phrases.paraphrases} and len(phrases.two_parts) >= 5
    people = re.compile(r"\{[^}]*\}(?:'s)?|\\b(?:he|she|him|her|his|they|them|their)\\b")
    told = {people.sub("X", caption.text) for score in SCORES.values() for caption in score.captions}
    copied = [text for _, text in phrases.paraphrases if people.sub("X", text) in told]
    assert copied == []


def test_a_list_of_sentences_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[[two_parts]]\ntext = 'they hug'\n")
    with pytest.raises(RequestError, match="mine.toml is no list of sentences"):
        load_phrases(tmp_path / "mine.toml")


def test_swapped_sentences_name_the_two_in_either_order() -> None:
    found = swapped_sentences([SCORES["slap"], SCORES["hug"], SCORES["spar"]], 16, np.random.default_rng(3))
    assert [name for name, _ in found] == ["hug", "slap", "spar"]
    held = {name: [c.text for c in SCORES[name].captions if c.held_out] for name, _ in found}
    for name, (first, second) in found:
        for sentence, who in ((first, "actor"), (second, "other")):
            ends = [t.rsplit("}", 1)[1] for t in held[name] if order_of(t) == who and "{two}" not in t]
            assert any(sentence.endswith(end.split()[-1]) for end in ends if end.split()) or "" in ends


def test_a_stride_sees_what_a_shorter_motion_shows() -> None:
    torch.manual_seed(0)
    every = PairEvaluator(SMALL).eval()
    third = PairEvaluator(EvaluatorConfig(**{**SMALL.to_dict(), "stride": 3})).eval()
    third.load_state_dict(every.state_dict())
    motions = torch.randn(2, 20, 2 * SMALL.features)
    seen = third.encode_motion(motions, torch.tensor([20, 13]))
    assert torch.allclose(seen, every.encode_motion(motions[:, ::3], torch.tensor([7, 5])), atol=1e-5)
    motions[1, 13:] = 9.0
    assert torch.allclose(seen[1], third.encode_motion(motions, torch.tensor([20, 13]))[1], atol=1e-5)


def test_a_line_knows_whether_it_is_fulfilled() -> None:
    assert Line("", "", "", 0.8, least=0.7).met and not Line("", "", "", 0.6, least=0.7).met
    assert Line("", "", "", 1.2, most=1.5).met and Line("", "", "", 0.0, most=0.0).met
    assert Line("", "", "", 1.0, most=0.0).met is False
    assert Line("", "", "", None, most=1.5).met is None and Line("", "", "", 1.0).met is None


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> PairCache:
    folder = tmp_path_factory.mktemp("composed") / "cache"
    with CacheWriter(folder) as writer:
        for kind in ("handshake", "slap"):
            for number in range(6):
                writer.add(pair(kind, number, "train" if number < 4 else "test"), origin=kind)
    return PairCache(folder)


def test_every_check_of_a_bundle_and_of_the_real_clips(cache: PairCache, tiny_bundle: Path) -> None:
    torch.manual_seed(0)
    embedder = Embedder(PairEvaluator(SMALL))
    clips = tuple(cache.select("test"))
    plan = make_plan(cache, clips, 1, (2, 2), 0, 0)
    counts = Counts(copies=1, training=2, swaps=2, solves=1, prompts=1, seconds=(1.0, 2.0))
    generator = RememberingGenerator(Engine(Bundle.open(tiny_bundle), "cpu"), steps=2)
    found = StarterChecks(cache, plan, embedder, generator, SCORES, load_phrases(), counts).all()
    alone = StarterChecks(cache, plan, embedder, None, SCORES, load_phrases(), counts).all()
    assert found["recall"]["generated"]["of"] == found["recall"]["real"]["of"] == 4
    assert found["roles"]["real"]["of"] == found["roles"]["generated"]["of"]
    assert found["faults"]["generated"]["of"] > found["faults"]["real"]["of"] == 4
    assert set(found["durations"]["generated"]) <= {"1", "2"} and found["variety"]["real"]["sentences"] == 2
    assert found["recall"]["real"] == alone["recall"]["real"]
    assert all("generated" not in columns for columns in alone.values())
    errors = reconstruction_errors(generator.engine.bundle, [motion_of(pair())])
    assert errors is None or min(errors.values()) > 0.0


def test_joints_of_the_made_pair_are_where_kinematics_says() -> None:
    clip = pair()
    a, _ = actors_of(clip)
    positions, _ = forward_kinematics(
        clip.root_translation[0], clip.joint_rotations[0], SMPL22.parents, SMPL22.offsets
    )
    assert np.abs(a.joint_positions - positions).max() < 1e-9
