# SPDX-License-Identifier: GPL-3.0-or-later
""".npz files: written whole or not at all, read wherever they come from, without pickle and not too large."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .atomic import replacing


class ArraysError(ValueError):
    """A file that holds no usable arrays; the message says why."""


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], compressed: bool = False) -> None:
    """Write arrays by name; an existing file is replaced once the new one is complete. Raises OSError."""
    packed = io.BytesIO()  # on a full disk numpy would leave its archive open, and complain at the end
    (np.savez_compressed if compressed else np.savez)(packed, **arrays)  # type: ignore[arg-type]
    with replacing(path) as temporary:
        temporary.write_bytes(packed.getbuffer())


def read_arrays(file: str | os.PathLike[str] | BinaryIO, limit: int = 1 << 30) -> dict[str, np.ndarray]:
    """Every array of an .npz by name.

    limit: bytes that the arrays may take unpacked; it is looked at before anything is unpacked. Raises
    ArraysError, and FileNotFoundError where `file` is a path and nothing is there.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > limit:
            raise ArraysError(f"it unpacks to {size / 1e6:.0f} MB, and {limit / 1e6:.0f} MB are allowed")
        if not isinstance(file, (str, os.PathLike)):
            file.seek(0)
        with np.load(file, allow_pickle=False) as data:
            found = {key: data[key] for key in data.files}
    except (ArraysError, FileNotFoundError):
        raise
    except (
        OSError, ValueError, EOFError, KeyError, MemoryError,
        RuntimeError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise ArraysError(" ".join(str(error).split()) or type(error).__name__) from error
    # Members that are no .npy come as bytes.
    return {key: value for key, value in found.items() if isinstance(value, np.ndarray)}


def scalar(arrays: dict[str, np.ndarray], name: str, kinds: str) -> np.ndarray:
    """The one element of `name`, of a dtype whose kind is among `kinds` ("iu", "fiu", "U").

    Raises ArraysError where it is another kind, or not one.
    """
    value = arrays[name]
    if value.size != 1 or value.dtype.kind not in kinds:
        raise ArraysError(f"{name} must be one {'text' if kinds == 'U' else 'number'}")
    return value.reshape(())
