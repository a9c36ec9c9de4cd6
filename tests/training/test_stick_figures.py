# SPDX-License-Identifier: GPL-3.0-or-later
"""What a row of stick figures shows: both people in their colours, upright, whole."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from intermoe_engine.kinematics import rest_positions
from intermoe_engine.skeleton import SMPL22
from training.fit.strips import strip

BLUE, ORANGE = np.array([0x1F, 0x6F, 0xB4]), np.array([0xD9, 0x54, 0x1E])


def seen(picture: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Where (N, 2), rows and columns, a picture has a colour."""
    return np.argwhere(np.abs(picture.astype(int) - colour).max(axis=-1) < 40)


@pytest.mark.parametrize("extra", [0, 3])
def test_a_strip_shows_a_tall_and_a_small_person_beside_each_other(extra: int) -> None:
    """Also of a skeleton that has more joints than SMPL's, here three on the left wrist."""
    rest = rest_positions(SMPL22.parents, SMPL22.offsets)
    rest[:, 1] -= rest[:, 1].min()
    more = rest[[20] * extra] + np.arange(1, extra + 1)[:, None] * np.array([0.03, 0.0, 0.0])
    parents = [*SMPL22.parents, *([20] * extra)]
    person = np.concatenate([rest, more])[None].repeat(10, axis=0)
    pair = np.stack([person, 0.5 * person])
    pair[0, ..., 2] -= 0.6
    pair[1, ..., 2] += 0.6
    picture = strip([("one picture of $5", pair)], parents, poses=1)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    tall, small = seen(picture, BLUE), seen(picture, ORANGE)
    heights = [np.ptp(where[:, 0]) for where in (tall, small)]
    assert heights[0] == pytest.approx(2 * heights[1], rel=0.12)
    assert abs(tall[:, 0].max() - small[:, 0].max()) < 6  # on one floor
    assert tall[:, 1].max() < small[:, 1].min() or small[:, 1].max() < tall[:, 1].min()
