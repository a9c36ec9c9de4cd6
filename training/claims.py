# SPDX-License-Identifier: GPL-3.0-or-later
"""Before anything else, the text head learns to tell what a sentence claims.

A text head that starts at random says nearly the same of every sentence, and a denoiser that hears nothing
of use in it learns to ignore it. Who leads, who turns, how close and how lively is known of every sentence
for the salsa captures, so that linear readers of its vector can teach the head in a minute.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .batches.stream import generator
from .batches.text_store import TextStore
from .data.salsa_captions import Caption, Claim
from .denoiser_training import Conditioned

_BATCH = 32
_HEAD_RATE, _READER_RATE = 2e-4, 2e-3


def claim_labels(captions: Sequence[Caption]) -> dict[str, np.ndarray]:
    """For each kind of claim a class for each caption, (N,) int64; 0: it says nothing about it."""
    labels = {}
    for field in dataclasses.fields(Claim):
        claims = [getattr(caption.claim, field.name) for caption in captions]
        classes = [None, *sorted({claim for claim in claims if claim is not None}, key=str)]
        labels[field.name] = np.array([classes.index(claim) for claim in claims])
    return labels


def teach_claims(
    trained: Conditioned, captions: Sequence[Caption], texts: TextStore, steps: int, key: tuple[int, ...]
) -> dict[str, float]:
    """Train the text head alone for `steps` steps; returns the share of captions then read right, by kind."""
    labels = {kind: torch.from_numpy(classes) for kind, classes in claim_labels(captions).items()}
    width = trained.clip_ln.normalized_shape[0]
    readers = nn.ModuleDict({kind: nn.Linear(width, int(c.max()) + 1) for kind, c in labels.items()})
    head = [*trained.clipTransEncoder.parameters(), *trained.clip_ln.parameters()]
    optimizer = torch.optim.AdamW(
        [{"params": head, "lr": _HEAD_RATE}, {"params": readers.parameters(), "lr": _READER_RATE}]
    )
    rng = generator(*key)
    for _ in range(steps):
        rows = rng.integers(0, len(captions), _BATCH)
        vectors = trained.sentence_vectors(texts.gather(rows.tolist()))
        losses = [F.cross_entropy(reader(vectors), labels[kind][rows]) for kind, reader in readers.items()]
        optimizer.zero_grad(set_to_none=True)
        torch.stack(losses).sum().backward()
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    with torch.no_grad():
        vectors = trained.sentence_vectors(texts.gather(range(len(captions))))
    return {kind: _share_right(reader(vectors), labels[kind]) for kind, reader in readers.items()}


def _share_right(logits: Tensor, classes: Tensor) -> float:
    return float((logits.argmax(dim=-1) == classes).float().mean())
