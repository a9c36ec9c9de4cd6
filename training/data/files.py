# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding and reading the files that a captions table names."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from pathlib import Path

from .checks import DataError


def resolve(source: Path, cell: str, suffixes: Sequence[str], table: Path | None = None) -> Path:
    """The file that a cell of a table means: with or without its suffix, beside the files or the table.

    Raises DataError where there is none.
    """
    folders = [source if source.is_dir() else source.parent] + ([table.parent] if table else [])
    for folder in folders:
        for suffix in ("", *suffixes):
            file = folder / f"{cell}{suffix}"
            if file.is_file():
                return file
    raise DataError(f"there is no file {cell} in {folders[0]}")


def read_text(path: str | os.PathLike[str]) -> str:
    """A text file, gzipped or not. Raises OSError."""
    data = Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, gzip.BadGzipFile) as error:
            raise OSError(f"{path}: broken gzip file ({error})") from None
    return data.decode("utf-8", errors="replace")
