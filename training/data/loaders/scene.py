# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips of characters in .glb, .gltf and .fbx files, read through Blender.

The source is such a file, a folder of them with a captions table (`training.data.caption_table`), or the
table. Its file_a and file_b name a clip as `FILE#CLIP`, or `FILE#ARMATURE/CLIP` where a file has several
characters; `FILE` alone will do where there is no choice. CLIP is the action's name, with or without what
comes before a "|". Two clips of one character, or of two files, were not made together: B is put one metre
in front of A's start, turned to face it, unless the table says otherwise. Two characters of one file keep
their places.

A file with exactly two animated characters is a pair without a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from intermoe_engine.errors import EngineError

from ..animated_skeleton import AnimatedSkeleton
from ..caption_table import PairRow, find_tables, read_table
from ..checks import DataError, Rejected
from ..files import resolve
from ..pair_building import build_pair, build_single, is_table
from ..pair_clip import PairClip
from ..scene_reading import SceneClip, read_scene
from ..single_clip import SingleClip
from . import LoaderOptions

SOURCE = "scene"
SUFFIXES = (".glb", ".gltf", ".fbx")
FACING = (0.0, 1.0, 180.0)
"""Where B stands (x, z, turn) when two clips were not made together and the table does not say."""


def find(path: Path) -> bool:
    """Whether `path` is a scene file, a folder of such files, or a table that names them."""
    if is_table(path):
        return _names_scenes(path)
    if path.is_file():
        return path.name.lower().endswith(SUFFIXES)
    return path.is_dir() and (bool(_files(path)) or any(_names_scenes(table) for table in find_tables(path)))


def names(path: Path, options: LoaderOptions | None = None) -> list[str]:
    """The names of the table's pairs, or of the files where there is no table."""
    rows = _rows(path, options)
    return [row.name for row in rows] if rows else [file.stem for file in _files(path)]


def clips(path: Path, options: LoaderOptions) -> Iterator[PairClip | Rejected]:
    """The table's pairs as clips, or why they cannot be; without a table, the files with two characters."""
    rows = _rows(path, options)
    if not rows:
        rows = [PairRow(file.stem, file.name, file.name) for file in _files(path)]
    rows = [row for row in rows if options.wants(row.name)]
    scenes = _Scenes(path, options, rows)
    for row in rows:
        try:
            yield _pair(row, scenes, options)
        except (OSError, ValueError, EngineError) as error:
            yield Rejected(row.name, " ".join(str(error).split()), SOURCE)


def singles(path: Path, options: LoaderOptions) -> Iterator[SingleClip | Rejected]:
    """Every clip of every character in a file or a folder of files, named `FILE#CLIP`."""
    scenes = _Scenes(path, options)
    for file in _files(path):
        try:
            found = scenes.read(file)
        except (OSError, EngineError) as error:
            yield Rejected(file.name, " ".join(str(error).split()), SOURCE)
            continue
        several = len({clip.armature for clip in found}) > 1
        for clip in found:
            name = f"{file.name}#{clip.armature}/{clip.action}" if several else f"{file.name}#{clip.action}"
            if options.wants(name):
                try:
                    yield replace(build_single(clip.skeleton, options, SOURCE), name=name)
                except (ValueError, EngineError) as error:
                    yield Rejected(name, " ".join(str(error).split()), SOURCE)


class _Scenes:
    """Files read by Blender, the last few kept: the rows of a table often take clips of the same ones."""

    _KEPT = 3

    def __init__(self, path: Path, options: LoaderOptions, rows: Iterable[PairRow] = ()) -> None:
        self.path, self.options = path, options
        self._read: dict[Path, list[SceneClip]] = {}
        # Only what the table takes from a file is sampled; all of it where a cell does not say.
        self._asked: dict[Path, set[str]] = {}
        for cell in (cell for row in rows for cell in (row.file_a, row.file_b)):
            with suppress(DataError):  # which is raised again when the row's turn comes
                self._asked.setdefault(self._file(cell), set()).add(cell.partition("#")[2])

    def read(self, file: Path) -> list[SceneClip]:
        """The clips of a file that the table asks for, or all where it does not say."""
        if file not in self._read:
            while len(self._read) >= self._KEPT:
                self._read.pop(next(iter(self._read)))
            asked = self._asked.get(file, set())
            clips = () if "" in asked else sorted(asked)
            self._read[file] = read_scene(file, self.options.fps, clips=clips)
        return self._read[file]

    def of_cell(self, cell: str) -> tuple[Path, list[SceneClip], str]:
        """The file of a table's cell, its clips that the cell fits, and what the cell asks for."""
        file, asked = self._file(cell), cell.partition("#")[2]
        return file, [clip for clip in self.read(file) if not asked or clip.is_called(asked)], asked

    def _file(self, cell: str) -> Path:
        return resolve(self.path, cell.partition("#")[0], SUFFIXES, self.options.captions)


def _pair(row: PairRow, scenes: _Scenes, options: LoaderOptions) -> PairClip | Rejected:
    (file_a, found_a, asked_a), (file_b, found_b, asked_b) = (
        scenes.of_cell(cell) for cell in (row.file_a, row.file_b)
    )
    if row.file_a == row.file_b and not asked_a:  # one file, two characters
        if len(found_a) != 2 or found_a[0].armature == found_a[1].armature:
            return Rejected(
                row.name,
                f"{file_a.name} has {_listing(found_a)}, not two characters with a clip each; "
                "a captions table names two clips as FILE#CLIP",
                SOURCE,
            )
        clip_a, clip_b = found_a
    else:
        clip_a, clip_b = _only(file_a, found_a, asked_a), _only(file_b, found_b, asked_b)
    together = file_a == file_b and clip_a.armature != clip_b.armature
    if row.placement is None and not together:
        row = replace(row, placement=FACING)
    people: tuple[AnimatedSkeleton, AnimatedSkeleton] = clip_a.skeleton, clip_b.skeleton
    return build_pair(row, people, options, SOURCE)


def _only(file: Path, found: list[SceneClip], asked: str) -> SceneClip:
    if len(found) != 1:
        which = f"{len(found)} clips called {asked}" if asked else _listing(found)
        raise DataError(f"{file.name} has {which}; name one as {file.name}#ARMATURE/CLIP")
    return found[0]


def _listing(found: list[SceneClip]) -> str:
    characters = len({clip.armature for clip in found})
    return f"{len(found)} clips of {characters} characters"


def _rows(path: Path, options: LoaderOptions | None) -> list[PairRow]:
    if options is not None and options.captions is not None:
        tables = [options.captions]
    else:
        tables = [path] if is_table(path) else find_tables(path)
    return [row for table in tables for row in read_table(table)]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.name.lower().endswith(SUFFIXES) else []
    return sorted(f for f in path.iterdir() if f.name.lower().endswith(SUFFIXES))


def _names_scenes(table: Path) -> bool:
    try:
        return any(row.file_a.partition("#")[0].lower().endswith(SUFFIXES) for row in read_table(table))
    except DataError:
        return False
