# SPDX-License-Identifier: GPL-3.0-or-later
"""The two containers of a bundle, a folder and a zip, behind one small interface."""

from __future__ import annotations

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from .card import CARD_NAME, FileRecord, check_relative_name
from .errors import BundleError

_CHUNK = 1 << 20
_CARD_LIMIT = 16 << 20
# Weights hardly pack at all, text some ten times; only what was made to swell packs more tightly.
_PACKING_LIMIT = 200
_PACKING_SLACK = 1 << 20
# What zipfile and zlib raise on damaged data.
_DAMAGE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


class Store(Protocol):
    """Named files of a bundle. Names are relative paths with forward slashes."""

    path: Path

    def size(self, name: str) -> int | None:
        """Bytes of a file, None where there is no such file."""
        ...

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """The file as a binary stream for a with statement."""
        ...


class FolderStore:
    """A bundle that lies unpacked in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, name: str) -> Path:
        """The path of a file; BundleError when a symbolic link leads out of the folder."""
        check_relative_name(name)
        path = self.path / name
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise BundleError(f"{name} leads to a path outside the bundle's folder and is not safe to open")
        return path

    def size(self, name: str) -> int | None:
        path = self.file(name)
        return path.stat().st_size if path.is_file() else None

    def open(self, name: str) -> BinaryIO:
        return self.file(name).open("rb")


class ZipStore:
    """A bundle in one zip, read in place: nothing is unpacked to the disk.

    The file is open only while something is read, as Windows lets nobody replace or delete an open file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except _DAMAGE as error:
            raise BundleError(
                f"{path.name} is not a complete zip file (truncated download?); download it again"
            ) from error
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in members:
            # orig_filename is the name as stored: zipfile already rewrites backslashes on Windows.
            check_relative_name(member.orig_filename.removesuffix("/"))
            if stat.S_ISLNK(member.external_attr >> 16):
                raise BundleError(f"{member.filename} in the bundle is a link, which is not safe to open")
            if member.filename in self._members:
                raise BundleError(f"the bundle holds {member.filename} twice; download it again")
            if member.file_size > _PACKING_LIMIT * member.compress_size + _PACKING_SLACK:
                raise BundleError(f"{member.filename} in the bundle swells too much and is not safe to open")
            self._members[member.filename] = member

    def size(self, name: str) -> int | None:
        member = self._members.get(name)
        return None if member is None or member.is_dir() else member.file_size

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with zipfile.ZipFile(self.path) as archive, archive.open(self._members[name]) as stream:
            yield cast(BinaryIO, stream)


def open_store(path: Path) -> Store:
    """The store at `path`, a folder or a zip. Raises BundleError."""
    if path.is_dir():
        return FolderStore(path)
    if path.is_file():
        return ZipStore(path)
    raise BundleError(f"there is no bundle at {path}; give a bundle folder or .zip with --bundle")


def read_card(store: Store) -> bytes:
    """The bytes of `bundle.json`. Raises BundleError when it is missing or absurdly large."""
    size = store.size(CARD_NAME)
    if size is None:
        raise BundleError(f"{store.path} holds no {CARD_NAME}, so it is not a bundle; choose another path")
    if size > _CARD_LIMIT:
        raise BundleError(f"{CARD_NAME} is larger than {_CARD_LIMIT >> 20} MB; download the bundle again")
    return _read(store, CARD_NAME, size, None)


def read_file(store: Store, name: str, record: FileRecord) -> bytes:
    """The bytes of a file, checked against `record`. Raises BundleError."""
    _check_size(store, name, record)
    digest = hashlib.sha256()
    data = _read(store, name, record.bytes, digest)
    _check_digest(name, record, digest)
    return data


def check_file(store: Store, name: str, record: FileRecord) -> None:
    """Check a file's size and SHA-256 without holding it in memory. Raises BundleError."""
    _check_size(store, name, record)
    digest = hashlib.sha256()
    for chunk in _chunks(store, name):
        digest.update(chunk)
    _check_digest(name, record, digest)


def copy_file(store: Store, name: str, record: FileRecord, target: Path) -> None:
    """Copy a file to `target`, checking it. Raises BundleError, and OSError if it cannot be written."""
    _check_size(store, name, record)
    digest = hashlib.sha256()
    with target.open("wb") as file:
        for chunk in _chunks(store, name):
            digest.update(chunk)
            file.write(chunk)
    _check_digest(name, record, digest)


def _chunks(store: Store, name: str) -> Iterator[bytes]:
    try:
        with store.open(name) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except _DAMAGE as error:
        raise BundleError(f"{name} in the bundle is damaged; download the bundle again") from error


def _check_size(store: Store, name: str, record: FileRecord) -> None:
    # Before any byte is read: a small zip that claims to unpack to gigabytes stops here.
    size = store.size(name)
    if size is None:
        raise BundleError(f"the bundle lacks {name}; download it again")
    if size != record.bytes:
        raise BundleError(
            f"{name} has {size} bytes where the bundle promises {record.bytes}; download it again"
        )


def _check_digest(name: str, record: FileRecord, digest: hashlib._Hash) -> None:
    if digest.hexdigest() != record.sha256:
        raise BundleError(
            f"{name} was altered (its SHA-256 is not that of {CARD_NAME}); download the bundle again"
        )


def _read(store: Store, name: str, size: int, digest: hashlib._Hash | None) -> bytes:
    try:
        with store.open(name) as stream:
            data = stream.read(size + 1)
    except _DAMAGE as error:
        raise BundleError(f"{name} in the bundle is damaged; download the bundle again") from error
    if len(data) != size:
        raise BundleError(f"{name} in the bundle is damaged; download the bundle again")
    if digest is not None:
        digest.update(data)
    return data
