# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the extension keeps its files: Blender's folder for this extension, never the extension itself."""

from __future__ import annotations

from pathlib import Path

import bpy

from intermoe_engine.paths import writable_cache_folder

from .. import ADDON_ID


def takes() -> Path:
    """The folder of generated takes, created."""
    return _folder("takes")


def bone_maps() -> Path:
    """The folder of the user's bone maps, created."""
    return _folder("bone_maps")


def log_file() -> Path:
    """The engine's log; its folder exists."""
    return _folder("logs") / "engine.log"


def _folder(name: str) -> Path:
    try:
        return Path(bpy.utils.extension_path_user(ADDON_ID, path=name, create=True))
    except ValueError:  # not installed as an extension: command line, tests
        folder = writable_cache_folder() / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder
