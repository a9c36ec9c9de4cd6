# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepared clips on disk: a folder of compact shards and one index, `cache.json`.

A shard is an .npz without pickle that holds some dozens of clips; it is written whole and then renamed, and
only then named in the index, which is replaced whole too. So whatever ends the writing, the folder is a
cache of the clips that the index names, and the next run goes on behind them.

Rotations are stored as 16-bit quaternions (within 0.004°), given positions as half-float differences from
the forward kinematics of exactly those rotations: joints come back within 0.5 mm, mostly within 0.1 mm.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from intermoe_engine.atomic import replacing
from intermoe_engine.npz import write_arrays
from intermoe_engine.rotations import quat_normalize

from .checks import DataError, Rejected
from .folder_lock import FolderLock
from .pair_clip import PairClip

SCHEMA = 1
FPS = 30.0
INDEX = "cache.json"
REJECTED = "rejected.tsv"
SHARDS = "shards"
SHARD_BYTES = 8 << 20
"""A shard is closed once it holds this much."""
SHARD_SECONDS = 60.0
"""… or once its first clip is this old, so that a kill never costs more than a minute's work."""


@dataclass(frozen=True)
class CacheEntry:
    """One clip of a cache, as the index describes it.

    origin: the name of the folder or file that it was read from; shard and sha256: where and what it is.
    """

    name: str
    frames: int
    fps: float
    captions: tuple[str, ...]
    roles: tuple[str, str]
    split: str
    source: str
    origin: str = ""
    shard: str = ""
    sha256: str = ""


class PairCache:
    """A cache to read from.

    entries: every clip, in the order of source and name, however many runs wrote them.
    """

    def __init__(self, path: Path | str) -> None:
        """Open the cache at `path`. Raises DataError where there is none that can be read."""
        self.path = Path(path)
        index = read_index(self.path)
        if index is None:
            raise DataError(f"{self.path}: no prepared data here; make it with `intermoe train prepare`")
        self.entries = index.entries
        self.rejected = index.rejected

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def digest(self) -> str:
        """SHA-256 of the content: the same for the same clips, however they were written."""
        return hashlib.sha256("".join(sorted(e.sha256 for e in self.entries)).encode()).hexdigest()

    def select(self, split: str) -> list[int]:
        """Numbers of the clips of a split ("train", "val", "test", or "" for those of no split)."""
        return [i for i, entry in enumerate(self.entries) if entry.split == split]

    def load(self, i: int) -> PairClip:
        """Clip `i`, at 30 frames a second. Raises DataError where its shard is damaged."""
        entry = self.entries[i]
        shard = self.path / entry.shard
        try:
            with np.load(shard, allow_pickle=False) as data:
                names = {key for key in data.files if key.startswith(f"{entry.sha256}/")}
                arrays = {key.split("/", 1)[1]: data[key] for key in names}
            return _unpacked(entry, arrays)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{shard}: the clip {entry.name} cannot be read ({' '.join(str(error).split())}); "
                "delete the cache and prepare it again"
            ) from error


class CacheWriter:
    """A cache to add clips to; opening an existing one goes on with it.

    Use as a context manager, or call close(): what is still in memory is lost otherwise. One writer at a
    time.
    """

    def __init__(self, path: Path | str, retry_rejected: bool = False) -> None:
        """Open or begin the cache at `path`. Raises DataError where something else is there.

        retry_rejected: forget which clips were left out, so that they are not done.
        """
        self.path = Path(path)
        index = read_index(self.path)
        if index is None and self.path.is_dir():
            # A writer may have been killed between its first shard and the index.
            others = {f.name for f in self.path.iterdir() if f.name[0] != "."} - {SHARDS, REJECTED}
            if others:
                raise DataError(f"{self.path}: the folder holds other files; name an empty or a new one")
        self._lock = FolderLock(self.path)
        # What a killed writer was in the middle of.
        for leftover in (*self.path.glob(".*.tmp"), *(self.path / SHARDS).glob(".*.tmp")):
            leftover.unlink(missing_ok=True)
        self._entries = list(index.entries) if index else []
        self._rejected = list(index.rejected) if index and not retry_rejected else []
        self._done = {(e.source, e.name): e.origin for e in self._entries}
        self._done |= {(r.source, r.name): "" for r in self._rejected}
        self._shards = len({e.shard for e in self._entries})
        self._arrays: dict[str, np.ndarray] = {}
        self._waiting: list[CacheEntry] = []
        self._bytes = 0
        self._since = 0.0
        self._changed = index is None

    def __enter__(self) -> CacheWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def done(self, name: str, source: str | None = None) -> bool:
        """Whether a clip of that name (of any source where `source` is None) is in, or was rejected."""
        if source is not None:
            return (source, name) in self._done
        return any(known == name for _, known in self._done)

    def origin(self, name: str, source: str) -> str:
        """The folder or file that a clip in the cache was read from, "" where it is not known."""
        return self._done.get((source, name), "")

    def add(self, clip: PairClip, origin: str = "") -> None:
        """Add a clip, at 30 frames a second. Raises ValueError where its name is taken."""
        if (clip.source, clip.name) in self._done:
            raise ValueError(f"{clip.source} clip {clip.name} is in the cache already")
        clip = clip.resampled(FPS)
        arrays = _packed(clip)
        entry = CacheEntry(
            clip.name, clip.frames, FPS, clip.captions, clip.roles, clip.split, clip.source,
            origin=origin, shard=f"{SHARDS}/{self._shards:05d}.npz",
        )  # fmt: skip
        entry = replace(entry, sha256=_digest(entry, arrays))
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(entry)
        self._done[clip.source, clip.name] = origin
        for key, array in arrays.items():
            self._arrays[f"{entry.sha256}/{key}"] = array
            self._bytes += array.nbytes
        if self._bytes >= SHARD_BYTES or time.monotonic() - self._since > SHARD_SECONDS:
            self.flush()

    def reject(self, rejected: Rejected) -> None:
        """Record a clip that is left out; it counts as done."""
        self._done[rejected.source, rejected.name] = ""
        self._rejected.append(rejected)
        self._changed = True

    def flush(self) -> None:
        """Write what is in memory: the shard first, then the index that names it."""
        if self._waiting:
            write_arrays(self.path / self._waiting[0].shard, self._arrays)
            self._entries += self._waiting
            self._shards += 1
            self._waiting, self._arrays, self._bytes = [], {}, 0
            self._changed = True
        if self._changed:
            write_index(self.path, self._entries, self._rejected)
            self._changed = False

    def close(self) -> None:
        """Write everything that is left, and let others write."""
        try:
            self.flush()
        finally:
            self._lock.release()


