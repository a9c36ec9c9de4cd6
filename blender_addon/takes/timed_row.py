# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows with an onset and a release: kept in seconds of the take, shown as frames of the scene."""
# Blender reads properties from annotations, so they must stay objects: no postponed annotations here.
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportInvalidTypeForm=false, reportAttributeAccessIssue=false

import bpy
from bpy.props import FloatProperty, IntProperty


class TimedRow:
    """A mix-in for property groups of a scene."""

    start: FloatProperty()
    end: FloatProperty()
    first_frame: IntProperty(
        name="From",
        description="Frame at which it begins",
        get=lambda row: row.frame_of(row.start),
        set=lambda row, frame: row.set_times(row.seconds_of(frame), None),
    )
    last_frame: IntProperty(
        name="To",
        description="Frame at which it ends",
        get=lambda row: row.frame_of(row.end),
        set=lambda row, frame: row.set_times(None, row.seconds_of(frame)),
    )

    def frame_of(self, seconds: float) -> int:
        return self.id_data.intermoe_take.frame_start + round(seconds * _fps(self.id_data))

    def seconds_of(self, frame: float) -> float:
        return max((frame - self.id_data.intermoe_take.frame_start) / _fps(self.id_data), 0.0)

    def set_times(self, start: float | None, end: float | None) -> None:
        """New onset or release in seconds; the other one makes way."""
        shortest = 1.0 / _fps(self.id_data)
        if start is not None:
            self.start, self.end = start, max(self.end, start + shortest)
        if end is not None:
            end = max(end, shortest)
            self.start, self.end = min(self.start, end - shortest), end


def _fps(scene: bpy.types.Scene) -> float:
    return scene.render.fps / scene.render.fps_base
