# SPDX-License-Identifier: GPL-3.0-or-later
"""Stretches of time in which something holds."""

from __future__ import annotations

import numpy as np


def runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First frames and frames behind the last, int (R,), of the runs of true in mask (T,)."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
