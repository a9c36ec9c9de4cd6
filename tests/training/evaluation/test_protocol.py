# SPDX-License-Identifier: GPL-3.0-or-later
"""Each published metric on embeddings whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import sqrtm

from training.evaluation.protocol import (
    EmbeddedSet,
    Interval,
    batch_size,
    diversity,
    fid,
    frechet_distance,
    multimodality,
    pairwise_distances,
    protocol_scores,
    retrieval,
    shuffled_batches,
)


def textbook_fid(a: np.ndarray, b: np.ndarray) -> float:
    """The formula with scipy's matrix square root."""
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    shift = a.mean(axis=0) - b.mean(axis=0)
    return float(shift @ shift + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real))


def whitened(rng: np.random.Generator, count: int, width: int) -> np.ndarray:
    """Rows with mean exactly 0 and covariance exactly the identity."""
    rows = rng.standard_normal((count, width))
    rows -= rows.mean(axis=0)
    return np.linalg.qr(rows)[0] * math.sqrt(count - 1)


def test_frechet_distance_is_the_textbook_formula() -> None:
    rng = np.random.default_rng(1)
    a = rng.standard_normal((200, 12)) @ rng.standard_normal((12, 12)) + 1.0
    b = rng.standard_normal((150, 12)) @ rng.standard_normal((12, 12))
    assert frechet_distance(a, b) == pytest.approx(textbook_fid(a, b), rel=1e-8)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_frechet_distance_of_gaussians_in_closed_form() -> None:
    base = whitened(np.random.default_rng(2), 400, 6)
    scale_a, scale_b = np.array([1.0, 2, 3, 4, 5, 6]), np.array([2.0, 2, 2, 2, 2, 2])
    shift = np.array([3.0, 0, 0, 4, 0, 0])
    # Commuting covariances: |Δμ|² + Σ (σa − σb)².
    expected = 25 + ((scale_a - scale_b) ** 2).sum()
    assert frechet_distance(base * scale_a + shift, base * scale_b) == pytest.approx(expected, rel=1e-9)
    assert fid(base * scale_a + shift, base * scale_b) == pytest.approx(36 * expected, rel=1e-9)


def test_frechet_distance_with_fewer_motions_than_dimensions() -> None:
    rng = np.random.default_rng(3)
    a = rng.standard_normal((20, 512))
    assert frechet_distance(a, a[::-1]) == pytest.approx(0, abs=1e-8)
    assert frechet_distance(a, a + 0.5) == pytest.approx(512 * 0.25, rel=1e-9)
    # Orthogonal subspaces: nothing of the two spreads overlaps.
    left, right = np.zeros((9, 20)), np.zeros((9, 20))
    left[:, :9], right[:, 11:] = rng.standard_normal((9, 9)), rng.standard_normal((9, 9))
    spread = np.trace(np.cov(left, rowvar=False)) + np.trace(np.cov(right, rowvar=False))
    shift = left.mean(axis=0) - right.mean(axis=0)
    assert frechet_distance(left, right) == pytest.approx(shift @ shift + spread, rel=1e-9)


def test_retrieval_of_orthonormal_embeddings() -> None:
    motion = np.eye(8)
    hits, distance = retrieval(motion, motion)
    assert hits.tolist() == [1, 1, 1] and distance == 0
    hits, distance = retrieval(np.roll(motion, 1, axis=0), motion)  # every sentence is another's
    # All other motions lie at √2, the own one among seven of them.
    np.testing.assert_allclose(hits, [0, 1 / 7, 2 / 7])
    assert distance == pytest.approx(math.sqrt(2))


def test_retrieval_ranks() -> None:
    motion = np.array([[0.0], [1.0], [3.0], [6.0]])
    text = np.array([[0.9], [1.1], [0.0], [6.0]])
    # Nearest to 0.9 are 1, 0; to 1.1: 1; to 0.0: 0, 1, 3; to 6: 6.
    hits, distance = retrieval(text, motion)
    assert hits.tolist() == [0.5, 0.75, 1.0]
    assert distance == pytest.approx((0.9 + 0.1 + 3.0 + 0.0) / 4)


