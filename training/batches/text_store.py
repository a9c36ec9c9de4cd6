# SPDX-License-Identifier: GPL-3.0-or-later
"""What the frozen sentence encoder says of every caption, computed once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from intermoe_engine.atomic import replacing

from ..processes import made_once
from ..recipe import TextRecipe
from ..text.states import caption_states

_CHUNK = 1024


class TextStore:
    """Token states of sentences in half precision, one after the other in a memory-mapped file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        index = json.loads((folder / "text.json").read_text(encoding="utf-8"))
        self.texts: list[str] = index["texts"]
        self.width: int = index["width"]
        self.padding_visible: bool = index["padding_visible"]
        self.lengths = np.array(index["lengths"], dtype=np.int64)
        self.ends = np.array(index["ends"], dtype=np.int64)
        self._first = np.concatenate([[0], np.cumsum(self.lengths)])
        self._states: np.ndarray | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_states": None}

    def gather(self, rows: Sequence[int]) -> dict[str, Tensor]:
        """states (B, N, E) zero-padded, valid (B, N) bool: what attention sees, end (B,): the end token."""
        if self._states is None:
            flat = np.memmap(self.folder / "text.f16", dtype=np.float16, mode="r")
            self._states = flat.reshape(-1, self.width)
        lengths = self.lengths[list(rows)]
        states = np.zeros((len(rows), int(lengths.max()), self.width), dtype=np.float32)
        for k, row in enumerate(rows):
            states[k, : lengths[k]] = self._states[self._first[row] : self._first[row + 1]]
        return {
            "states": torch.from_numpy(states),
            "valid": torch.from_numpy(np.arange(states.shape[1]) < lengths[:, None]),
            "end": torch.from_numpy(self.ends[list(rows)]),
        }


def open_texts(folder: Path, texts: Sequence[str], recipe: TextRecipe) -> TextStore:
    """The states of these sentences, encoded now if `folder` does not hold them yet."""
    facts = [recipe.encoder, recipe.weights, *texts]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def is_there() -> bool:
        index = folder / "text.json"
        return index.is_file() and json.loads(index.read_text(encoding="utf-8"))["key"] == key

    made_once(is_there, lambda: _write(folder, texts, recipe, key))
    return TextStore(folder)


def _write(folder: Path, texts: Sequence[str], recipe: TextRecipe, key: str) -> None:
    lengths: list[int] = []
    ends: list[int] = []
    width, visible = 0, False
    with replacing(folder / "text.f16") as temporary:
        with temporary.open("wb") as file:
            for first in range(0, len(texts), _CHUNK):
                chunk = caption_states(texts[first : first + _CHUNK], recipe)
                for states, length in zip(chunk.states, chunk.lengths, strict=True):
                    states[:length].astype(np.float16).tofile(file)
                lengths += [int(n) for n in chunk.lengths]
                ends += [int(n) for n in chunk.ends]
                width, visible = chunk.states.shape[-1], chunk.padding_visible
                if len(texts) > _CHUNK:
                    print(f"sentences {min(first + _CHUNK, len(texts))}/{len(texts)}", flush=True)
        with replacing(folder / "text.json") as path:
            index = {
                "key": key, "texts": list(texts), "width": width, "padding_visible": visible,
                "lengths": lengths, "ends": ends,
            }  # fmt: skip
            path.write_text(json.dumps(index), encoding="utf-8")
