# SPDX-License-Identifier: GPL-3.0-or-later
"""The text head learns what sentences claim."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from training.claims import claim_labels, teach_claims  # noqa: E402
from training.data.salsa_captions import salsa_captions  # noqa: E402
from training.denoiser_training import Conditioned  # noqa: E402
from training.model import InterMoE, ModelConfig  # noqa: E402

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


def test_claims_can_be_read_after_teaching_and_not_before() -> None:
    torch.manual_seed(0)
    config = ModelConfig(
        denoiser_width=16, denoiser_blocks=1, experts=2, expert_width=8, vae_channels=4,
        text_width=32, text_head_ff=64, dropout=0.0,
    )  # fmt: skip
    trained = Conditioned(InterMoE(config))
    texts = WordStates(len(CAPTIONS), 32)
    before = teach_claims(trained, CAPTIONS, texts, 0, (1,))  # type: ignore[arg-type]
    after = teach_claims(trained, CAPTIONS, texts, 600, (1,))  # type: ignore[arg-type]
    assert min(after.values()) > 0.9
    assert sum(after.values()) > sum(before.values()) + 1.0
