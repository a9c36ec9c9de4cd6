# SPDX-License-Identifier: GPL-3.0-or-later
"""The published text-to-pair-motion metrics on evaluator embeddings (InterGen's protocol).

R-precision and MM-dist within shuffled batches, FID and diversity over the embeddings of whole batches,
multimodality over several motions of one sentence; 20 repetitions, mean ± 1.96 σ / √20.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BATCH = 96
TOP = 3
DIVERSITY_PAIRS = 300
MULTIMODALITY_PAIRS = 10
EMBEDDING_SCALE = 6.0
"""The published code multiplies embeddings by this before FID and diversity."""


@dataclass(frozen=True)
class Interval:
    """A figure over repetitions: the mean, and half the width of its 95 % interval."""

    mean: float
    half: float

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray) -> Interval:
        """Mean ± 1.96 σ / √n (σ over n, as published)."""
        array = np.asarray(values, dtype=float)
        return cls(float(array.mean()), float(1.96 * array.std() / math.sqrt(len(array))))


@dataclass(frozen=True)
class EmbeddedSet:
    """Embeddings of motions and of their sentences: (K, N, E) each, K motions of each of N clips.

    Repetition r reads motions r mod K; the published protocol makes new ones for every repetition.
    """

    motion: np.ndarray
    text: np.ndarray

    def __post_init__(self) -> None:
        if self.motion.ndim != 3 or self.motion.shape != self.text.shape:
            raise ValueError(
                f"embeddings must be (K, N, E) alike; they are {self.motion.shape} and {self.text.shape}"
            )


def pairwise_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances (N, M) of rows a (N, E) and b (M, E), in float64."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - 2.0 * a @ b.T
    return np.sqrt(np.maximum(squared, 0.0))


def retrieval(text: np.ndarray, motion: np.ndarray, top: int = TOP) -> tuple[np.ndarray, float]:
    """R-precision (top,) and MM-dist of one batch in which sentence n describes motion n.

    text, motion (B, E). R-precision k: how often a sentence's own motion is among its k nearest; where
    several lie equally near, the chance that it is. MM-dist: mean distance of a sentence and its motion.
    """
    distances = pairwise_distances(text, motion)
    own = np.diagonal(distances)[:, None]
    nearer = (distances < own).sum(axis=1)
    level = (distances == own).sum(axis=1)
    ranks = np.arange(1, top + 1)[:, None]
    return np.clip((ranks - nearer) / level, 0.0, 1.0).mean(axis=1), float(own.mean())


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of the normal distributions fitted to rows a (N, E) and b (M, E) (Heusel 2017).

    |μa − μb|² + tr(Σa + Σb − 2 (Σa Σb)^½). With centred rows X the last trace is the nuclear norm of
    Xa Xbᵀ / √((N−1)(M−1)): exact where covariances are singular, which the usual matrix square root is not.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError("the Fréchet distance needs two motions or more in each set")
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    root_a = np.linalg.qr((a - mean_a) / math.sqrt(len(a) - 1)).R
    root_b = np.linalg.qr((b - mean_b) / math.sqrt(len(b) - 1)).R
    overlap = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spread = (root_a * root_a).sum() + (root_b * root_b).sum()
    shift = mean_a - mean_b
    return max(float(shift @ shift + spread - 2.0 * overlap), 0.0)


def fid(reference: np.ndarray, motion: np.ndarray) -> float:
    """Fréchet distance of embeddings (N, E) and (M, E), scaled as published."""
    return frechet_distance(reference * EMBEDDING_SCALE, motion * EMBEDDING_SCALE)


def diversity(motion: np.ndarray, rng: np.random.Generator, pairs: int = DIVERSITY_PAIRS) -> float:
    """Half the mean distance of random pairs of embeddings (N, E), scaled as published.

    Two lists of `pairs` motions, each without repeats (N of them where there are fewer), are compared.
    """
    count = min(pairs, len(motion))
    first, second = (rng.choice(len(motion), count, replace=False) for _ in range(2))
    scaled = np.asarray(motion, dtype=np.float64) * EMBEDDING_SCALE
    return float(np.linalg.norm(scaled[first] - scaled[second], axis=1).mean() / 2.0)


def multimodality(motion: np.ndarray, rng: np.random.Generator, pairs: int = MULTIMODALITY_PAIRS) -> float:
    """Mean distance of random pairs of motions of one sentence, from embeddings (S, K, E).

    Two lists of `pairs` of the K samples, each without repeats, are compared for all S sentences.
    """
    count = min(pairs, motion.shape[1])
    first, second = (rng.choice(motion.shape[1], count, replace=False) for _ in range(2))
    motion = np.asarray(motion, dtype=np.float64)
    return float(np.linalg.norm(motion[:, first] - motion[:, second], axis=2).mean())


def batch_size(clips: int, batch: int = BATCH) -> int:
    """Clips in a batch: `batch`, or all where there are fewer. Raises ValueError for less than 2."""
    if clips < 2:
        raise ValueError(f"the published figures need two captioned clips or more; there are {clips}")
    return min(batch, clips)


def shuffled_batches(clips: int, rng: np.random.Generator, batch: int = BATCH) -> np.ndarray:
    """Clip numbers (batches, batch) in random order; what does not fill the last batch is left out."""
    size = batch_size(clips, batch)
    return rng.permutation(clips)[: clips // size * size].reshape(-1, size)


def protocol_scores(
    rows: dict[str, EmbeddedSet],
    reference: EmbeddedSet,
    repetitions: int,
    seed: int = 0,
    batch: int = BATCH,
) -> dict[str, dict[str, Interval]]:
    """R-precision 1–3, FID, MM-dist and diversity of each row over repetitions.

    rows: name -> embeddings; reference: the real motions, also the source of FID, shuffled by itself (as
    published: the real row's own FID is then that of two draws of the same set, which are one set where the
    clips fill their batches). batch: clips in a batch, 96 as InterGen has it. The same rows, seed and
    repetitions give the same figures.
    """
    table: dict[str, dict[str, Interval]] = {}
    for name, row in rows.items():
        rng = np.random.default_rng(seed)
        values: dict[str, list[float]] = {}
        for repetition in range(repetitions):
            truth = reference.motion[repetition % len(reference.motion)]
            truth = truth[shuffled_batches(len(truth), rng, batch).ravel()]
            sample = repetition % len(row.motion)
            batches = shuffled_batches(row.motion.shape[1], rng, batch)
            results = [retrieval(row.text[sample][rows], row.motion[sample][rows]) for rows in batches]
            precision = np.mean([hits for hits, _ in results], axis=0)
            kept = row.motion[sample][batches.ravel()]
            figures = {f"r_precision_{k + 1}": float(precision[k]) for k in range(TOP)}
            figures["fid"] = fid(truth, kept)
            figures["mm_dist"] = float(np.mean([distance for _, distance in results]))
            figures["diversity"] = diversity(kept, rng)
            for key, value in figures.items():
                values.setdefault(key, []).append(value)
        table[name] = {key: Interval.of(column) for key, column in values.items()}
    return table


def multimodality_scores(motion: np.ndarray, repetitions: int, seed: int = 0) -> Interval:
    """Multimodality over repetitions, from embeddings (S, K, E)."""
    rng = np.random.default_rng(seed)
    return Interval.of([multimodality(motion, rng) for _ in range(repetitions)])
