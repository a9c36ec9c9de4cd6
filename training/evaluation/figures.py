# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is measured of one motion, and how a set of motions is summed up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .motion import PairMotion
from .proximity import pelvis_distances, proximity_figures
from .quality import person_figures
from .roles import energy_ratio, role_figures, signature

_DISTANCE_STRIDE = 5


@dataclass(frozen=True)
class Measured:
    """figures: name -> number (NaN: does not apply); signature (2, 6); distances (N,) of the pelvises in
    metres, every fifth frame; energy: log of A's speed to B's."""

    figures: dict[str, float]
    signature: np.ndarray
    distances: np.ndarray
    energy: float


def measure(motion: PairMotion, caption: str) -> Measured:
    """Measure one motion that is to show what a caption says."""
    positions, fps = motion.positions, motion.fps
    return Measured(
        {
            **person_figures(positions, fps),
            **proximity_figures(motion, caption),
            **role_figures(positions, fps, caption),
        },
        signature(positions, fps),
        pelvis_distances(positions)[::_DISTANCE_STRIDE],
        energy_ratio(positions, fps),
    )


def summary(values: Sequence[float] | np.ndarray) -> dict[str, float | int] | None:
    """mean, median, p5, p95 and n of the numbers that are no NaN; None where none is left."""
    array = np.asarray(values, dtype=float)
    array = array[np.isfinite(array)]
    if not len(array):
        return None
    p5, median, p95 = np.percentile(array, [5, 50, 95])
    return {
        "mean": float(array.mean()),
        "median": float(median),
        "p5": float(p5),
        "p95": float(p95),
        "n": len(array),
    }


def columns(figures: Sequence[Mapping[str, float]]) -> dict[str, np.ndarray]:
    """Rows of figures as arrays (N,) by name."""
    return {key: np.array([row[key] for row in figures]) for key in figures[0]} if figures else {}
