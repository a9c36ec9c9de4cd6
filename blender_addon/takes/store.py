# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of takes: the newest ones stay, and every one that an open scene plays."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import bpy

_PATTERN = "take-*.npz"


def needed() -> set[Path]:
    """The take files that the scenes of the open file name."""
    paths = (scene.intermoe_take.path for scene in bpy.data.scenes)
    return {Path(bpy.path.abspath(path)) for path in paths if path}


def prune(folder: Path, keep: int, needed_files: Iterable[Path]) -> int:
    """Delete all but the `keep` newest takes and those that are needed; 0 keeps all. Returns how many went.

    Newest is by last use: `touch` marks one as used.
    """
    return _delete(_newest_first(folder)[keep:], needed_files) if keep > 0 else 0


def delete_all(folder: Path, needed_files: Iterable[Path]) -> tuple[int, int]:
    """Delete all takes but those that are needed. Returns how many went and how many stayed."""
    takes = _newest_first(folder)
    gone = _delete(takes, needed_files)
    return gone, len(takes) - gone


def touch(path: Path) -> None:
    """Note that a take was used again."""
    if path.is_file():
        os.utime(path)


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob(_PATTERN), key=_last_use, reverse=True)


def _last_use(path: Path) -> float:
    """Seconds since the epoch; 0 for a file that another Blender has just deleted."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _delete(takes: Iterable[Path], needed_files: Iterable[Path]) -> int:
    held = {path.resolve() for path in needed_files}
    gone = 0
    for path in takes:
        if path.resolve() in held:
            continue
        try:
            path.unlink()
        except OSError:  # gone already, or open elsewhere on Windows: the next time will do
            continue
        gone += 1
    return gone
