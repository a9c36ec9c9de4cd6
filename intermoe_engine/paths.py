# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engine keeps its own files on each platform. Standard library only."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

APP_NAME = "intermoe"


def user_cache_folder() -> Path:
    """The folder for files that may be deleted at any time (logs, unpacked models).

    `INTERMOE_CACHE` overrides it. It is not created here. Users without a home get one in the temp folder.
    """
    try:
        return _cache_folder()
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"{APP_NAME}-cache"


def _cache_folder() -> Path:
    override = os.environ.get("INTERMOE_CACHE")
    if override:
        return Path(override).expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        base = Path(local) if local else Path.home() / "AppData" / "Local"
        return base / APP_NAME / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / APP_NAME
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(xdg) if os.path.isabs(xdg) else Path.home() / ".cache"
    return base / APP_NAME


def writable_cache_folder() -> Path:
    """`user_cache_folder()`, created; a folder of the temp directory where it cannot be written."""
    folder = user_cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix=f"{APP_NAME}-"))
