# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that fits: Blender's labels never wrap by themselves."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import textwrap

import bpy

_PIXELS_PER_CHARACTER = 6.8
_MARGIN_PIXELS = 46


def characters_across(context: bpy.types.Context) -> int:
    """How many characters of a label fit across the region that is being drawn."""
    if context.region is None:
        return 40
    scale = context.preferences.system.ui_scale
    return max(16, int((context.region.width - _MARGIN_PIXELS * scale) / (_PIXELS_PER_CHARACTER * scale)))


def wrapped_labels(layout: bpy.types.UILayout, text: str, width: int, icon: str = "NONE") -> None:
    """Draw `text` as labels of at most `width` characters; the icon stands before the first line."""
    column = layout.column(align=True)
    column.scale_y = 0.85
    for index, line in enumerate(textwrap.wrap(text, width) or [""]):
        if icon == "NONE":
            column.label(text=line)
        else:
            column.label(text=line, icon=icon if index == 0 else "BLANK1")


def duration_text(seconds: float | None) -> str:
    """Time left as people say it."""
    if seconds is None:
        return "estimating the time left"
    if seconds < 1.5:
        return "about a second left"
    if seconds < 90:
        return f"about {round(seconds)} s left"
    return f"about {round(seconds / 60)} min left"
