# SPDX-License-Identifier: GPL-3.0-or-later
"""The touches of a take as markers on the timeline: two each, which can be moved and read back."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import re

import bpy

_NAME = re.compile(r"Touch (?P<number>\d+)(?P<end> ends)?(: .*)?")


def shown(scene: bpy.types.Scene) -> bool:
    """Whether any of them is on the timeline."""
    return any(_NAME.fullmatch(marker.name) for marker in scene.timeline_markers)


def show(scene: bpy.types.Scene) -> int:
    """Put a marker at the onset and the release of each touch, in place of those of before."""
    hide(scene)
    for number, row in enumerate(scene.intermoe_take.touches, 1):
        scene.timeline_markers.new(f"Touch {number}: {row.label}", frame=row.first_frame)
        scene.timeline_markers.new(f"Touch {number} ends", frame=row.last_frame)
    return len(scene.intermoe_take.touches)


def hide(scene: bpy.types.Scene) -> None:
    """Remove them; other markers stay."""
    for marker in [marker for marker in scene.timeline_markers if _NAME.fullmatch(marker.name)]:
        scene.timeline_markers.remove(marker)


def read(scene: bpy.types.Scene) -> int:
    """Take over where markers were moved to. Returns how many touches changed."""
    rows = scene.intermoe_take.touches
    times: dict[int, dict[bool, int]] = {}
    for marker in scene.timeline_markers:
        match = _NAME.fullmatch(marker.name)
        if match and 0 < int(match["number"]) <= len(rows):
            times.setdefault(int(match["number"]) - 1, {})[bool(match["end"])] = marker.frame or 0
    changed = 0
    for index, frames in times.items():
        row = rows[index]
        before = (int(row.first_frame or 0), int(row.last_frame or 0))
        first, last = frames.get(False, before[0]), frames.get(True, before[1])
        if (first, last) != before:
            row.set_times(row.seconds_of(min(first, last)), None)
            row.set_times(None, row.seconds_of(max(first, last)))
            changed += 1
    return changed
