# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's settings as plain values, with paths made absolute."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from dataclasses import dataclass

import bpy

from .. import ADDON_ID


@dataclass(frozen=True)
class EngineSettings:
    """Empty paths stand for the starter bundle and for Blender's own Python; keep_takes 0 for all."""

    bundle: str = ""
    device: str = "auto"
    python: str = ""
    keep_takes: int = 50


def engine_settings(context: bpy.types.Context) -> EngineSettings:
    """What the preferences say; the defaults where the extension runs without being installed."""
    addon = context.preferences.addons.get(ADDON_ID)
    if addon is None or addon.preferences is None:
        return EngineSettings()
    chosen = addon.preferences
    return EngineSettings(
        bundle=bpy.path.abspath(chosen.bundle) if chosen.bundle else "",
        device=chosen.device,
        python=bpy.path.abspath(chosen.python) if chosen.python else "",
        keep_takes=chosen.keep_takes,
    )
