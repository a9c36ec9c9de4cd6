# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Python runs the engine, and which folders its packages come from."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

# What the worker imports. Blender unpacks the extension's wheels into a folder that only it knows.
_PACKAGES = ("intermoe_engine", "onnxruntime", "tokenizers", "numpy")


class EnginePythonError(RuntimeError):
    """No Python that could run the engine; the message says what to set."""


@dataclass(frozen=True)
class EnginePython:
    """The program, the folders put on its path, and the variables set (None: taken away)."""

    program: str
    paths: tuple[str, ...]
    environment: tuple[tuple[str, str | None], ...] = ()


def engine_python(chosen: str = "") -> EnginePython:
    """The Python that `chosen` names, or Blender's own. Raises EnginePythonError when there is none."""
    if not chosen:
        return EnginePython(blender_python(), tuple(package_folders()))
    program = Path(chosen).expanduser()
    if not (program.is_file() and os.access(program, os.X_OK)):
        raise EnginePythonError(
            f"{program} is not a program: correct Engine Python in the extension's preferences, or clear it"
        )
    # It brings its own packages (onnxruntime-gpu, say), which ours would hide.
    return EnginePython(str(program), (), (("PYTHONPATH", None),))


def blender_python() -> str:
    """The program of the Python inside this Blender.

    `sys.executable` names it in Blender's own builds (4.2 to 5.2) and the system's Python in
    distribution builds; where it names something else, the folders of that Python are looked through.
    Raises EnginePythonError.
    """
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    suffix = ".exe" if os.name == "nt" else ""
    folders = [
        Path(sys.prefix, "bin"),
        Path(sys.prefix),
        Path(sysconfig.get_config_var("BINDIR") or sys.prefix),
    ]
    candidates = [Path(sys.executable)] if sys.executable else []
    candidates += [folder / f"{stem}{suffix}" for folder in folders for stem in (name, "python3", "python")]
    on_path = shutil.which(name)
    candidates += [Path(on_path)] if on_path else []
    for candidate in candidates:
        if (
            candidate.name.lower().startswith("python")
            and candidate.is_file()
            and os.access(candidate, os.X_OK)
        ):
            return str(candidate)
    raise EnginePythonError(
        f"No {name} was found beside Blender: set Engine Python in the extension's preferences to one that "
        "has intermoe-blender installed"
    )


def package_folders(names: tuple[str, ...] = _PACKAGES) -> list[str]:
    """The folders of sys.path that hold these packages here, each once, the engine's first."""
    folders: list[str] = []
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            folders.append(str(Path(spec.origin).parent.parent))
    return list(dict.fromkeys(folders))
