# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that need Blender's Python module run in a process of their own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import EngineError


def run_in_blender(module: str, arguments: Sequence[str], purpose: str) -> int:
    """Run `python -m module` with these arguments; returns the exit status 0, 1 or 2.

    purpose: what needs Blender, as the error says it. Raises EngineError where Blender's module is missing.
    """
    if importlib.util.find_spec("bpy") is None:
        raise EngineError(
            f'{purpose} needs Blender as a module; run: pip install "intermoe-blender[blender]"'
        )
    environment = dict(os.environ)
    root = Path(__file__).resolve().parents[2]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), environment.get("PYTHONPATH", "")]))
    status = subprocess.run(
        [sys.executable, "-m", module, *arguments], env=environment, check=False
    ).returncode
    return status if status in (0, 2) else 1
