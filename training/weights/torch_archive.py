# SPDX-License-Identifier: GPL-3.0-or-later
"""Tensors of a torch file without running anything that the file names.

A torch checkpoint and a TorchScript archive are zip files with one pickle and one entry for each storage. A
pickle can call any importable function; this reader resolves the handful of names that rebuild a tensor to
functions of its own, and every other name to a class that merely swallows its arguments, so objects of
unknown packages are skipped and nothing of the file's code runs. Storages are mapped, not read.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip entry: the lengths of its name and its extra field
_DEPTH = 64


class ArchiveError(ValueError):
    """The file cannot be read as a torch archive; the message is one line."""


class TorchArchive:
    """The content of a torch checkpoint or TorchScript archive.

    root: what was saved. Mappings and lists are as they were, tensors are mapped from the file, and anything
    else is a `Skipped`.
    """

    def __init__(self, path: Path) -> None:
        """Raises ArchiveError, OSError."""
        try:
            with zipfile.ZipFile(path) as archive:
                entries = {entry.filename: entry for entry in archive.infolist()}
                pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
                if len(pickles) != 1:
                    raise ArchiveError(f"{path.name} is not a torch file: it has no data.pkl")
                prefix = pickles[0].removesuffix("data.pkl")
                order = entries.get(f"{prefix}byteorder")
                if order is not None and archive.read(order) != b"little":
                    raise ArchiveError(f"{path.name} was saved on a big-endian machine; save it on another")
                self._storages = _Storages(path, prefix, entries)
                with archive.open(pickles[0]) as stream:
                    self.root = _Unpickler(stream, self._storages).load()
        except ArchiveError:
            raise
        except OSError:
            raise
        except Exception as error:  # a damaged pickle can raise anything
            raise ArchiveError(f"{path.name} is damaged ({error}); download it again") from error

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor below `root` under its dotted path; below `state_dict` alone where there is one."""
        root = self.root
        if isinstance(root, Mapping) and isinstance(root.get("state_dict"), Mapping):
            root = root["state_dict"]
        return dict(_walk(root, "", 0))


class Skipped:
    """An object of a class that this reader does not know. `state` holds its attributes if it had any."""

    state: Any = None

    def __init__(self, *arguments: Any, **keywords: Any) -> None: ...

    def __call__(self, *arguments: Any, **keywords: Any) -> Skipped:
        return Skipped()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None: ...

    def extend(self, values: Any) -> None: ...

    def add(self, value: Any) -> None: ...


class _Mapping(dict):
    """Stands for OrderedDict: unlike dict, it takes the attributes that torch hangs onto a state dict."""


class _Storages:
    """Hands out the storages of one file, all of them parts of a single private mapping."""

    def __init__(self, path: Path, prefix: str, entries: Mapping[str, zipfile.ZipInfo]) -> None:
        self._path, self._prefix, self._entries = path, prefix, entries
        self._bytes = torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8)

    def get(self, key: str, dtype: torch.dtype, count: int) -> Tensor:
        """The storage `key` as a flat tensor of `count` numbers."""
        entry = self._entries[f"{self._prefix}data/{key}"]
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != count * dtype.itemsize:
            raise ValueError(f"storage {key} is not stored as torch does")
        header = bytes(self._bytes[entry.header_offset : entry.header_offset + _LOCAL_HEADER.size].tolist())
        start = entry.header_offset + _LOCAL_HEADER.size + sum(_LOCAL_HEADER.unpack(header))
        part = self._bytes[start : start + entry.file_size]
        if len(part) != entry.file_size:
            raise ValueError(f"storage {key} ends early")
        return (part if start % dtype.itemsize == 0 else part.clone()).view(dtype)


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: Any, storages: _Storages) -> None:
        super().__init__(stream, encoding="utf-8")
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch._utils" and name.startswith("_rebuild_tensor"):
            return _rebuild_tensor
        if module == "torch._utils" and name.startswith("_rebuild_parameter"):
            return _rebuild_parameter
        if (module, name) == ("torch._tensor", "_rebuild_from_type_v2"):
            return _rebuild_from_type
        if (module, name) == ("collections", "OrderedDict"):
            return _Mapping
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        return type(name, (Skipped,), {})

    def persistent_load(self, pid: Any) -> Any:
        kind, dtype, key, _device, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            return Skipped()
        return self._storages.get(str(key), dtype, int(count))


def _rebuild_tensor(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> Any:
    if not isinstance(storage, Tensor):
        return Skipped()
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if offset < 0 or any(n < 0 for n in (*size, *stride)) or (all(size) and last >= len(storage)):
        raise ValueError("a tensor reaches beyond its storage")
    # as_strided counts from the beginning of the file's mapping, of which `storage` is a part.
    return torch.as_strided(storage, tuple(size), tuple(stride), storage.storage_offset() + offset)


def _rebuild_parameter(data: Any, *_: Any) -> Any:
    return data


def _rebuild_from_type(rebuild: Any, _kind: Any, arguments: Any, _state: Any) -> Any:
    # `rebuild` came from find_class as well: one of the functions above, or a class that swallows all.
    return rebuild(*arguments)


def _walk(value: Any, path: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    """Tensors below mappings and below the attributes of TorchScript modules."""
    if isinstance(value, Skipped):
        value = value.state
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, Mapping) and depth < _DEPTH:
        for key, below in value.items():
            yield from _walk(below, f"{path}.{key}" if path else str(key), depth + 1)
