# SPDX-License-Identifier: GPL-3.0-or-later
"""Zips whose weights lie in files of their own, unpacked once into the cache folder.

ONNX Runtime maps such files from the disk. A zip that holds them is unpacked under the digest of its card,
which names the exact weights, and found again there by later processes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from ..paths import writable_cache_folder
from .card import FileRecord
from .errors import BundleError
from .store import FolderStore, Store, check_file, copy_file

WEIGHTS_SUFFIX = ".data"

_FOLDER = "bundles"
_KEEP_DAYS = 60


def needs_unpacking(files: Mapping[str, FileRecord]) -> bool:
    """Whether any graph has its weights in a second file."""
    return any(name.endswith(WEIGHTS_SUFFIX) for name in files)


def unpacked(store: Store, files: Mapping[str, FileRecord], digest: str) -> FolderStore:
    """The checked files of the zip in `store`, in a folder; `digest`: of its card. Raises BundleError."""
    parent = writable_cache_folder() / _FOLDER
    folder = parent / digest
    if folder.is_dir():
        try:
            present = FolderStore(folder)
            for name, record in files.items():
                check_file(present, name, record)
            os.utime(folder)
            return present
        except (BundleError, OSError):
            shutil.rmtree(folder, ignore_errors=True)  # spoilt since; the zip still has it
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _forget_old(parent)
        _unpack(store, files, folder)
    except OSError as error:
        needed = sum(record.bytes for record in files.values()) / 1e9
        raise BundleError(
            f"{store.path.name} cannot be unpacked into {parent} ({error.strerror or error}); it needs "
            f"{needed:.1f} GB there, or unpack it yourself and give the folder"
        ) from error
    return FolderStore(folder)


def _unpack(store: Store, files: Mapping[str, FileRecord], folder: Path) -> None:
    partial = Path(tempfile.mkdtemp(prefix=".", suffix=".part", dir=folder.parent))
    try:
        for name, record in files.items():
            target = partial / name
            target.parent.mkdir(parents=True, exist_ok=True)
            copy_file(store, name, record, target)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _forget_old(parent: Path) -> None:
    """Remove what no process has used for a long time: each is more than a gigabyte."""
    limit = time.time() - _KEEP_DAYS * 86400
    for folder in parent.iterdir():
        if folder.stat().st_mtime < limit:
            shutil.rmtree(folder, ignore_errors=True)
