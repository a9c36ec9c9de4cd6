# SPDX-License-Identifier: GPL-3.0-or-later
"""FBX files as animators expect them, each read back and checked after it was written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np


def export_fbx(
    path: str | Path,
    armatures: bpy.types.Object | Sequence[bpy.types.Object],
    frame_start: int,
    frame_end: int,
    preset: str = "BLENDER",
) -> Path:
    """Write one or more armatures with their meshes and current actions. Raises FbxError."""
    raise NotImplementedError


def check_fbx(
    path: str | Path, heads_world: dict[str, np.ndarray], bone_names: dict[str, list[str]], timeout: float = 120.0
) -> dict:
    """Read the file back in another Blender process and compare bone heads over all frames."""
    raise NotImplementedError
