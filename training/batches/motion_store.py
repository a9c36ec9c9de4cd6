# SPDX-License-Identifier: GPL-3.0-or-later
"""Every clip's features in one memory-mapped file, from which windows are cut without parsing anything.

Worker processes and ranks share the pages that the system keeps in memory, so a store larger than memory
works and a smaller one costs its size once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from intermoe_engine.atomic import replacing

from ..layouts import LAYOUTS, MotionLayout
from ..processes import made_once
from ..recipe import DataRecipe, RecipeError
from .clips import ClipList

SHORTEST = 15


@dataclass(frozen=True)
class StoredClip:
    """One clip at one speed: rows first … first + frames − 1 of the store.

    captions and roles are those of the clip itself, neither mirrored nor swapped.
    """

    name: str
    first: int
    frames: int
    held_out: bool
    captions: tuple[str, ...]
    roles: tuple[str, str]


class MotionStore:
    """features (rows, 2, stored) float32, each clip in its own frame; offsets (clips, 2, J, 3)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        index = json.loads((folder / "motion.json").read_text(encoding="utf-8"))
        self.key: str = index["key"]
        self.layout: MotionLayout = LAYOUTS[index["layout"]]
        self.clips = [
            StoredClip(**{**c, "captions": tuple(c["captions"]), "roles": tuple(c["roles"])})
            for c in index["clips"]
        ]
        self.offsets = np.load(folder / "offsets.npy", allow_pickle=False)
        self._features: np.ndarray | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_features": None}  # a worker maps the file itself

    @property
    def features(self) -> np.ndarray:
        """Every clip's features (frames, 2, stored) one after the other, mapped from the file."""
        if self._features is None:
            flat = np.memmap(self.folder / "motion.f32", dtype=np.float32, mode="r")
            self._features = flat.reshape(-1, 2, self.layout.stored)
        return self._features

    def select(self, held_out: bool, frames: int) -> np.ndarray:
        """Numbers of the clips on one side that have so many frames."""
        chosen = [i for i, c in enumerate(self.clips) if c.held_out == held_out and c.frames >= frames]
        return np.array(chosen, dtype=np.int64)

    def frames(self, clips: np.ndarray) -> np.ndarray:
        """Lengths of clips."""
        return np.array([self.clips[i].frames for i in clips], dtype=np.int64)

    def cut(self, clip: int, start: int, frames: int, swap: bool, mirror: bool) -> Tensor:
        """A window (2, frames, stored) in the clip's frame, person B first if `swap`."""
        first = self.clips[clip].first + start
        # A copy: the map is read-only, and torch wants memory of its own.
        window = torch.from_numpy(np.array(self.features[first : first + frames])).transpose(0, 1)
        window = window.flip(0) if swap else window
        return self.layout.mirrored(window) if mirror else window

    def rest_offsets(self, clip: int, swap: bool, mirror: bool) -> Tensor:
        """Rest offsets (2, J, 3) of the people of such a window."""
        offsets = self.offsets[clip]
        offsets = offsets[::-1] if swap else offsets
        if mirror:
            offsets = offsets[:, list(self.layout.mirror)] * np.array([-1.0, 1.0, 1.0], dtype=np.float32)
        return torch.from_numpy(np.ascontiguousarray(offsets, dtype=np.float32))


def open_store(folder: Path, clips: ClipList, recipe: DataRecipe, layout: MotionLayout) -> MotionStore:
    """The store of these clips under `folder`, made now if it is not there yet or holds other clips.

    Of several processes the first of the run makes it and the others wait.
    """
    key = _key(clips, recipe, layout)
    made_once(lambda: _is_there(folder, key), lambda: _write(folder, clips, recipe.speeds, layout, key))
    return MotionStore(folder)


def _key(clips: ClipList, recipe: DataRecipe, layout: MotionLayout) -> str:
    facts = [layout.name, clips.digest, clips.train, clips.held_out, recipe.speeds]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _is_there(folder: Path, key: str) -> bool:
    index = folder / "motion.json"
    return index.is_file() and json.loads(index.read_text(encoding="utf-8"))["key"] == key


def _write(folder: Path, clips: ClipList, speeds: Sequence[float], layout: MotionLayout, key: str) -> None:
    stored: list[StoredClip] = []
    offsets: list[np.ndarray] = []
    rows = 0
    total = len(clips.train) + len(clips.held_out)
    with replacing(folder / "motion.f32") as temporary:
        with temporary.open("wb") as file:
            for number, (clip, held_out) in enumerate(clips):
                for speed in (1.0,) if held_out else speeds:
                    variant = clip if speed == 1.0 else clip.retimed(speed)
                    if variant.frames < SHORTEST:
                        continue
                    features = np.ascontiguousarray(layout.features(variant).transpose(1, 0, 2))
                    features.tofile(file)
                    stored.append(
                        StoredClip(clip.name, rows, len(features), held_out, clip.captions, clip.roles)
                    )
                    offsets.append(layout.offsets(clip))
                    rows += len(features)
                if (number + 1) % 100 == 0 or number + 1 == total:
                    print(f"features {number + 1}/{total} clips, {rows} frames", flush=True)
        if not stored:
            raise RecipeError("no clip is long enough to train on; prepare longer clips")
        with replacing(folder / "offsets.npy") as path, path.open("wb") as file:
            np.save(file, np.stack(offsets).astype(np.float32))
    # Last, because what the index names counts as there.
    with replacing(folder / "motion.json") as path:
        index = {"key": key, "layout": layout.name, "clips": [asdict(clip) for clip in stored]}
        path.write_text(json.dumps(index), encoding="utf-8")
