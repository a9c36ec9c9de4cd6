# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engine, its weights and its device come from, and how many takes stay on disk."""

# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportInvalidTypeForm=false, reportAttributeAccessIssue=false

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty

from .. import ADDON_ID
from ..engine import session as engine_session
from .text import wrapped_labels

_ICONS = {"ok": "CHECKMARK", "note": "INFO", "failed": "ERROR"}


class InterMoEPreferences(bpy.types.AddonPreferences):
    """Settings of the engine. Changes take effect at the next Generate."""

    bl_idname = ADDON_ID

    bundle: StringProperty(
        name="Bundle",
        description="Weights to use: a bundle folder or .zip. Empty: the starter of the extension",
        subtype="FILE_PATH",
    )
    device: EnumProperty(
        name="Device",
        description="Where the model runs",
        items=(
            ("auto", "Automatic", "The graphics card when it can really be used, the processor otherwise"),
            ("cuda", "NVIDIA GPU", "CUDA. Needs an engine Python with onnxruntime-gpu"),
            ("cpu", "Processor", "Always works"),
        ),
        default="auto",
    )
    python: StringProperty(
        name="Engine Python",
        description="Python program that runs the engine, e.g. of an environment with onnxruntime-gpu and "
        "intermoe-blender. Empty: Blender's own, with the packages that the extension carries",
        subtype="FILE_PATH",
    )
    keep_takes: IntProperty(
        name="Keep Takes",
        description="How many of the newest takes stay on disk (50 of six seconds are 10 MB); 0 keeps all. "
        "Those that an open scene plays stay in any case",
        default=50,
        min=0,
        max=100_000,
    )

    def draw(self, _context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "bundle", placeholder="Starter that comes with the extension")
        layout.prop(self, "device")
        layout.prop(self, "python", placeholder="Blender's own")
        row = layout.row(align=True)
        row.operator("intermoe.check_engine", icon="CHECKMARK")
        row.operator("intermoe.stop_engine", icon="FILE_REFRESH")
        row.operator("intermoe.open_log", icon="TEXT")
        report = engine_session.current().check_report
        if report:
            column = layout.box().column(align=True)
            for line in report:
                wrapped_labels(column, line.text, 90, _ICONS[line.state])
        layout.separator()
        layout.prop(self, "keep_takes")
        row = layout.row(align=True)
        row.operator("intermoe.open_takes", icon="FILE_FOLDER")
        row.operator("intermoe.delete_takes", icon="TRASH")


def register() -> None:
    bpy.utils.register_class(InterMoEPreferences)


def unregister() -> None:
    bpy.utils.unregister_class(InterMoEPreferences)
