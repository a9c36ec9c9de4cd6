# SPDX-License-Identifier: GPL-3.0-or-later
"""What formats have in common whose files hold one person each: a captions table makes the pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from intermoe_engine.errors import EngineError

from ..animated_skeleton import AnimatedSkeleton
from ..checks import Rejected
from ..files import resolve
from ..pair_building import build_single, pairs_of, table_rows
from ..pair_clip import PairClip
from ..single_clip import SingleClip
from . import LoaderOptions


@dataclass(frozen=True)
class PersonFiles:
    """One such format: its SOURCE, the endings of its files, and how one file is read.

    `read` raises OSError, ValueError or EngineError for a file that cannot be used.
    """

    source: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, LoaderOptions], AnimatedSkeleton]

    def files(self, folder: Path) -> list[Path]:
        """The format's files in a folder, by name."""
        return sorted(file for file in folder.iterdir() if file.name.lower().endswith(self.suffixes))

    def names(self, path: Path, options: LoaderOptions | None = None) -> list[str]:
        """The names of the table's pairs. Raises DataError where there is no table."""
        return [row.name for row in table_rows(path, options)]

    def clips(self, path: Path, options: LoaderOptions) -> Iterator[PairClip | Rejected]:
        """The table's pairs as clips, or why they cannot be. Raises DataError where there is no table."""
        rows = table_rows(path, options)
        yield from pairs_of(rows, lambda cell: self.read_skeleton(path, cell, options), options, self.source)

    def singles(self, path: Path, options: LoaderOptions) -> Iterator[SingleClip | Rejected]:
        """Every file of a folder as one person's clip."""
        for file in self.files(path):
            name = stem(file)
            if options.wants(name):
                try:
                    yield build_single(self.read(file, options), options, self.source)
                except (OSError, ValueError, EngineError) as error:
                    yield Rejected(name, " ".join(str(error).split()), self.source)

    def read_skeleton(self, path: Path, cell: str, options: LoaderOptions) -> AnimatedSkeleton:
        """The person in the file that a table's cell names. Raises DataError too where there is no such."""
        return self.read(resolve(path, cell, self.suffixes, options.captions), options)


def stem(file: Path) -> str:
    """A file's name without any ending: `02_05` of 02_05.amc.gz."""
    return file.name.split(".")[0]
