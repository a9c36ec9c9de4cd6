# SPDX-License-Identifier: GPL-3.0-or-later
"""Acclaim skeletons and motions (ASF and AMC, gzipped too), with a captions table that names two trials.

The source is a folder with AMC files, their ASF files and a table (`training.data.caption_table`), or the
table itself. A trial's skeleton is the ASF of its subject (`02.asf` for `02_05.amc`) or the only one there.
"""

from __future__ import annotations

from pathlib import Path

from ..animated_skeleton import AnimatedSkeleton, skeleton_from_acclaim
from ..caption_table import read_table
from ..checks import DataError
from ..files import resolve
from ..formats.asf_amc import AMC_FPS, read_amc, read_asf
from ..pair_building import is_table
from . import LoaderOptions
from .person_files import PersonFiles, stem

_SKELETONS = (".asf", ".asf.gz")


def _read(file: Path, options: LoaderOptions) -> AnimatedSkeleton:
    """The person in an AMC file. Raises AcclaimError, OSError, DataError."""
    skeleton = read_asf(_skeleton_of(file))
    return skeleton_from_acclaim(
        stem(file), skeleton, read_amc(file, skeleton, options.source_fps or AMC_FPS)
    )


def _skeleton_of(motion: Path) -> Path:
    subject = stem(motion).split("_")[0]
    for suffix in _SKELETONS:
        if (motion.parent / f"{subject}{suffix}").is_file():
            return motion.parent / f"{subject}{suffix}"
    found = [f for f in sorted(motion.parent.iterdir()) if f.name.lower().endswith(_SKELETONS)]
    if len(found) == 1:
        return found[0]
    raise DataError(f"{motion.name} needs its skeleton: put {subject}.asf beside it")


_FORMAT = PersonFiles("asf_amc", (".amc", ".amc.gz"), _read)
SOURCE, SUFFIXES = _FORMAT.source, _FORMAT.suffixes
names, clips, singles, read_skeleton = _FORMAT.names, _FORMAT.clips, _FORMAT.singles, _FORMAT.read_skeleton


def find(path: Path) -> bool:
    """Whether `path` is a folder of AMC files, or a table beside which the first trial's file lies."""
    if not is_table(path):
        return path.is_dir() and bool(_FORMAT.files(path))
    try:
        resolve(path, read_table(path)[0].file_a, SUFFIXES)
    except DataError:
        return False
    return bool(_FORMAT.files(path.parent))
