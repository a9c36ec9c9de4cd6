# SPDX-License-Identifier: GPL-3.0-or-later
"""Stick figures in a row: what a model makes, at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_COLOURS = ("#c8553d", "#2f6690")
_TILT = 0.25
"""How far depth moves a point up the picture, as if seen from a little above."""


def strip(rows: Sequence[tuple[str, np.ndarray]], parents: Sequence[int], poses: int = 8) -> np.ndarray:
    """A picture (H, W, 3), 8-bit: for each (title, joints (2, T, J, 3)) a row of `poses` moments."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.3 * poses, 1.6 * len(rows)), dpi=100)
    canvas = FigureCanvasAgg(figure)
    bones = [(joint, parent) for joint, parent in enumerate(parents) if parent >= 0]
    for number, (title, joints) in enumerate(rows):
        axes = figure.add_subplot(len(rows), 1, number + 1)
        frames = np.linspace(0, joints.shape[1] - 1, poses).round().astype(int)
        for column, frame in enumerate(frames):
            pose = joints[:, frame]
            centre = pose[:, 0].mean(axis=0)
            flat = np.stack(
                [
                    pose[..., 0] - centre[0] + 1.8 * column,
                    pose[..., 1] + _TILT * (centre[2] - pose[..., 2]),
                ],
                axis=-1,
            )
            for person, colour in zip(flat, _COLOURS, strict=True):
                lines = [(person[a], person[b]) for a, b in bones]
                axes.add_collection(LineCollection(lines, colors=colour, linewidths=1.5))
        low = float(joints[..., 1].min())
        axes.set_xlim(-1.0, 1.8 * poses - 0.8)
        axes.set_ylim(low - 0.3, low + 2.1)
        axes.set_aspect("equal")
        axes.set_axis_off()
        axes.set_title(title, fontsize=8, loc="left")
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.93)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
