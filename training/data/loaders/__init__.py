# SPDX-License-Identifier: GPL-3.0-or-later
"""Loaders of motion data, one module a format, all giving pair clips.

A loader module has a constant SOURCE, which its clips carry, and three functions:

- `find(path) -> bool`: does this file or folder look like mine? Cheap, and never true for another's.
- `names(path, options) -> list[str]`: the clips that there are, without reading their motion.
- `clips(path, options) -> Iterator[PairClip | Rejected]`: the clips of `options.names`, lazily, one of the
  two for every name; a clip that cannot be read is Rejected with the reason, and the next one is read.

A source that cannot be read at all raises checks.DataError with one sentence that says what to do.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..checks import DataError, Rejected
from ..pair_clip import PairClip

FORMATS = ("interhuman", "interx", "cmu", "bvh_pairs", "asf_amc", "scene")
"""Every loader's module, and the name of its format, in the order in which a source is offered to them."""


@dataclass(frozen=True)
class LoaderOptions:
    """What a user may say about a source.

    captions: a table of captions (TSV; see each loader). names: read only these clips. body_models: the
    folder of SMPL-X model files. fps: frame rate to aim at, where the format allows a choice. source_fps:
    the frame rate of files that do not say it themselves, where it is not the usual one. scale: metres in
    one unit of files that do not say it (BVH, ASF), None to find it out. up: their up axis ("y", "-z" …).
    """

    captions: Path | None = None
    names: frozenset[str] | None = None
    body_models: Path | None = None
    fps: float = 30.0
    source_fps: float | None = None
    scale: float | None = None
    up: str | None = None

    def wants(self, name: str) -> bool:
        """Whether the clip of that name is asked for."""
        return self.names is None or name in self.names


class Loader(Protocol):
    """What a loader's module offers."""

    SOURCE: str

    def find(self, path: Path) -> bool: ...

    def names(self, path: Path, options: LoaderOptions | None = None) -> list[str]: ...

    def clips(self, path: Path, options: LoaderOptions) -> Iterator[PairClip | Rejected]: ...


def loader(format_name: str) -> Loader:
    """The loader of a format. Raises DataError where there is none of that name."""
    if format_name not in FORMATS:
        raise DataError(f"no format {format_name}; there are {', '.join(FORMATS)}")
    return importlib.import_module(f".{format_name}", __name__)  # type: ignore[return-value]


def detect(path: Path) -> str:
    """The format of a source. Raises DataError where nothing is there or no loader knows it."""
    if not path.exists():
        raise DataError(f"{path}: nothing is there; check the path")
    for name in FORMATS:
        if loader(name).find(path):
            return name
    raise DataError(f"{path}: no known motion data; name the format with --format ({', '.join(FORMATS)})")
