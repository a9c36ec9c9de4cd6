# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows of the salsa captures get the sentences that are true of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from intermoe_engine.rotations import quat_from_axis_angle
from intermoe_engine.skeleton import SMPL22
from training.data.pair_clip import PairClip
from training.data.salsa_captions import Caption, salsa_captions
from training.evaluation.salsa_set import SECONDS, true_sentences, windows

FRAMES = round(SECONDS * 30)
UP = np.array([0.0, 1.0, 0.0])


def dancers(follow_turns: bool, apart: float, frames: int = FRAMES) -> PairClip:
    """The lead stands still, the follow stands `apart` metres away and may turn all the way round."""
    root = np.zeros((2, frames, 3))
    root[:, :, 1], root[1, :, 2] = 0.95, apart
    rotations = np.zeros((2, frames, 22, 4))
    rotations[..., 0] = 1.0
    angles = np.pi + np.linspace(0, 2 * np.pi * follow_turns, frames)
    rotations[1, :, 0] = quat_from_axis_angle(UP, angles)
    return PairClip("d", 30.0, root, rotations, np.stack([SMPL22.offsets] * 2), ("lead", "follow"))


def claims(clip: PairClip, captions: Sequence[Caption]) -> list:
    by_text = {caption.text: caption.claim for caption in captions}
    return [by_text[text] for text in true_sentences(clip, captions)]


@pytest.mark.parametrize("follow_first", [False, True])
def test_sentences_claim_what_is_there(follow_first: bool) -> None:
    captions = salsa_captions()
    clip = dancers(follow_turns=True, apart=1.0)
    lead, turner = ("b", "a") if follow_first else ("a", "b")
    found = claims(clip.swapped() if follow_first else clip, captions)
    assert {claim.lead for claim in found} == {None, lead}
    assert {claim.turn for claim in found} == {None, turner}
    assert {claim.distance for claim in found} == {None, "apart"}
    assert {claim.energy for claim in found} <= {None, "calm"}
    assert not any(claim.hands for claim in found)
    close = claims(dancers(follow_turns=False, apart=0.5), captions)
    assert {claim.turn for claim in close} == {None, "none"}
    assert {claim.distance for claim in close} == {None, "close"}


def test_windows_overlap_by_half_and_come_both_ways() -> None:
    clip = dancers(False, 1.0, frames=2 * FRAMES)
    found = list(windows(clip, salsa_captions(), "test"))
    assert len(found) == 2 * 3 and {w.frames for w in found} == {FRAMES}
    assert [w.name for w in found[:2]] == ["d_0000_lead_first", "d_0000_follow_first"]
    assert found[1].roles == ("follow", "lead") and found[1].split == "test"
    np.testing.assert_array_equal(
        found[2].root_translation, clip.root_translation[:, FRAMES // 2 : FRAMES // 2 + FRAMES]
    )
    np.testing.assert_array_equal(found[1].root_translation, found[0].root_translation[::-1])
    longer = list(windows(clip, salsa_captions(), "train", 2 * SECONDS))
    assert [w.frames for w in longer] == [2 * FRAMES] * 2
    assert longer[0].name == "d_0000_300_lead_first"
