# SPDX-License-Identifier: GPL-3.0-or-later
"""The text head learns what sentences claim, or which of them say the same."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from training.claims import claim_labels, teach_claims  # noqa: E402
from training.data.salsa_captions import salsa_captions  # noqa: E402
from training.denoiser_training import Conditioned  # noqa: E402
from training.model import InterMoE, ModelConfig  # noqa: E402
from training.paraphrases import teach_paraphrases  # noqa: E402

CAPTIONS = salsa_captions()[::4]


class WordStates:
    """States in which each sentence is a few random vectors of its own: all that the head needs."""

    def __init__(self, count: int, width: int) -> None:
        draw = torch.Generator().manual_seed(0)
        self.states = torch.randn(count, 4, width, generator=draw)

    def gather(self, rows):
        states = self.states[list(rows)]
        end = torch.full((len(states),), 3)
        return {"states": states, "valid": torch.ones(states.shape[:2], dtype=torch.bool), "end": end}


def test_labels_tell_claims_from_silence() -> None:
    labels = claim_labels(CAPTIONS)
    for kind, classes in labels.items():
        silent = [getattr(caption.claim, kind) is None for caption in CAPTIONS]
        assert ((classes == 0) == silent).all()
    assert labels["turn"].max() == 4


def small_model() -> Conditioned:
    torch.manual_seed(0)
    config = ModelConfig(
        denoiser_width=16, denoiser_blocks=1, experts=2, expert_width=8, vae_channels=4,
        text_width=32, text_head_ff=64, dropout=0.0,
    )  # fmt: skip
    return Conditioned(InterMoE(config))


def test_claims_can_be_read_after_teaching_and_not_before() -> None:
    trained = small_model()
    texts = WordStates(len(CAPTIONS), 32)
    before = teach_claims(trained, CAPTIONS, texts, 0, (1,))  # type: ignore[arg-type]
    after = teach_claims(trained, CAPTIONS, texts, 600, (1,))  # type: ignore[arg-type]
    assert min(after.values()) > 0.9
    assert sum(after.values()) > sum(before.values()) + 1.0


def test_captions_of_one_clip_come_to_say_the_same() -> None:
    trained, texts = small_model(), WordStates(60, 32)
    # Twenty clips of three captions; the first two share one, which makes them no counter-examples.
    groups = [[3 * k, 3 * k + 1, 3 * k + 2] for k in range(20)]
    groups[1][0] = 0
    vectors = lambda: torch.nn.functional.normalize(
        trained.sentence_vectors(texts.gather(range(60))), dim=-1
    ).detach()  # type: ignore[arg-type]
    before = vectors()
    right = teach_paraphrases(trained, groups, texts, 300, (1,))  # type: ignore[arg-type]
    after = vectors()
    clip = torch.tensor([k for k in range(20) for _ in range(3)])
    same = (clip[:, None] == clip) & ~torch.eye(60, dtype=torch.bool)
    margin = lambda v: float((v @ v.T)[same].mean() - (v @ v.T)[clip[:, None] != clip].mean())
    assert right > 0.9
    assert margin(before) < 0.2 and margin(after) > 0.4


def test_clips_with_one_caption_teach_nothing() -> None:
    trained = small_model()
    before = [p.clone() for p in trained.parameters()]
    assert teach_paraphrases(trained, [[0], [1, 1]], WordStates(2, 32), 5, (1,)) == 0.0  # type: ignore[arg-type]
    assert all(torch.equal(p, q) for p, q in zip(before, trained.parameters(), strict=True))
