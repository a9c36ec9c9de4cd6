# SPDX-License-Identifier: GPL-3.0-or-later
"""The last check of each character, kept while Blender runs so that the panel can show it."""

from __future__ import annotations

import bpy

from ..rigs import checks

_reports: dict[int, list[checks.Finding]] = {}


def examine(rig: bpy.types.Object) -> list[checks.Finding]:
    """Check a character and keep what was found."""
    _reports[rig.session_uid] = checks.examine(rig)
    return _reports[rig.session_uid]


def of(rig: bpy.types.Object) -> list[checks.Finding]:
    """What the last check found; empty where there was none."""
    return _reports.get(rig.session_uid, [])


def forget(rig: bpy.types.Object) -> None:
    """What was found no longer holds."""
    _reports.pop(rig.session_uid, None)


def register() -> None:
    """Nothing to do before there is a report."""


def unregister() -> None:
    _reports.clear()
