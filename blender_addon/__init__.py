# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender extension: a sentence becomes the keyed motion of two characters.

Importing the package needs no Blender, so that its build script and command-line parts run without one.
"""

from __future__ import annotations

import importlib

ADDON_ID = __name__
"""The package as Blender knows it; its preferences and its user folder go by this name."""

_MODULES = (
    "ui.bone_rows",
    "takes.touch_rows",
    "takes.stand_rows",
    "ui.properties",
    "ui.preferences",
    "operators",
    "ui.panels",
    "ui.bones_panel",
    "ui.touch_panel",
    "ui.rig_report",
    "ui.rest_preview",
    "ui.ticker",
    "engine.session",
)


def register() -> None:
    """Called by Blender when the extension is enabled."""
    for name in _MODULES:
        _call(name, "register")


def unregister() -> None:
    """Called by Blender when the extension is disabled, and at its exit."""
    for name in reversed(_MODULES):
        _call(name, "unregister")


def _call(name: str, function: str) -> None:
    getattr(importlib.import_module(f".{name}", __name__), function)()
