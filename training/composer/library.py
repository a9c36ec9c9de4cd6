# SPDX-License-Identifier: GPL-3.0-or-later
"""The single clips that scores play, by name: read once from their files, kept as .npz beside the output.

The table of clips (`clips.toml`, or the user's own) has a line for each name:

    walk = { file = "human-base-animations.glb", clip = "Walk_Loop", loop = true, travel = "feet" }

file: looked for under the folders of --clips. clip: the action in a file of several. start, end: seconds of
it to use. travel: "root" where the person moves over the ground, "feet" where they walk on the spot, absent
where they stay. loop: goes on from its start. reverse: played backwards. stands: feet that stand all the time
(both, left, right), where the clip itself does not hold them still. held_out: only in the held-out split,
where there is a choice. A line `walking = { any = ["walk", "walk_formal"] }` names a group, of which a score
that asks for it gets one.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from intermoe_engine.atomic import replacing
from intermoe_engine.errors import EngineError

from ..data.checks import DataError, Rejected
from ..data.loaders import LoaderOptions, asf_amc, bvh_pairs, scene
from ..data.single_clip import SingleClip
from .fields import read_table
from .segment import Segment, segment_of

CLIPS = Path(__file__).with_name("clips.toml")
_LOADERS = {scene.SUFFIXES: scene, bvh_pairs.SUFFIXES: bvh_pairs, asf_amc.SUFFIXES: asf_amc}
_ARRAYS = ("root_translation", "joint_rotations", "rest_offsets")


@dataclass(frozen=True, kw_only=True)
class ClipEntry:
    """A line of the table of clips."""

    file: str = ""
    any: tuple[str, ...] = ()
    clip: str = ""
    start: float = 0.0
    end: float | None = None
    travel: str = ""
    loop: bool = False
    reverse: bool = False
    stands: str = ""
    held_out: bool = False


def read_table_of_clips(path: Path = CLIPS) -> dict[str, ClipEntry]:
    """The lines of a table. Raises DataError naming the file and the line, OSError."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = {name: read_table(ClipEntry, row, name) for name, row in data.items()}
        for name, entry in entries.items():
            if bool(entry.file) == bool(entry.any):
                raise ValueError(f"{name}: give file = ..., or any = [...] for a group of other names")
            if any(other not in entries or entries[other].any for other in entry.any):
                raise ValueError(f"{name} any: its members must be names of clips in the table, not groups")
            if entry.travel not in ("", "root", "feet"):
                raise ValueError(f"{name} travel is {entry.travel!r}; use root or feet, or leave it out")
            if entry.stands not in ("", "both", "left", "right"):
                raise ValueError(f"{name} stands is {entry.stands!r}; use both, left or right")
    except (tomllib.TOMLDecodeError, ValueError) as error:
        raise DataError(f"{path}: {error}") from None
    return entries


@dataclass(frozen=True)
class Library:
    """Segments by name, and the groups that score may ask for instead."""

    segments: Mapping[str, Segment]
    groups: Mapping[str, tuple[str, ...]]

    def members(self, name: str) -> tuple[str, ...]:
        """The clips that a name stands for. Raises DataError where there is none."""
        if name not in self.groups and name not in self.segments:
            raise DataError(f"no clip is called {name}; add a line to the table of clips")
        return self.groups.get(name, (name,))


