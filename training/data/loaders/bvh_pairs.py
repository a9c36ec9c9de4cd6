# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of BVH files (gzipped too) of any humanoid skeleton, with a captions table.

The source is a folder with BVH files and a table (`training.data.caption_table`), or the table itself. Two
files of a pair share unit, up axis and floor; a file's first frames in the rest pose are left out.
"""

from __future__ import annotations

from pathlib import Path

from intermoe_engine.formats.bvh_reader import read_bvh

from ..animated_skeleton import AnimatedSkeleton, skeleton_from_bvh
from ..caption_table import find_tables, read_table
from ..checks import DataError
from ..files import read_text
from ..pair_building import is_table
from . import LoaderOptions
from .person_files import PersonFiles, stem


def _read(file: Path, options: LoaderOptions) -> AnimatedSkeleton:
    """The person in a BVH file. Raises BvhError, OSError."""
    return skeleton_from_bvh(stem(file), read_bvh(file, read_text(file)))


_FORMAT = PersonFiles("bvh", (".bvh", ".bvh.gz"), _read)
SOURCE, SUFFIXES = _FORMAT.source, _FORMAT.suffixes
names, clips, singles, read_skeleton = _FORMAT.names, _FORMAT.clips, _FORMAT.singles, _FORMAT.read_skeleton


def find(path: Path) -> bool:
    """Whether `path` is a folder of BVH files, or a table that names them."""
    if is_table(path):
        return _names_bvh(path)
    return path.is_dir() and (
        bool(_FORMAT.files(path)) or any(_names_bvh(table) for table in find_tables(path))
    )


def _names_bvh(table: Path) -> bool:
    try:
        return any(row.file_a.lower().endswith(SUFFIXES) for row in read_table(table))
    except DataError:
        return False
