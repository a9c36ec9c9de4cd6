# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights and offsets that come and go smoothly in time."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def cover(values: np.ndarray, radius: int) -> np.ndarray:
    """A smooth curve (T,) that is nowhere below `values` (T,): a running maximum, then a Hann mean."""
    if radius < 1 or len(values) == 0:
        return np.array(values, dtype=float)
    peak = sliding_window_view(np.pad(values.astype(float), radius, mode="edge"), 2 * radius + 1).max(axis=-1)
    kernel = np.hanning(2 * radius + 3)[1:-1]
    padded = sliding_window_view(np.pad(peak, radius, mode="edge"), 2 * radius + 1)
    return padded @ (kernel / kernel.sum())


def hysteresis(values: np.ndarray, enter: float, leave: float) -> np.ndarray:
    """Flags (T,): true in every run of `values` <= leave that somewhere goes down to `enter`."""
    near = values <= leave
    run = np.cumsum(np.concatenate([[near[0]], near[1:] & ~near[:-1]]))
    touched = np.zeros(int(run.max(initial=0)) + 1, dtype=bool)
    touched[run[near & (values <= enter)]] = True
    return near & touched[run]
