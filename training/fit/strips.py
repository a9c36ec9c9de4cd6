# SPDX-License-Identifier: GPL-3.0-or-later
"""Stick figures in a row: what a model makes, at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def strip(rows: Sequence[tuple[str, np.ndarray]], parents: Sequence[int], poses: int = 8) -> np.ndarray:
    """A picture (H, W, 3), 8-bit: for each (title, joints (2, T, J, 3)) a row of `poses` moments."""
    # matplotlib takes its time to load, and few trainings draw.
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from ..stick_figures import PairRow, draw_rows

    figure = draw_rows([PairRow(title, joints, parents=parents) for title, joints in rows], poses)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
