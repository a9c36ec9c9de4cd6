# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone maps as files: presets in the user's own folder, import and export."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false
# pyright: reportOptionalMemberAccess=false

from pathlib import Path

import bpy
from bpy.props import StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from intermoe_engine.errors import EngineError
from intermoe_engine.retarget import BoneMapping, RigError

from ..engine import folders
from ..rigs import bone_edit, bone_map, bone_presets
from ..rigs.reading import read_rig
from ..ui import bone_rows
from .shown_character import ShownCharacter


class INTERMOE_OT_save_bone_preset(ShownCharacter, bpy.types.Operator):
    """Save this bone map as a preset for characters with the same bones"""

    bl_idname = "intermoe.save_bone_preset"
    bl_label = "Save Preset"
    bl_options = {"REGISTER"}

    preset: StringProperty(name="Name", description="Name of the preset")  # type: ignore[valid-type]  # pyright: ignore[reportInvalidTypeForm]

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        settings = context.scene.intermoe
        self.preset = bone_rows.rig_of(settings, settings.bones_of).name
        return context.window_manager.invoke_props_dialog(self)

    def change(self, _context, _settings, _role, rig) -> str:
        path = bone_presets.path_of(folders.bone_maps(), self.preset)
        return _saved(path, bone_map.shown(rig, read_rig(rig)))


class INTERMOE_OT_load_bone_preset(ShownCharacter, bpy.types.Operator):
    """Use this preset for the character"""

    bl_idname = "intermoe.load_bone_preset"
    bl_label = "Use Preset"
    bl_options = {"INTERNAL", "UNDO"}

    preset: StringProperty()  # type: ignore[valid-type]  # pyright: ignore[reportInvalidTypeForm]

    def change(self, _context, settings, role, rig) -> str:
        return _loaded(bone_presets.path_of(folders.bone_maps(), self.preset), settings, role, rig)


class INTERMOE_OT_delete_bone_preset(bpy.types.Operator):
    """Delete this preset from your folder"""

    bl_idname = "intermoe.delete_bone_preset"
    bl_label = "Delete Preset"
    bl_options = {"INTERNAL"}

    preset: StringProperty()  # type: ignore[valid-type]  # pyright: ignore[reportInvalidTypeForm]

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        try:
            bone_presets.path_of(folders.bone_maps(), self.preset).unlink(missing_ok=True)
        except (EngineError, OSError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Preset {self.preset} deleted")
        return {"FINISHED"}


class INTERMOE_OT_import_bone_map(ShownCharacter, ImportHelper, bpy.types.Operator):
    """Read a bone map from a JSON file"""

    bl_idname = "intermoe.import_bone_map"
    bl_label = "Import Bone Map"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})  # type: ignore[valid-type]  # pyright: ignore[reportInvalidTypeForm]

    def change(self, _context, settings, role, rig) -> str:
        return _loaded(Path(self.filepath), settings, role, rig)


class INTERMOE_OT_export_bone_map(ShownCharacter, ExportHelper, bpy.types.Operator):
    """Write this bone map to a JSON file, to pass it on"""

    bl_idname = "intermoe.export_bone_map"
    bl_label = "Export Bone Map"
    bl_options = {"REGISTER"}

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})  # type: ignore[valid-type]  # pyright: ignore[reportInvalidTypeForm]

    def change(self, _context, _settings, _role, rig) -> str:
        return _saved(Path(self.filepath), bone_map.shown(rig, read_rig(rig)))


class INTERMOE_MT_bone_presets(bpy.types.Menu):
    """Presets of your own, and bone maps as files"""

    bl_idname = "INTERMOE_MT_bone_presets"
    bl_label = "Bone Map Presets"

    def draw(self, _context: bpy.types.Context) -> None:
        layout = self.layout
        names = _names()
        for name in names:
            layout.operator("intermoe.load_bone_preset", text=name, translate=False).preset = name
        if not names:
            layout.label(text="No presets saved yet")
        layout.separator()
        layout.operator("intermoe.save_bone_preset", text="Save as Preset…", icon="ADD")
        if names:
            layout.menu("INTERMOE_MT_delete_bone_preset", icon="TRASH")
        layout.separator()
        layout.operator("intermoe.import_bone_map", text="Import…", icon="IMPORT")
        layout.operator("intermoe.export_bone_map", text="Export…", icon="EXPORT")


class INTERMOE_MT_delete_bone_preset(bpy.types.Menu):
    """Delete a preset from your folder"""

    bl_idname = "INTERMOE_MT_delete_bone_preset"
    bl_label = "Delete Preset"

    def draw(self, _context: bpy.types.Context) -> None:
        for name in _names():
            operator = self.layout.operator("intermoe.delete_bone_preset", text=name, translate=False)
            operator.preset = name


def _names() -> list[str]:
    """The presets, none where their folder cannot be had."""
    try:
        return bone_presets.names(folders.bone_maps())
    except folders.FolderError:
        return []


def _saved(path: Path, mapping: BoneMapping) -> str:
    try:
        mapping.save(path)
    except OSError as error:
        raise RigError(f"{path} could not be written: {error.strerror or error}") from error
    return f"Saved {path.name}"


def _loaded(path: Path, settings, role: str, rig: bpy.types.Object) -> str:
    mapping, absent = bone_edit.fitted(BoneMapping.load(path), read_rig(rig))
    bone_rows.apply(settings, role, mapping)
    left_out = f"; {len(absent)} bones are not in {rig.name}" if absent else ""
    return f"{path.stem} is used for {rig.name}{left_out}"


CLASSES = (
    INTERMOE_OT_save_bone_preset,
    INTERMOE_OT_load_bone_preset,
    INTERMOE_OT_delete_bone_preset,
    INTERMOE_OT_import_bone_map,
    INTERMOE_OT_export_bone_map,
    INTERMOE_MT_bone_presets,
    INTERMOE_MT_delete_bone_preset,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
