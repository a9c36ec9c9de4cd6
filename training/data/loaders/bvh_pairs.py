# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of BVH files (gzipped too) of any humanoid skeleton, with a captions table.

The source is a folder with BVH files and a table (`training.data.caption_table`), or the table itself. Two
files of a pair share unit, up axis and floor; a file's first frames in the rest pose are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from intermoe_engine.errors import EngineError
from intermoe_engine.formats.bvh_reader import read_bvh

from ..animated_skeleton import AnimatedSkeleton, skeleton_from_bvh
from ..caption_table import find_tables, read_table
from ..checks import DataError, Rejected
from ..files import read_text, resolve
from ..pair_building import build_single, is_table, pairs_of, table_rows
from ..pair_clip import PairClip
from ..single_clip import SingleClip
from . import LoaderOptions

SOURCE = "bvh"
SUFFIXES = (".bvh", ".bvh.gz")


def find(path: Path) -> bool:
    """Whether `path` is a folder of BVH files, or a table that names them."""
    if is_table(path):
        return _names_bvh(path)
    return path.is_dir() and (bool(_files(path)) or any(_names_bvh(table) for table in find_tables(path)))


def names(path: Path, options: LoaderOptions | None = None) -> list[str]:
    """The names of the table's pairs. Raises DataError where there is no table."""
    return [row.name for row in table_rows(path, options)]


def clips(path: Path, options: LoaderOptions) -> Iterator[PairClip | Rejected]:
    """The table's pairs as clips, or why they cannot be. Raises DataError where there is no table."""
    rows = table_rows(path, options)
    yield from pairs_of(rows, lambda cell: read_skeleton(path, cell, options), options, SOURCE)


def singles(path: Path, options: LoaderOptions) -> Iterator[SingleClip | Rejected]:
    """Every BVH file of a folder as one person's clip."""
    for file in _files(path):
        name = file.name.split(".")[0]
        if options.wants(name):
            try:
                yield build_single(read_skeleton(path, file.name, options), options, SOURCE)
            except (OSError, ValueError, EngineError) as error:
                yield Rejected(name, " ".join(str(error).split()), SOURCE)


def read_skeleton(path: Path, cell: str, options: LoaderOptions) -> AnimatedSkeleton:
    """The person in the file that a table's cell names. Raises BvhError, OSError, DataError."""
    file = resolve(path, cell, SUFFIXES, options.captions)
    return skeleton_from_bvh(file.name.split(".")[0], read_bvh(file, read_text(file)))


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.name.lower().endswith(SUFFIXES))


def _names_bvh(table: Path) -> bool:
    try:
        return any(row.file_a.lower().endswith(SUFFIXES) for row in read_table(table))
    except DataError:
        return False
