# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips drawn as stick figures, a row each, so that a person can see at a glance what is in the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from intermoe_engine.atomic import replacing
from intermoe_engine.skeleton import SMPL22

from .pair_clip import PairClip

MOMENTS = 8
COLOURS = ("#1f6fb4", "#d9541e")
"""Person A and person B."""
_PITCH = np.radians(12.0)
_ROOM = 2.2
_HEIGHT = 2.4
_INCHES_PER_METRE = 0.62
_SMALL = {"fontsize": 6, "color": "#777777"}
_RIGHT = np.array([name.startswith("r_") for name in SMPL22.names])


def draw_clips(path: Path, clips: Sequence[PairClip], moments: int = MOMENTS) -> Path:
    """Write a PNG with a row of `moments` evenly spaced pictures for each clip.

    The camera stands level with the pair, so that the two are side by side; it follows them. Left limbs are
    strong, right ones pale. Raises ValueError without clips, OSError.
    """
    if not clips:
        raise ValueError("there are no clips to draw")
    size = (_INCHES_PER_METRE * _ROOM * moments + 0.2, (_INCHES_PER_METRE * _HEIGHT + 0.45) * len(clips))
    figure = Figure(figsize=size, dpi=110)
    rows = figure.subplots(len(clips), 1, squeeze=False)[:, 0]
    for axes, clip in zip(rows, clips, strict=True):
        _draw_row(axes, clip, moments)
    figure.subplots_adjust(left=0.005, right=0.995, top=1 - 0.3 / size[1], bottom=0.01, hspace=0.22)
    with replacing(path) as temporary, temporary.open("wb") as file:
        FigureCanvasAgg(figure).print_png(file)
    return path


def sample_clips(count: int, among: int, seed: int = 0) -> list[int]:
    """Up to `count` different numbers below `among`, by chance, in order."""
    rng = np.random.default_rng(seed)
    return sorted(int(i) for i in rng.choice(among, size=min(count, among), replace=False))


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


def _draw_row(axes, clip: PairClip, moments: int) -> None:
    frames = np.linspace(0, clip.frames - 1, moments).round().astype(int)
    pictures = seen_from_the_side(clip.positions()[:, frames])
    # Every picture has room for the widest of the row; a pair that parts is drawn smaller, not cut off.
    room = max(_ROOM, 2.0 * float(np.abs(pictures[..., 0]).max()) + 0.2)
    columns = room * np.arange(moments)
    pictures[..., 0] += columns[:, None]
    for n in range(0, moments, 2):
        axes.axvspan(columns[n] - room / 2, columns[n] + room / 2, color="#f3f3f3", zorder=-1, linewidth=0)
    axes.axhline(0.0, color="#bbbbbb", linewidth=0.8, zorder=0)
    child, parent = np.arange(1, 22), SMPL22.parents[1:]
    for n in range(moments):
        # Who is nearer to the camera is drawn over the other.
        for layer, person in enumerate(np.argsort(pictures[:, n, 0, 2]), start=1):
            joints = pictures[person, n, :, :2]
            bones = np.stack([joints[parent], joints[child]], axis=1)
            for right, alpha in ((True, 0.45), (False, 1.0)):
                some = list(bones[_RIGHT[child] == right])
                lines = LineCollection(
                    some, colors=COLOURS[person], linewidths=1.6, alpha=alpha, zorder=layer
                )
                axes.add_collection(lines, autolim=False)  # the limits are known
            axes.plot(*joints[15], "o", color=COLOURS[person], markersize=4.5, zorder=layer)
        time = f"{frames[n] / clip.fps:.1f} s"
        axes.annotate(time, (columns[n], -0.1), (0, -9), textcoords="offset points", ha="center", **_SMALL)
    axes.set_xlim(-room / 2, room * (moments - 0.5))
    axes.set_ylim(-0.4 * room / _ROOM, (_HEIGHT - 0.4) * room / _ROOM)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.set_title(_heading(clip), fontsize=7.5, loc="left", pad=2)


def _heading(clip: PairClip) -> str:
    roles = " / ".join(clip.roles) if any(clip.roles) else ""
    caption = clip.captions[0] if clip.captions else "(no caption)"
    parts = (clip.name, clip.split, roles, f"{clip.frames / clip.fps:.1f} s", caption)
    heading = " · ".join(part for part in parts if part)
    heading = heading if len(heading) <= 150 else heading[:149] + "…"
    return heading.replace("$", r"\$")
