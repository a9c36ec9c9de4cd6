# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of people drawn as stick figures, a row of moments each: the one drawer of captures and samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from intermoe_engine.skeleton import SMPL22

MOMENTS = 8
COLOURS = ("#1f6fb4", "#d9541e")
"""Person A and person B."""
_PITCH = np.radians(12.0)
_ROOM = 2.2
_HEIGHT = 2.4
_INCHES_PER_METRE = 0.62
_SMALL = {"fontsize": 6, "color": "#777777"}
_HEAD = SMPL22.index("head")
_RIGHT = np.array([name.startswith("r_") for name in SMPL22.names])


@dataclass(frozen=True)
class PairRow:
    """One motion: joints (2, T, J, 3), metres, y up, the first 22 those of SMPL. fps None: without times."""

    title: str
    joints: np.ndarray
    fps: float | None = None
    parents: Sequence[int] = tuple(SMPL22.parents)


def draw_rows(rows: Sequence[PairRow], moments: int = MOMENTS) -> Figure:
    """A figure with a row of `moments` evenly spaced pictures for each motion.

    The camera stands level with the pair, so that the two are side by side; it follows them. Left limbs are
    strong, right ones pale.
    """
    size = (_INCHES_PER_METRE * _ROOM * moments + 0.2, (_INCHES_PER_METRE * _HEIGHT + 0.45) * len(rows))
    figure = Figure(figsize=size, dpi=110)
    every = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    for axes, row in zip(every, rows, strict=True):
        _draw_row(axes, row, moments)
    figure.subplots_adjust(left=0.005, right=0.995, top=1 - 0.3 / size[1], bottom=0.01, hspace=0.22)
    return figure


def seen_from_the_side(positions: np.ndarray) -> np.ndarray:
    """Pictures (2, N, J, 3) of joints (2, N, J, 3): across, up, and depth towards the camera, in metres.

    The camera's direction is one for the whole clip; each picture is centred on the pair's middle.
    """
    between = (positions[1, :, 0] - positions[0, :, 0])[:, [0, 2]]
    # The axis along which the two are apart, whatever their order: the major one of the second moments.
    _, vectors = np.linalg.eigh(between.T @ between)
    across = np.array([vectors[0, 1], 0.0, vectors[1, 1]])
    across = across if np.sum(between @ vectors[:, 1]) >= 0 else -across
    level, upright = np.cross(across, [0.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0])
    up = np.cos(_PITCH) * upright - np.sin(_PITCH) * level
    towards = np.cos(_PITCH) * level + np.sin(_PITCH) * upright
    centre = positions[:, :, :1].mean(axis=0) * np.array([1.0, 0.0, 1.0])
    return (positions - centre) @ np.stack([across, up, towards], axis=1)


def _draw_row(axes: Axes, row: PairRow, moments: int) -> None:
    frames = np.linspace(0, row.joints.shape[1] - 1, moments).round().astype(int)
    pictures = seen_from_the_side(row.joints[:, frames])
    # Every picture has room for the widest of the row; a pair that parts is drawn smaller, not cut off.
    room = max(_ROOM, 2.0 * float(np.abs(pictures[..., 0]).max()) + 0.2)
    columns = room * np.arange(moments)
    pictures[..., 0] += columns[:, None]
    for n in range(0, moments, 2):
        axes.axvspan(columns[n] - room / 2, columns[n] + room / 2, color="#f3f3f3", zorder=-1, linewidth=0)
    axes.axhline(0.0, color="#bbbbbb", linewidth=0.8, zorder=0)
    parents = np.asarray(row.parents)
    child = np.flatnonzero(parents >= 0)
    pale = np.zeros(len(parents), dtype=bool)
    pale[: len(_RIGHT)] = _RIGHT
    for n in range(moments):
        # Who is nearer to the camera is drawn over the other.
        for layer, person in enumerate(np.argsort(pictures[:, n, 0, 2]), start=1):
            joints = pictures[person, n, :, :2]
            bones = np.stack([joints[parents[child]], joints[child]], axis=1)
            for right, alpha in ((True, 0.45), (False, 1.0)):
                some = list(bones[pale[child] == right])
                lines = LineCollection(
                    some, colors=COLOURS[person], linewidths=1.6, alpha=alpha, zorder=layer
                )
                axes.add_collection(lines, autolim=False)  # the limits are known
            axes.plot(*joints[_HEAD], "o", color=COLOURS[person], markersize=4.5, zorder=layer)
        if row.fps is not None:
            at = columns[n], -0.1
            time = f"{frames[n] / row.fps:.1f} s"
            axes.annotate(time, at, (0, -9), textcoords="offset points", ha="center", **_SMALL)
    axes.set_xlim(-room / 2, room * (moments - 0.5))
    axes.set_ylim(-0.4 * room / _ROOM, (_HEIGHT - 0.4) * room / _ROOM)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.set_title(row.title.replace("$", r"\$"), fontsize=7.5, loc="left", pad=2)
