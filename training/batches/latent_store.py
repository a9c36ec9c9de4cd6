# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces encoded once: the VAE is causal, so a short take's latents are the beginning of a longer one's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intermoe_engine.atomic import replacing

from ..model import MotionVAE
from ..model.config import FRAMES_PER_LATENT
from ..processes import made_once
from .captions import CaptionPicker
from .motion_store import MotionStore
from .pieces import Pieces, piece_features
from .statistics import Statistics
from .stream import Share, generator
from .text_store import TextStore

_BATCH = 32
_ROWS = 3


class LatentStore:
    """latents (N, L, 2D) half precision, zero behind lengths (N,)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        index = json.loads((folder / "latents.json").read_text(encoding="utf-8"))
        self.shape = tuple(index["shape"])
        self.lengths = np.array(index["lengths"], dtype=np.int64)
        self._latents: np.ndarray | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_latents": None}

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def latents(self) -> np.ndarray:
        """All latents (N, L, 2D) float16, mapped from the file."""
        if self._latents is None:
            self._latents = np.memmap(self.folder / "latents.f16", np.float16, "r", shape=self.shape)
        return self._latents


def open_latents(
    folder: Path,
    store: MotionStore,
    pieces: Pieces,
    vae: MotionVAE,
    stats: Statistics,
    device: torch.device,
) -> LatentStore:
    """The standardised mean latents of the pieces, encoded now if `folder` does not hold them yet."""
    state = hashlib.sha256(store.key.encode())
    for array in (pieces.clip, pieces.start, pieces.frames, pieces.swap, pieces.mirror):
        state.update(np.ascontiguousarray(array).tobytes())
    for tensor in [*vae.state_dict().values(), stats.mean, stats.std]:
        state.update(tensor.cpu().contiguous().numpy().tobytes())
    key = state.hexdigest()

    def is_there() -> bool:
        index = folder / "latents.json"
        return index.is_file() and json.loads(index.read_text(encoding="utf-8"))["key"] == key

    made_once(is_there, lambda: _write(folder, store, pieces, vae, stats, device, key))
    return LatentStore(folder)


def join_people(latents: Tensor) -> Tensor:
    """(2B, T, D), A and B of each pair in turn, to (B, T, 2D)."""
    pairs = latents.unflatten(0, (-1, 2))
    return torch.cat([pairs[:, 0], pairs[:, 1]], dim=-1)


@torch.no_grad()
def _write(
    folder: Path,
    store: MotionStore,
    pieces: Pieces,
    vae: MotionVAE,
    stats: Statistics,
    device: torch.device,
    key: str,
) -> None:
    lengths = pieces.frames // FRAMES_PER_LATENT
    shape = (len(pieces), int(lengths.max()), 2 * vae.latent_mean.numel())
    layout, vae = store.layout, vae.to(device).eval()
    with replacing(folder / "latents.f16") as temporary:
        out = np.memmap(temporary, np.float16, "w+", shape=shape)
        for first in range(0, len(pieces), _BATCH):
            rows = slice(first, min(first + _BATCH, len(pieces)))
            windows = piece_features(store, pieces, rows)
            motion = stats.normalise(windows)[..., : layout.size].flatten(0, 1).to(device)
            latents = join_people(vae.encode(motion).flatten(2))[:, : shape[1]].cpu().numpy()
            latents *= (np.arange(latents.shape[1]) < lengths[rows, None])[..., None]
            out[rows, : latents.shape[1]] = latents
            if (first // _BATCH) % 40 == 0 and len(pieces) > 1000:
                print(f"latents {first}/{len(pieces)}", flush=True)
        out.flush()
        del out
        with replacing(folder / "latents.json") as path:
            index = {"key": key, "shape": shape, "lengths": lengths.tolist()}
            path.write_text(json.dumps(index), encoding="utf-8")
    vae.cpu()


def long_windows(latents: LatentStore, frames: int, seed: tuple[int, ...], count: int = 1024) -> Tensor:
    """Random windows (2, N, frames, D), A first, from pieces that are long enough; N may be 0."""
    rng = generator(*seed)
    rows = np.flatnonzero(latents.lengths >= frames)
    if len(rows) == 0:
        return torch.empty(2, 0, frames, latents.shape[2] // 2)
    rows = rng.choice(rows, count)
    starts = rng.integers(0, latents.lengths[rows] - frames + 1)
    cuts = latents.latents[rows[:, None], starts[:, None] + np.arange(frames)]
    return torch.stack(torch.from_numpy(cuts.astype(np.float32)).chunk(2, dim=-1))


class CaptionedLatents:
    """Batches of latents with the token states of a caption that holds for them.

    A batch is a dict: latents (B, T, 2D), lengths (B,), states (B, N, E), valid (B, N), end (B,), padded
    (whether any length is below T), and of the whole batch over all ranks, total_frames and longest.
    one_length: see DenoiserRecipe.
    """

    def __init__(
        self,
        latents: LatentStore,
        picker: CaptionPicker,
        texts: TextStore,
        batch: int,
        shortest: int,
        one_length: bool,
        key: tuple[int, ...],
    ) -> None:
        self.latents, self.picker, self.texts = latents, picker, texts
        self.size, self.shortest, self.one_length, self.key = batch, shortest, one_length, key

    def batch(self, step: int, share: Share) -> dict[str, Any]:
        """This process's part of a step's batch; the same step gives the same batch."""
        rng = generator(*self.key, _ROWS, step)
        limit = self.latents.shape[1]
        if self.one_length:
            limit = int(rng.integers(self.shortest, limit + 1))
        rows = rng.integers(0, len(self.latents), self.size)
        seeds = rng.integers(0, 2**62, self.size)
        lengths = np.minimum(self.latents.lengths[rows], limit)
        own = share.rows(self.size)
        frames = int(lengths[own].max())
        latents = self.latents.latents[rows[own], :frames].astype(np.float32)
        words = [
            self.picker.pick(int(row), FRAMES_PER_LATENT * int(length), generator(int(seed)))
            for row, length, seed in zip(rows[own], lengths[own], seeds[own], strict=True)
        ]
        return {
            "latents": torch.from_numpy(latents),
            "lengths": torch.from_numpy(lengths[own]),
            **self.texts.gather(words),
            "padded": bool(lengths[own].min() < frames),
            "total_frames": int(lengths.sum()),
            "longest": int(lengths.max()),
        }
