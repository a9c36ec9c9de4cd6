# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the rest poses of a character in the 3D views, side by side. Nothing is added to the file."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportOptionalMemberAccess=false

from __future__ import annotations

from typing import Any

import blf
import bpy
import gpu
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d
from gpu_extras.batch import batch_for_shader
from mathutils import Vector

from intermoe_engine.retarget import RigError

from ..rigs import bone_map
from ..rigs.reading import read_rig
from ..rigs.rest_figures import BEND, LEFT, MIDDLE, RIGHT, Figure, rest_figures

_COLOURS = {
    MIDDLE: (0.85, 0.85, 0.85, 1.0),
    LEFT: (0.95, 0.35, 0.25, 1.0),
    RIGHT: (0.25, 0.65, 1.0, 1.0),
    BEND: (1.0, 0.85, 0.2, 1.0),
}
_LINE_PIXELS, _TEXT_PIXELS = 3.0, 13.0


class _Preview:
    """What is shown, and the handlers that draw it."""

    def __init__(self) -> None:
        self.rig_uid: int | None = None
        self.handlers: list[Any] = []
        self._key: tuple[Any, ...] = ()
        self._figures: list[Figure] = []

    def figures(self) -> list[Figure]:
        """The figures of the shown character, made anew when it or its bone map has changed; none where it
        is gone or cannot be drawn."""
        rig = next((item for item in bpy.data.objects if item.session_uid == self.rig_uid), None)
        if rig is None or rig.type != "ARMATURE" or rig.mode == "EDIT":
            return []
        place = tuple(round(value, 5) for row in rig.matrix_world for value in row)
        key = (self.rig_uid, place, len(rig.data.bones), bone_map.text_on(rig))
        if key != self._key:
            self._key, self._figures = key, _figures_of(rig)
        return self._figures


_preview = _Preview()


def _figures_of(rig: bpy.types.Object) -> list[Figure]:
    try:
        description = read_rig(rig)
        mapping = bone_map.shown(rig, description)
        return rest_figures(description, mapping, np.array(rig.matrix_world))
    except RigError:
        return []


def shows(rig: bpy.types.Object) -> bool:
    """Whether this character's rest poses are drawn."""
    return _preview.rig_uid == rig.session_uid


def show(rig: bpy.types.Object) -> None:
    """Draw a character's rest poses in all 3D views. Raises RigError where they cannot be found."""
    description = read_rig(rig)
    bone_map.usable(rig, description)
    hide()
    _preview.rig_uid = rig.session_uid
    space = bpy.types.SpaceView3D
    _preview.handlers = [
        space.draw_handler_add(_draw_lines, (), "WINDOW", "POST_VIEW"),
        space.draw_handler_add(_draw_labels, (), "WINDOW", "POST_PIXEL"),
    ]


def hide(*_: object) -> None:
    """Draw them no more."""
    for handler in _preview.handlers:
        bpy.types.SpaceView3D.draw_handler_remove(handler, "WINDOW")
    _preview.__init__()


def drawn() -> list[Figure]:
    """The figures that the views show now."""
    return _preview.figures()


def _draw_lines() -> None:
    figures = _preview.figures()
    if not figures:
        return
    points = np.concatenate([figure.lines.reshape(-1, 3) for figure in figures])
    kinds = np.concatenate([np.repeat(figure.kinds, 2) for figure in figures])
    shader = gpu.shader.from_builtin("POLYLINE_FLAT_COLOR")
    colours = [_COLOURS[kind] for kind in kinds.tolist()]
    batch = batch_for_shader(shader, "LINES", {"pos": points.tolist(), "color": colours})
    region = bpy.context.region
    shader.bind()
    shader.uniform_float("viewportSize", (region.width, region.height))
    shader.uniform_float("lineWidth", _LINE_PIXELS * bpy.context.preferences.system.ui_scale)
    gpu.state.depth_test_set("NONE")
    gpu.state.blend_set("ALPHA")
    batch.draw(shader)
    gpu.state.blend_set("NONE")


def _draw_labels() -> None:
    region, view = bpy.context.region, bpy.context.region_data
    if view is None:
        return
    for figure in _preview.figures():
        place = location_3d_to_region_2d(region, view, Vector(figure.place))
        if place is None:
            continue
        blf.size(0, _TEXT_PIXELS * bpy.context.preferences.system.ui_scale)
        width, _ = blf.dimensions(0, figure.label)
        blf.position(0, place.x - width / 2, place.y, 0)
        blf.color(0, 1.0, 1.0, 1.0, 1.0)
        blf.draw(0, figure.label)


_hide_on_load = bpy.app.handlers.persistent(hide)


def register() -> None:
    """Nothing is drawn at first; another file ends what is drawn."""
    bpy.app.handlers.load_pre.append(_hide_on_load)


def unregister() -> None:
    if _hide_on_load in bpy.app.handlers.load_pre:
        bpy.app.handlers.load_pre.remove(_hide_on_load)
    hide()
