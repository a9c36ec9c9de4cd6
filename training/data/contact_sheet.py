# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips drawn as stick figures, a row each, so that a person can see at a glance what is in the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from intermoe_engine.atomic import replacing

from ..stick_figures import MOMENTS, PairRow, draw_rows
from .pair_clip import PairClip


def draw_clips(path: Path, clips: Sequence[PairClip], moments: int = MOMENTS) -> Path:
    """Write a PNG with a row of `moments` evenly spaced pictures for each clip (see `draw_rows`).

    Raises ValueError without clips, OSError.
    """
    if not clips:
        raise ValueError("there are no clips to draw")
    figure = draw_rows([PairRow(_heading(clip), clip.positions(), clip.fps) for clip in clips], moments)
    with replacing(path) as temporary, temporary.open("wb") as file:
        FigureCanvasAgg(figure).print_png(file)
    return path


def sample_clips(count: int, among: int, seed: int = 0) -> list[int]:
    """Up to `count` different numbers below `among`, by chance, in order."""
    rng = np.random.default_rng(seed)
    return sorted(int(i) for i in rng.choice(among, size=min(count, among), replace=False))


def _heading(clip: PairClip) -> str:
    roles = " / ".join(clip.roles) if any(clip.roles) else ""
    caption = clip.captions[0] if clip.captions else "(no caption)"
    parts = (clip.name, clip.split, roles, f"{clip.frames / clip.fps:.1f} s", caption)
    heading = " · ".join(part for part in parts if part)
    return heading if len(heading) <= 150 else heading[:149] + "…"
