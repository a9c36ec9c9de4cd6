# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer to a folder at a time; the lock ends with the process, however that ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from .checks import DataError

LOCK = ".lock"


class FolderLock:
    """Holds a folder for this process until release(). Raises DataError where another process holds it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO | None = (folder / LOCK).open("ab")
        try:
            _lock(self._file)
        except OSError as error:
            self._file.close()
            raise DataError(f"{folder}: another process is writing there; wait until it has ended") from error

    def release(self) -> None:
        """Let others write; a second call does nothing."""
        if self._file is not None:
            self._file.close()  # closing the file ends the lock
            self._file = None


def _lock(file: BinaryIO) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
