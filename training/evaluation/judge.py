# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the known interactions a motion shows, as the evaluator's embeddings of sentences tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..data.cache import PairCache
from ..interactions import interaction_of
from .embedding import Embedder

_MOST = 24


@dataclass(frozen=True)
class Judge:
    """Names of interactions (C,), and of each row of `directions` (R, E), of length 1, which one it is of.

    An interaction has a direction for each order of its people, since its sentences do.
    """

    names: tuple[str, ...]
    rows: np.ndarray
    directions: np.ndarray

    @classmethod
    def of_training(cls, cache: PairCache, embedder: Embedder, most: int = _MOST) -> Judge:
        """From the training sentences of each interaction: `most` of each order, taken evenly."""
        told: dict[tuple[str, str], dict[str, None]] = {}
        for i in cache.select("train"):
            entry = cache.entries[i]
            told.setdefault((interaction_of(entry), entry.roles[0]), {}).update(dict.fromkeys(entry.captions))
        chosen = {key: _evenly(list(sentences), most) for key, sentences in sorted(told.items()) if sentences}
        texts = unit(embedder.texts([text for sentences in chosen.values() for text in sentences]))
        ends = np.cumsum([len(sentences) for sentences in chosen.values()])[:-1]
        directions = unit(np.stack([part.mean(axis=0) for part in np.split(texts, ends)]))
        names = tuple(dict.fromkeys(name for name, _ in chosen))
        return cls(names, np.array([names.index(name) for name, _ in chosen]), directions)

    def places(self, motion: np.ndarray, wanted: Sequence[str]) -> np.ndarray:
        """Place (N,) of the wanted interaction among all for embeddings of motions (N, E), 1 for the nearest.

        Raises KeyError for an interaction that was not trained on.
        """
        unknown = sorted(set(wanted) - set(self.names))
        if unknown:
            raise KeyError(f"no training clip shows {', '.join(unknown)}")
        likeness = unit(motion) @ self.directions.T
        best = np.stack([likeness[:, self.rows == k].max(axis=1) for k in range(len(self.names))], axis=1)
        own = best[np.arange(len(best)), [self.names.index(name) for name in wanted]]
        return 1 + (best > own[:, None]).sum(axis=1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows (N, E) at length 1, in float64."""
    vectors = np.asarray(vectors, dtype=np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _evenly(values: list[str], most: int) -> list[str]:
    return [values[k] for k in np.linspace(0, len(values) - 1, min(len(values), most)).round().astype(int)]
