# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the extension keeps its files: Blender's folder for this extension, never the extension itself."""

from __future__ import annotations

import os
from pathlib import Path

import bpy

from intermoe_engine.errors import EngineError
from intermoe_engine.paths import writable_cache_folder

from .. import ADDON_ID


class FolderError(EngineError):
    """A folder of the extension that cannot be made; the message says what to do."""


def takes() -> Path:
    """The folder of generated takes, created. Raises FolderError."""
    return _folder("takes")


def bone_maps() -> Path:
    """The folder of the user's bone maps, created. Raises FolderError."""
    return _folder("bone_maps")


def log_file() -> Path:
    """The engine's log; its folder exists. Raises FolderError."""
    return _folder("logs") / "engine.log"


def _folder(name: str) -> Path:
    try:
        try:
            folder = Path(bpy.utils.extension_path_user(ADDON_ID, path=name, create=True))
        except ValueError:  # not installed as an extension: command line, tests
            folder = writable_cache_folder() / name
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(
            f"Blender's user folder cannot be written ({error}): free it or its disk"
        ) from error
    if not os.access(folder, os.W_OK):
        raise FolderError(f"The folder {folder} cannot be written: allow it, or make room on its disk")
    return folder
