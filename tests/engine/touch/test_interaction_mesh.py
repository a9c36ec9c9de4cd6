# SPDX-License-Identifier: GPL-3.0-or-later
"""The interaction mesh that the benchmark compares with, against what must hold of any such mesh."""

from __future__ import annotations

import numpy as np
import pytest

from intermoe_engine.bench.interaction_mesh import bones, deformed, laplacian
from intermoe_engine.bench.takes import SCRIPTED
from intermoe_engine.retarget.source import SourceActor
from intermoe_engine.retarget.touch.body import source_points
from intermoe_engine.retarget.touch.parts import POINTS

pytest.importorskip("scipy")
FPS = 5.0


@pytest.fixture(scope="module")
def taken() -> np.ndarray:
    """Both people of a handshake, (2, T, 18, 3), at 5 frames a second."""
    actors = SCRIPTED["handshake"]().take.actors
    return np.stack([source_points(SourceActor.from_motion(m))[::6] for m in actors])


def test_laplacian_coordinates_do_not_know_where_the_mesh_is(taken: np.ndarray) -> None:
    points = np.concatenate(list(taken), axis=1)
    operators = laplacian(points)
    np.testing.assert_allclose(operators.sum(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(operators @ (points + [3.0, 0.0, -2.0]), operators @ points, atol=1e-9)
    across = operators[:, :18, 18:] < 0
    assert across.any(axis=(1, 2)).all()  # one mesh spans both people in every frame


def test_bodies_of_the_takes_own_size_stay_as_they_are(taken: np.ndarray) -> None:
    np.testing.assert_allclose(deformed(taken, taken, 1.0, FPS), taken, atol=1e-9)


def test_bones_get_their_lengths_and_feet_stand(taken: np.ndarray) -> None:
    placed = taken * np.array([1.1, 0.9])[:, None, None, None]
    result = deformed(taken, placed, 1.0, FPS)
    pairs = bones()
    length = lambda points: np.linalg.norm(points[:, :, pairs[:, 0]] - points[:, :, pairs[:, 1]], axis=-1)
    assert np.abs(length(result) - length(placed)).max() < 5e-3
    feet = [POINTS.index(f"{s}_{name}") for s in ("l", "r") for name in ("ankle", "toe")]
    assert np.abs(result - placed)[:, :, feet].max() < 5e-3
    hands = [POINTS.index("r_wrist")]
    apart = lambda points: np.linalg.norm((points[0] - points[1])[:, hands], axis=-1)
    assert np.abs(apart(result) - apart(taken)).mean() < 0.5 * np.abs(apart(placed) - apart(taken)).mean()
