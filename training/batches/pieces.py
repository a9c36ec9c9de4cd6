# SPDX-License-Identifier: GPL-3.0-or-later
"""The pieces of clips that denoiser and evaluator see: whole clips where they are short enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..model.config import FRAMES_PER_LATENT
from ..recipe import DataRecipe, RecipeError
from .motion_store import MotionStore
from .windows import WindowChooser


@dataclass(frozen=True)
class Pieces:
    """Arrays (N,): clip, first frame, number of frames, person B first, seen in a mirror."""

    clip: np.ndarray
    start: np.ndarray
    frames: np.ndarray
    swap: np.ndarray
    mirror: np.ndarray

    def __len__(self) -> int:
        return len(self.clip)

    def at(self, rows: np.ndarray) -> Pieces:
        """Some of them."""
        return Pieces(*(getattr(self, f)[rows] for f in ("clip", "start", "frames", "swap", "mirror")))


def random_pieces(
    store: MotionStore, data: DataRecipe, frames: int, count: int, rng: np.random.Generator, held_out: bool
) -> Pieces:
    """`count` windows of exactly `frames` frames, every one as likely as any other."""
    chosen = WindowChooser(store, data, frames, held_out).choose(rng, count)
    return Pieces(chosen.clip, chosen.start, np.full(count, frames), chosen.swap, chosen.mirror)


def whole_pieces(
    store: MotionStore,
    data: DataRecipe,
    shortest: int,
    longest: int,
    rng: np.random.Generator,
    held_out: bool,
    count: int = 0,
) -> Pieces:
    """Captioned clips whole, once in each view, in order; a longer clip gives several random pieces.

    count: so many of these at random instead; 0: all. Raises RecipeError when there is none.
    """
    clips = [i for i in store.select(held_out, shortest) if store.clips[i].captions]
    if not clips:
        side = "held-out" if held_out else "training"
        raise RecipeError(f"no {side} clip of {shortest} frames or more has a caption; caption the data")
    swaps = (False, True) if data.swap else (False,)
    mirrors = (False, True) if data.mirror else (False,)
    rows: list[tuple[int, int, int, bool, bool]] = []
    for clip in clips:
        total = store.clips[clip].frames
        frames = min(total, longest)
        for swap in swaps:
            for mirror in mirrors:
                for _ in range(-(-total // longest)):
                    rows.append((clip, int(rng.integers(0, total - frames + 1)), frames, swap, mirror))
    if count:
        rows = [rows[i] for i in rng.integers(0, len(rows), count)]
    clip, start, frames, swap, mirror = (np.array(column) for column in zip(*rows, strict=True))
    return Pieces(clip, start, frames, swap, mirror)


def piece_features(store: MotionStore, pieces: Pieces, rows: slice) -> Tensor:
    """Canonical features (B, 2, T, stored) of some pieces, the last frame repeated behind shorter ones."""
    longest = -(-int(pieces.frames[rows].max()) // FRAMES_PER_LATENT) * FRAMES_PER_LATENT
    windows = []
    for i in range(len(pieces))[rows]:
        cut = store.cut(
            pieces.clip[i], int(pieces.start[i]), int(pieces.frames[i]), pieces.swap[i], pieces.mirror[i]
        )
        tail = cut[:, -1:].expand(-1, longest - cut.shape[1], -1)
        windows.append(torch.cat([cut, tail], dim=1))
    return store.layout.canonical(torch.stack(windows))