@dataclass(frozen=True)
class Index:
    """What `cache.json` says."""

    entries: list[CacheEntry]
    rejected: list[Rejected]


def read_index(path: Path) -> Index | None:
    """The index of the cache at `path`, None where there is none. Raises DataError where it is damaged."""
    file = path / INDEX
    if not file.is_file():
        return None
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["schema"] > SCHEMA:
            raise DataError(f"{file}: written by a newer version (schema {data['schema']}); update InterMoE")
        entries = [
            CacheEntry(**{**e, "captions": tuple(e["captions"]), "roles": (e["roles"][0], e["roles"][1])})
            for e in data["entries"]
        ]
        rejected = [Rejected(**r) for r in data["rejected"]]
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{file}: not a readable index of prepared data; prepare it again") from error
    return Index(sorted(entries, key=lambda e: (e.source, e.name)), rejected)


def write_index(path: Path, entries: Iterable[CacheEntry], rejected: Iterable[Rejected]) -> None:
    """Replace `cache.json` and `rejected.tsv`."""
    rejected = list(rejected)
    data = {
        "schema": SCHEMA,
        "fps": FPS,
        "entries": [asdict(entry) for entry in entries],
        "rejected": [asdict(r) for r in rejected],
    }
    with replacing(path / REJECTED) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("source\tname\treason\n")
        file.writelines(f"{r.source}\t{r.name}\t{' '.join(r.reason.split())}\n" for r in rejected)
    with replacing(path / INDEX) as temporary:
        temporary.write_text(json.dumps(data, ensure_ascii=False, indent=0), encoding="utf-8")


def _packed(clip: PairClip) -> dict[str, np.ndarray]:
    arrays = {
        "root": clip.root_translation.astype(np.float32),
        "rotations": _to_int16(clip.joint_rotations),
        "offsets": clip.rest_offsets.astype(np.float32),
    }
    if clip.hands is not None:
        arrays["hands"] = _to_int16(clip.hands)
    if clip.given_positions is not None:
        stored = replace(
            clip,
            root_translation=arrays["root"].astype(np.float64),
            joint_rotations=_from_int16(arrays["rotations"]),
            rest_offsets=arrays["offsets"].astype(np.float64),
        )
        arrays["given"] = (clip.given_positions - stored.posed_positions()).astype(np.float16)
    return arrays


def _unpacked(entry: CacheEntry, arrays: dict[str, np.ndarray]) -> PairClip:
    clip = PairClip(
        entry.name,
        entry.fps,
        arrays["root"].astype(np.float64),
        _from_int16(arrays["rotations"]),
        arrays["offsets"].astype(np.float64),
        entry.roles,
        captions=entry.captions,
        split=entry.split,
        source=entry.source,
        hands=_from_int16(arrays["hands"]) if "hands" in arrays else None,
    )
    if "given" not in arrays:
        return clip
    return replace(clip, given_positions=clip.posed_positions() + arrays["given"])


def _to_int16(quaternions: np.ndarray) -> np.ndarray:
    return np.round(quat_normalize(quaternions) * 32767.0).astype(np.int16)


def _from_int16(stored: np.ndarray) -> np.ndarray:
    return quat_normalize(stored.astype(np.float64))


def _digest(entry: CacheEntry, arrays: dict[str, np.ndarray]) -> str:
    facts = {key: value for key, value in asdict(entry).items() if key not in ("origin", "shard", "sha256")}
    sum_ = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for key in sorted(arrays):
        buffer = io.BytesIO()
        np.save(buffer, arrays[key])
        sum_.update(key.encode() + buffer.getvalue())
    return sum_.hexdigest()