def test_a_collapsed_evaluator_is_at_chance() -> None:
    same = np.ones((96, 4))
    np.testing.assert_allclose(retrieval(same, same)[0], np.array([1, 2, 3]) / 96)


def test_diversity_of_two_points() -> None:
    # Half of the motions at 0, half at distance d: a random pair is d apart with chance ½.
    points = np.zeros((600, 3))
    points[300:, 0] = 5.0
    values = [diversity(points, np.random.default_rng(k)) for k in range(200)]
    assert np.mean(values) == pytest.approx(6 * 5.0 * 0.5 / 2, rel=0.01)
    assert diversity(np.ones((10, 3)), np.random.default_rng(0)) == 0


def test_multimodality_of_known_samples() -> None:
    rng = np.random.default_rng(0)
    assert multimodality(np.repeat(rng.standard_normal((5, 1, 4)), 30, axis=1), rng) == 0
    # Samples on a simplex: √2 apart unless a sample meets itself, which happens once in 30.
    simplex = np.repeat(np.eye(30)[None], 7, axis=0)
    values = [multimodality(simplex, np.random.default_rng(k)) for k in range(400)]
    assert np.mean(values) == pytest.approx(math.sqrt(2) * 29 / 30, rel=0.01)


def test_batches_drop_the_last() -> None:
    batches = shuffled_batches(300, np.random.default_rng(0))
    assert batches.shape == (3, 96) and len(set(batches.ravel().tolist())) == 288
    assert shuffled_batches(20, np.random.default_rng(0)).shape == (1, 20)
    assert batch_size(95) == 95 and batch_size(96) == batch_size(1000) == 96
    with pytest.raises(ValueError, match="two captioned clips or more; there are 1"):
        batch_size(1)


def test_interval() -> None:
    interval = Interval.of([1.0, 3.0] * 10)
    assert interval.mean == 2 and interval.half == pytest.approx(1.96 / math.sqrt(20))


def test_scores_of_whole_sets() -> None:
    rng = np.random.default_rng(0)
    text = rng.standard_normal((200, 16))
    real = EmbeddedSet(text[None], text[None])
    shifted = EmbeddedSet(text[None] + 0.5, text[None])
    noise = EmbeddedSet(rng.standard_normal((3, 200, 16)), np.repeat(text[None], 3, axis=0))
    scores = protocol_scores({"real": real, "shifted": shifted, "noise": noise}, real, 20, seed=4)
    assert scores["real"]["r_precision_1"] == Interval(1.0, 0.0)
    assert scores["real"]["mm_dist"].mean == pytest.approx(0, abs=1e-6)
    assert 0 < scores["real"]["fid"].mean < scores["shifted"]["fid"].mean  # two draws of 192 of 200 clips
    assert scores["shifted"]["fid"].mean == pytest.approx(36 * 16 * 0.25, rel=0.02)
    assert scores["shifted"]["mm_dist"].mean == pytest.approx(2.0)
    assert scores["noise"]["r_precision_3"].mean == pytest.approx(3 / 96, abs=0.02)
    again = protocol_scores({"noise": noise}, real, 20, seed=4)
    assert again["noise"] == scores["noise"]
    assert protocol_scores({"noise": noise}, real, 20, seed=5)["noise"] != scores["noise"]


def test_few_clips_are_one_batch_and_real_equals_itself() -> None:
    text = np.random.default_rng(0).standard_normal((1, 12, 8))
    real = EmbeddedSet(text, text)
    scores = protocol_scores({"real": real}, real, 3)
    assert scores["real"]["fid"].mean == pytest.approx(0, abs=1e-9)
    assert scores["real"]["r_precision_1"] == Interval(1.0, 0.0)


def test_pairwise_distances() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 3)), rng.standard_normal((4, 3))
    np.testing.assert_allclose(pairwise_distances(a, b), np.linalg.norm(a[:, None] - b, axis=-1), atol=1e-12)
