# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a long evaluation on disk, so that an interrupted one goes on where it was."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from intermoe_engine.npz import write_arrays

Part = dict[str, np.ndarray]


class Journal:
    """Named parts, each made once for the same facts. Without a folder nothing is kept."""

    def __init__(self, folder: Path | None, facts: dict[str, Any]) -> None:
        """facts: everything that decides what the parts hold; others get a folder of their own."""
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
        self._folder = folder / digest if folder is not None else None

    def part(self, name: str, make: Callable[[], Part]) -> Part:
        """The part from disk, or made now and kept."""
        if self._folder is None:
            return make()
        path = self._folder / f"{name}.npz"
        if path.is_file():
            try:
                with np.load(path, allow_pickle=False) as arrays:
                    return {key: arrays[key] for key in arrays.files}
            except (OSError, ValueError, zipfile.BadZipFile):
                pass  # damaged: make it again
        made = make()
        write_arrays(path, made)
        return made
