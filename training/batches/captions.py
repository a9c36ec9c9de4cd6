# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sentence goes with a window: the clip's own, mirrored and swapped as the window is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ..data.captions import mirror_caption, swap_roles
from ..data.salsa_captions import Caption, holds, measured
from .motion_store import MotionStore
from .pieces import Pieces, piece_features


class CaptionPicker(Protocol):
    """Chooses among `texts`."""

    texts: list[str]

    def pick(self, window: int, frames: int, rng: np.random.Generator) -> int:
        """A number into `texts` of a sentence that holds for the first `frames` frames of a window."""
        ...


class ClipCaptions:
    """Each of the clip's captions is as likely as the others.

    candidates: for each piece the numbers, in `texts`, of its clip's captions.
    """

    def __init__(self, store: MotionStore, pieces: Pieces) -> None:
        numbers: dict[str, int] = {}
        self.candidates: list[list[int]] = []
        seen: dict[tuple[int, bool, bool], list[int]] = {}
        for clip, swap, mirror in zip(pieces.clip, pieces.swap, pieces.mirror, strict=True):
            view = (int(clip), bool(swap), bool(mirror))
            if view not in seen:
                texts = [view_caption(text, view[1], view[2]) for text in store.clips[clip].captions]
                seen[view] = [numbers.setdefault(text, len(numbers)) for text in texts]
            self.candidates.append(seen[view])
        self.texts = list(numbers)

    def pick(self, window: int, frames: int, rng: np.random.Generator) -> int:
        """The number, in `texts`, of one of the clip's own captions."""
        return int(rng.choice(self.candidates[window]))


def view_caption(text: str, swap: bool, mirror: bool) -> str:
    """The caption of a clip for its window with person B first, or seen in a mirror."""
    text = swap_roles(text) if swap else text
    return mirror_caption(text) if mirror else text


class SalsaCaptions:
    """Sentences that claim only what the window shows, measured in the window itself.

    tracks (N, T, 5): see `dance_tracks`; leads (N,): who leads each window, 0 or 1.
    """

    def __init__(self, captions: Sequence[Caption], tracks: np.ndarray, leads: np.ndarray) -> None:
        self.captions, self.tracks, self.leads = captions, tracks, leads
        self.texts = [caption.text for caption in captions]

    def pick(self, window: int, frames: int, rng: np.random.Generator) -> int:
        """The number, in `texts`, of a sentence that holds in the window's first `frames` frames."""
        yaw_a, yaw_b, distance, speed, wrists = self.tracks[window, :frames].T
        facts = measured(np.stack([yaw_a, yaw_b]), distance, speed, wrists)
        lead = "ab"[int(self.leads[window])]
        fitting = [i for i, caption in enumerate(self.captions) if holds(caption.claim, facts, lead)]
        return int(rng.choice(fitting))


def piece_tracks(store: MotionStore, pieces: Pieces, batch: int = 64) -> np.ndarray:
    """The `dance_tracks` (N, T, 5) of pieces."""
    parts = []
    for first in range(0, len(pieces), batch):
        features = piece_features(store, pieces, slice(first, first + batch))
        parts.append(dance_tracks(store.layout.joint_positions(features).numpy()))
    longest = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(p, ((0, 0), (0, longest - p.shape[1]), (0, 0))) for p in parts])


def dance_tracks(positions: np.ndarray, fps: float = 30.0) -> np.ndarray:
    """What salsa captions speak of, from joints (..., 2, T, 22, 3): (..., T, 5) float32.

    Yaw of A and of B in radians, unwrapped; metres between the pelvises on the ground; mean speed of the
    four feet in m/s; metres between the closest wrists of the two.
    """
    across = positions[..., 2, :] - positions[..., 1, :]
    yaw = np.unwrap(np.arctan2(across[..., 2], -across[..., 0]), axis=-1)
    feet = np.linalg.norm(np.diff(positions[..., [7, 10, 8, 11], :], axis=-3), axis=-1).mean(axis=(-3, -1))
    speed = np.concatenate([feet, feet[..., -1:]], axis=-1) * fps
    between = positions[..., 0, :, 0, :] - positions[..., 1, :, 0, :]
    a, b = positions[..., 0, :, [20, 21], :], positions[..., 1, :, [20, 21], :]
    wrists = np.linalg.norm(a[:, None] - b[None], axis=-1).min(axis=(0, 1))
    distance = np.hypot(between[..., 0], between[..., 2])
    return np.stack([yaw[..., 0, :], yaw[..., 1, :], distance, speed, wrists], axis=-1).astype(np.float32)
