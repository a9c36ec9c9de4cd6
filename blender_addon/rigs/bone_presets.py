# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's own bone maps: one JSON file each, in a folder that updates of the extension leave alone."""

from __future__ import annotations

import re
from pathlib import Path

from intermoe_engine.retarget import RigError

_UNSAFE = re.compile(r'[\\/:*?"<>|\x00-\x1f]+')


def names(folder: Path) -> list[str]:
    """The presets in the folder, by name."""
    return sorted((path.stem for path in folder.glob("*.json")), key=str.casefold)


def path_of(folder: Path, name: str) -> Path:
    """The file of a preset. Raises RigError for a name that no file can have."""
    safe = _UNSAFE.sub("_", name).strip(" .")
    if not safe:
        raise RigError("The preset needs a name: write one")
    return folder / f"{safe}.json"
