# SPDX-License-Identifier: GPL-3.0-or-later
"""The written-out Savitzky-Golay filter against scipy's."""

from __future__ import annotations

import numpy as np
import pytest

from intermoe_engine.cleanup.smoothing import _savitzky_golay

signal = pytest.importorskip("scipy.signal")


@pytest.mark.parametrize(("frames", "window"), [(7, 7), (8, 7), (60, 7), (120, 13)])
def test_equals_scipy(frames: int, window: int) -> None:
    values = np.random.default_rng(frames).normal(size=(frames, 22, 4))
    expected = signal.savgol_filter(values, window, 3, axis=0, mode="interp")
    np.testing.assert_allclose(_savitzky_golay(values, window), expected, atol=1e-12)


def test_keeps_a_cubic() -> None:
    time = np.linspace(-1, 1, 40)[:, None]
    cubic = time**3 - 0.5 * time
    np.testing.assert_allclose(_savitzky_golay(cubic, 9), cubic, atol=1e-12)
