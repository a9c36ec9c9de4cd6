# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender extension: a sentence becomes the keyed motion of two characters.

Importing the package needs no Blender, so that its build script and command-line parts run without one.
"""

from __future__ import annotations

import importlib

_MODULES = ("properties", "preferences", "operators", "panels", "ticker", "engine_session")


def register() -> None:
    """Called by Blender when the extension is enabled."""
    for name in _MODULES:
        _call(name, "register")


def unregister() -> None:
    """Called by Blender when the extension is disabled, and at its exit."""
    for name in reversed(_MODULES):
        _call(name, "unregister")


def _call(name: str, function: str) -> None:
    getattr(importlib.import_module(f".{name}", __package__), function)()
