# SPDX-License-Identifier: GPL-3.0-or-later
"""Built meshes kept on disk: building one takes a second, in which Blender's window stands still.

The extension's zip carries those of its own mannequins, so a user waits for none; others, and those of a
checkout, go to the user's cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import fields
from functools import lru_cache
from pathlib import Path

import numpy as np

from intermoe_engine.npz import ArraysError, read_arrays, write_arrays
from intermoe_engine.paths import writable_cache_folder

from .mesh import SkinnedMesh, build_mesh
from .shape import Build

_HERE = Path(__file__).parent
PACKAGED = _HERE / "meshes"
"""Where the zip carries built meshes."""

_SOURCES = ("shape.py", "primitives.py", "flesh.py", "mesh.py", "surface_nets.py")
_DTYPES = {
    "vertices": np.float32,
    "quads": np.int32,
    "materials": np.uint8,
    "parts": np.uint8,
    "weights": np.float32,
}


def mesh_of(build: Build) -> SkinnedMesh:
    """The mesh of a build: from disk where it lies there, else built and kept for next time."""
    name = file_name(build)
    kept = writable_cache_folder() / "mannequins" / name
    for path in (PACKAGED / name, kept):
        found = _load(path)
        if found is not None:
            return found
    mesh = build_mesh(build)
    with contextlib.suppress(OSError):  # a full disk costs time, not the mannequin
        save(mesh, kept)
    return mesh


def file_name(build: Build) -> str:
    """Names the build and the code that made it, so that a changed shape is never read from an old file."""
    return f"{hashlib.sha256(f'{_code()} {build}'.encode()).hexdigest()[:20]}.npz"


def save(mesh: SkinnedMesh, path: Path) -> None:
    """Write a mesh, whole or not at all. Raises OSError."""
    arrays = {name: getattr(mesh, name).astype(dtype) for name, dtype in _DTYPES.items()}
    write_arrays(path, arrays, compressed=True)


def _load(path: Path) -> SkinnedMesh | None:
    """The mesh at `path`; None where there is none, or none that can be used."""
    try:
        arrays = read_arrays(path)
        return SkinnedMesh(**{field.name: arrays[field.name] for field in fields(SkinnedMesh)})
    except (FileNotFoundError, ArraysError, KeyError):
        return None


@lru_cache(maxsize=1)
def _code() -> str:
    return hashlib.sha256(b"".join((_HERE / name).read_bytes() for name in _SOURCES)).hexdigest()
