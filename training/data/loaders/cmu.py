# SPDX-License-Identifier: GPL-3.0-or-later
"""CMU's two-person trials by their file names: subjects 18/19, 20/21, 22/23, 33/34 and 60/61.

The source is a folder (searched to any depth) with files such as `18_03.bvh` and `19_03.bvh`, or `.amc` with
their `.asf`, gzipped or not. Captions come from a table of three columns (trial A, trial B, caption) beside
them or named in the options; without one the clips have none. The salsa of 60 and 61 has roles, and in the
Poser form of its files is read by `training.data.cmu`, which repairs tracking faults.

"The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding
from NSF EIA-0196217."
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from intermoe_engine.errors import EngineError
from intermoe_engine.formats.bvh_reader import BvhError

from ..caption_table import PairRow, find_tables, has_heading, read_table
from ..checks import Rejected
from ..cmu import load_cmu_pair
from ..files import read_text
from ..pair_building import build_pair
from ..pair_clip import PairClip
from . import LoaderOptions, asf_amc, bvh_pairs

SOURCE = "cmu"
SUBJECTS = {18: 19, 20: 21, 22: 23, 33: 34, 60: 61}
"""Person A's subject and person B's."""
ROLES = {60: ("lead", "follow")}
_TRIAL = re.compile(r"^0*(\d{2})_0*(\d{1,2})\.(bvh|amc)(\.gz)?$", re.IGNORECASE)
_POSER_BONE = "lThigh"


@dataclass(frozen=True)
class Trial:
    """Two files of one capture."""

    subject: int
    number: int
    file_a: Path
    file_b: Path

    @property
    def name(self) -> str:
        """As the captures are called elsewhere: cmu_60_61_05."""
        return f"cmu_{self.subject}_{SUBJECTS[self.subject]}_{self.number:02d}"


def find(path: Path) -> bool:
    """Whether a folder holds a two-person trial, and no table of its own that pairs files otherwise."""
    if not path.is_dir() or any(has_heading(table) for table in find_tables(path)):
        return False
    return bool(trials(path))


def names(path: Path, options: LoaderOptions | None = None) -> list[str]:
    """The trials of which both files are there."""
    return [trial.name for trial in trials(path)]


def clips(path: Path, options: LoaderOptions) -> Iterator[PairClip | Rejected]:
    """The trials as clips, or why they cannot be."""
    captions = _captions(path, options)
    for trial in trials(path):
        if options.wants(trial.name):
            try:
                yield _clip(trial, captions.get((trial.subject, trial.number), ()), options)
            except (OSError, ValueError, EngineError) as error:
                yield Rejected(trial.name, " ".join(str(error).split()), SOURCE)


def trials(path: Path) -> list[Trial]:
    """The trials in a folder and below, by subject and number; where one is there twice, the first file's."""
    files: dict[tuple[int, int, str], Path] = {}
    for file in sorted(path.rglob("*")):
        match = _TRIAL.match(file.name)
        if match:
            files.setdefault((int(match[1]), int(match[2]), match[3].lower()), file)
    found: dict[tuple[int, int], Trial] = {}
    for (subject, number, kind), file in sorted(files.items(), key=lambda item: item[0]):
        other = files.get((SUBJECTS.get(subject, -1), number, kind))
        if other is not None:
            found.setdefault((subject, number), Trial(subject, number, file, other))
    return list(found.values())


def _clip(trial: Trial, captions: tuple[str, ...], options: LoaderOptions) -> PairClip | Rejected:
    roles = ROLES.get(trial.subject, ("", ""))
    if trial.subject == 60 and _is_poser(trial.file_a) and _is_poser(trial.file_b):
        clip = load_cmu_pair(trial.file_a.parent, f"{trial.number:02d}", options.fps)
        return replace(clip, name=trial.name, captions=captions, source=SOURCE)
    row = PairRow(trial.name, trial.file_a.name, trial.file_b.name, captions, roles)
    module = asf_amc if trial.file_a.name.lower().endswith(asf_amc.SUFFIXES) else bvh_pairs
    alone = replace(options, captions=None)
    people = [module.read_skeleton(f.parent, f.name, alone) for f in (trial.file_a, trial.file_b)]
    return build_pair(row, (people[0], people[1]), options, SOURCE)


def _is_poser(file: Path) -> bool:
    if file.suffix.lower() != ".bvh":
        return False
    try:
        return f"JOINT {_POSER_BONE}" in read_text(file)[:20000]
    except OSError as error:
        raise BvhError(f"{file}: {error}") from None


def _captions(path: Path, options: LoaderOptions) -> dict[tuple[int, int], tuple[str, ...]]:
    """Captions by subject and trial of person A."""
    tables = [options.captions] if options.captions else find_tables(path)
    found: dict[tuple[int, int], tuple[str, ...]] = {}
    for row in (row for table in tables for row in read_table(table)):
        match = re.match(r"^0*(\d{2})_0*(\d{1,2})\b", Path(row.file_a).name)
        if match:
            key = int(match[1]), int(match[2])
            found[key] = found.get(key, ()) + row.captions
    return found
