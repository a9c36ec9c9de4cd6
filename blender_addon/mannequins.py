# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own two characters, built by script: mesh, bones and skinning."""

from __future__ import annotations

import bpy

KINDS = ("terra", "slate")
"""terra: 1.60 m, Mixamo bone names, T-pose. slate: 1.90 m, Rigify metarig names, A-pose."""


def add_mannequin(kind: str, location: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> bpy.types.Object:
    """Add a mannequin to the current collection and return its armature object (object mode needed)."""
    raise NotImplementedError
