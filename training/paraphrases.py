# SPDX-License-Identifier: GPL-3.0-or-later
"""Before anything else, the text head learns which sentences speak of the same clip.

A text head that starts at random says nearly the same of every sentence, and a denoiser that hears nothing
of use in it learns to ignore it. The captions of one clip are paraphrases: drawn to each other and away from
those of other clips (InfoNCE, van den Oord et al. 2018, arXiv 1807.03748) they give every meaning a place of
its own within minutes. Captioned salsa has labels instead: see `claims`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .batches.stream import generator
from .batches.text_store import TextStore
from .denoiser_training import Conditioned

_BATCH = 48
_RATE = 2e-4
_TEMPERATURE = 0.1


def teach_paraphrases(
    trained: Conditioned,
    groups: Sequence[Sequence[int]],
    texts: TextStore,
    steps: int,
    key: tuple[int, ...],
) -> float:
    """Train the text head alone for `steps` steps.

    groups: for each clip the numbers of its captions in `texts`; clips with one caption teach nothing.
    Returns the share of captions, over the last tenth of the steps, nearer to their own clip's other caption
    than to any other clip's of the batch; 0 where no clip has two captions.
    """
    clips = [sorted(set(group)) for group in groups]
    clips = [list(group) for group in dict.fromkeys(tuple(c) for c in clips if len(c) > 1)]
    if not clips:
        return 0.0
    sets = [frozenset(group) for group in clips]
    head = [*trained.clipTransEncoder.parameters(), *trained.clip_ln.parameters()]
    optimizer = torch.optim.AdamW(head, lr=_RATE)
    rng = generator(*key)
    right: list[float] = []
    for step in range(steps):
        rows = rng.integers(0, len(clips), min(_BATCH, len(clips)))
        pairs = [rng.choice(clips[row], 2, replace=False) for row in rows]
        first, second = (trained.sentence_vectors(texts.gather([int(p[k]) for p in pairs])) for k in (0, 1))
        # Clips that share a sentence are neither examples nor counter-examples of each other.
        shared = [
            [i != j and bool(sets[a] & sets[b]) for j, b in enumerate(rows)] for i, a in enumerate(rows)
        ]
        alike = F.normalize(first, dim=-1) @ F.normalize(second, dim=-1).T / _TEMPERATURE
        alike = alike.masked_fill(torch.tensor(shared), -torch.inf)
        optimizer.zero_grad(set_to_none=True)
        _both_ways(alike).backward()
        optimizer.step()
        if step >= steps - max(1, steps // 10):
            own = torch.arange(len(rows))
            right.append(float((alike.argmax(dim=1) == own).float().mean()))
    optimizer.zero_grad(set_to_none=True)
    return sum(right) / max(1, len(right))


def _both_ways(alike: Tensor) -> Tensor:
    """Mean cross-entropy of finding each row's own column, and each column's own row."""
    own = torch.arange(len(alike))
    return (F.cross_entropy(alike, own) + F.cross_entropy(alike.T, own)) / 2
