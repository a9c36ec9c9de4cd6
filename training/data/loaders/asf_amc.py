# SPDX-License-Identifier: GPL-3.0-or-later
"""Acclaim skeletons and motions (ASF and AMC, gzipped too), with a captions table that names two trials.

The source is a folder with AMC files, their ASF files and a table (`training.data.caption_table`), or the
table itself. A trial's skeleton is the ASF of its subject (`02.asf` for `02_05.amc`) or the only one there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from intermoe_engine.errors import EngineError

from ..animated_skeleton import AnimatedSkeleton, skeleton_from_acclaim
from ..caption_table import read_table
from ..checks import DataError, Rejected
from ..files import resolve
from ..formats.asf_amc import AMC_FPS, read_amc, read_asf
from ..pair_building import build_single, is_table, pairs_of, table_rows
from ..pair_clip import PairClip
from ..single_clip import SingleClip
from . import LoaderOptions

SOURCE = "asf_amc"
SUFFIXES = (".amc", ".amc.gz")
_SKELETONS = (".asf", ".asf.gz")


def find(path: Path) -> bool:
    """Whether `path` is a folder of AMC files, or a table beside which the first trial's file lies."""
    if not is_table(path):
        return path.is_dir() and bool(_files(path))
    try:
        resolve(path, read_table(path)[0].file_a, SUFFIXES)
    except DataError:
        return False
    return bool(_files(path.parent))


def names(path: Path, options: LoaderOptions | None = None) -> list[str]:
    """The names of the table's pairs. Raises DataError where there is no table."""
    return [row.name for row in table_rows(path, options)]


def clips(path: Path, options: LoaderOptions) -> Iterator[PairClip | Rejected]:
    """The table's pairs as clips, or why they cannot be. Raises DataError where there is no table."""
    rows = table_rows(path, options)
    yield from pairs_of(rows, lambda cell: read_skeleton(path, cell, options), options, SOURCE)


def singles(path: Path, options: LoaderOptions) -> Iterator[SingleClip | Rejected]:
    """Every trial of a folder as one person's clip."""
    for file in _files(path):
        name = file.name.split(".")[0]
        if options.wants(name):
            try:
                yield build_single(read_skeleton(path, file.name, options), options, SOURCE)
            except (OSError, ValueError, EngineError) as error:
                yield Rejected(name, " ".join(str(error).split()), SOURCE)


def read_skeleton(path: Path, cell: str, options: LoaderOptions) -> AnimatedSkeleton:
    """The person in the trial that a table's cell names. Raises AcclaimError, OSError, DataError."""
    file = resolve(path, cell, SUFFIXES, options.captions)
    skeleton = read_asf(_skeleton_of(file))
    return skeleton_from_acclaim(
        file.name.split(".")[0], skeleton, read_amc(file, skeleton, options.source_fps or AMC_FPS)
    )


def _skeleton_of(motion: Path) -> Path:
    subject = motion.name.split(".")[0].split("_")[0]
    for suffix in _SKELETONS:
        if (motion.parent / f"{subject}{suffix}").is_file():
            return motion.parent / f"{subject}{suffix}"
    found = [f for f in sorted(motion.parent.iterdir()) if f.name.lower().endswith(_SKELETONS)]
    if len(found) == 1:
        return found[0]
    raise DataError(f"{motion.name} needs its skeleton: put {subject}.asf beside it")


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.name.lower().endswith(SUFFIXES))