def load_library(
    names: Iterable[str],
    folders: Iterable[Path],
    kept: Path,
    table: Mapping[str, ClipEntry] | None = None,
    workers: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> Library:
    """The named segments and groups. Files are read once and then kept under `kept`.

    Raises DataError where a name is not in the table, a file is not to be found, or it lacks the clip.
    """
    table = read_table_of_clips() if table is None else table
    names = sorted(set(names))
    missing = [name for name in names if name not in table]
    if missing:
        raise DataError(f"no clip is called {', '.join(missing)}; add a line to the table of clips")
    groups = {name: table[name].any for name in names if table[name].any}
    names = sorted({member for name in names for member in groups.get(name, (name,))})
    files = _found({table[name].file for name in names}, list(folders))
    clips = _read(files, kept, workers, progress or (lambda *_: None))
    return Library({n: _segment(n, table[n], clips[table[n].file]) for n in names}, groups)


def _segment(name: str, entry: ClipEntry, clips: Mapping[str, SingleClip]) -> Segment:
    if entry.clip:
        found = [
            clip for key, clip in clips.items() if entry.clip in (key, key.split("/")[-1].split("|")[-1])
        ]
    else:
        found = list(clips.values())
    if len(found) != 1:
        there = ", ".join(sorted(clips))
        raise DataError(f"{entry.file} has {len(found)} clips {entry.clip!r} for {name}; there are {there}")
    clip = found[0]
    start, end = entry.start, entry.end
    if entry.reverse:
        seconds = (clip.frames - 1) / clip.fps
        start, end = 0.0 if end is None else max(seconds - end, 0.0), seconds - start
        tracks = clip.root_translation[::-1], clip.joint_rotations[::-1]
        clip = replace(clip, root_translation=tracks[0], joint_rotations=tracks[1])
    try:
        return segment_of(
            clip, name, start=start, end=end, travel=entry.travel, loop=entry.loop,
            stands=entry.stands, held_out=entry.held_out,
        )  # fmt: skip
    except ValueError as error:
        raise DataError(f"{name}: {error}") from None


def _found(wanted: set[str], folders: list[Path]) -> dict[str, Path]:
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder of clips; check --clips")
    there: dict[str, Path] = {}
    for path in (path for folder in folders for path in sorted(folder.rglob("*")) if path.name in wanted):
        there.setdefault(path.name, path)
    if wanted - set(there):
        where = ", ".join(str(folder) for folder in folders)
        raise DataError(f"{', '.join(sorted(wanted - set(there)))}: not found under {where}; check --clips")
    return there


def _read(
    files: Mapping[str, Path], kept: Path, workers: int, progress: Callable[[str, int, int], None]
) -> dict[str, dict[str, SingleClip]]:
    stores = {name: kept / f"{name}.{_fingerprint(path)}.npz" for name, path in files.items()}
    todo = [name for name in files if not stores[name].is_file()]
    progress("reading", len(files) - len(todo), len(files))
    if todo:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            running = [pool.submit(_keep, files[name], stores[name]) for name in todo]
            for done, future in enumerate(as_completed(running), start=1):
                future.result()
                progress("reading", len(files) - len(todo) + done, len(files))
    return {name: _kept(store) for name, store in stores.items()}


def _keep(file: Path, store: Path) -> None:
    """Read one file's clips and keep them."""
    loaders = [module for suffixes, module in _LOADERS.items() if file.name.lower().endswith(suffixes)]
    if not loaders:
        raise DataError(f"{file}: clips are read from .glb, .gltf, .fbx, .bvh and .amc files")
    names = None if loaders[0] is scene else frozenset({file.name.split(".")[0]})
    source = file if loaders[0] is scene else file.parent
    arrays: dict[str, np.ndarray] = {}
    reasons = []
    for clip in loaders[0].singles(source, LoaderOptions(names=names)):
        if isinstance(clip, Rejected):
            reasons.append(clip.reason)
            continue
        name = clip.name.partition("#")[2] or clip.name
        arrays |= {f"{name}\t{key}": getattr(clip, key).astype(np.float32) for key in _ARRAYS}
        arrays[f"{name}\tfps"] = np.array(clip.fps)
    if not arrays:
        raise DataError(f"{file}: no clip in it can be used ({'; '.join(reasons) or 'it has none'})")
    with replacing(store) as temporary, temporary.open("wb") as out:
        np.savez_compressed(out, **arrays)


def _kept(store: Path) -> dict[str, SingleClip]:
    try:
        with np.load(store, allow_pickle=False) as data:
            names = dict.fromkeys(key.split("\t")[0] for key in data.files)
            return {
                name: SingleClip(
                    name,
                    float(data[f"{name}\tfps"]),
                    *(data[f"{name}\t{key}"].astype(float) for key in _ARRAYS),
                )
                for name in names
            }
    except (OSError, ValueError, KeyError) as error:
        raise EngineError(f"{store} cannot be read; delete it, and it is made again ({error})") from None


def _fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
