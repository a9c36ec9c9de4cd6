# SPDX-License-Identifier: GPL-3.0-or-later
"""The bone map of a character: editing, keeping it on the rig, presets, and the panel that shows it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

import blender_addon  # noqa: E402
from blender_addon.engine import folders  # noqa: E402
from blender_addon.rigs import bone_edit, bone_map  # noqa: E402
from blender_addon.rigs.bone_edit import Cell, fitted, mirror_name, mirrored, with_bone  # noqa: E402
from blender_addon.rigs.reading import read_rig  # noqa: E402
from blender_addon.takes.request import from_scene, retarget_parameters  # noqa: E402
from blender_addon.ui import bone_rows, bones_panel  # noqa: E402
from intermoe_engine.retarget import SLOTS, BoneMapping, RigError, map_bones  # noqa: E402
from tests.blender.paper import drawn  # noqa: E402

pytestmark = pytest.mark.usefixtures("extension")


@pytest.fixture
def scene(mannequin_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bpy.types.Scene:
    """A file with both mannequins in the cast, and a user folder of its own."""
    monkeypatch.setenv("INTERMOE_CACHE", str(tmp_path))
    bpy.ops.wm.open_mainfile(filepath=str(mannequin_file))
    scene = bpy.context.scene
    scene.intermoe.actor_a, scene.intermoe.actor_b = bpy.data.objects["Terra"], bpy.data.objects["Slate"]
    return scene


def row(scene: bpy.types.Scene, joint: str, place: int = 0, role: str = "A"):
    table = bone_rows.table_of(scene.intermoe, role)
    return next(row for row in table.rows if (row.joint, row.place) == (joint, place))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("mixamorig:LeftForeArm", "mixamorig:RightForeArm"),
        ("upper_arm.L", "upper_arm.R"),
        ("Bip01 L Thigh", "Bip01 R Thigh"),
        ("lThighBend", "rThighBend"),
        ("m_avg_R_Ankle", "m_avg_L_Ankle"),
        ("CC_Base_L_Forearm", "CC_Base_R_Forearm"),
        ("thigh_l", "thigh_r"),
        ("HandL", "HandR"),
        ("DEF-shin.L.001", "DEF-shin.R.001"),
        ("Root", "Root"),
        ("clavicle", "clavicle"),
        ("Roll_Lower", "Roll_Lower"),
    ],
)
def test_names_have_another_side(name: str, other: str) -> None:
    assert mirror_name(name) == other
    assert mirror_name(other) == name


def test_a_cell_takes_a_bone_out_of_other_rows(scene: bpy.types.Scene) -> None:
    rig = read_rig(bpy.data.objects["Terra"])
    mapping = map_bones(rig)
    spine = mapping.bones_for("spine")
    assert len(spine) == 3
    edited = with_bone(mapping, Cell("neck"), spine[2])
    assert edited.bones_for("neck") == (spine[2],) and edited.bones_for("spine") == spine[:2]
    assert edited.bones_for("head") == mapping.bones_for("head")
    longer = with_bone(mapping, Cell("spine", 3), "mixamorig:Neck")
    assert longer.bones_for("spine") == (*spine, "mixamorig:Neck") and not longer.bones_for("neck")
    shorter = with_bone(mapping, Cell("spine", 1), "")
    assert shorter.bones_for("spine") == (spine[0], spine[2])
    for changed in (edited, longer, shorter):
        changed.checked(rig)
    chosen = next(r for r in edited.rows if r.joint == "neck")
    assert (chosen.reason, chosen.confidence) == (bone_edit.BY_HAND, 1.0)


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("name", ["Terra", "Slate"])
def test_one_side_is_filled_from_the_other(scene: bpy.types.Scene, name: str, shuffled: bool) -> None:
    """With names that have sides, and by place where names say nothing."""
    item = bpy.data.objects[name]
    whole = map_bones(read_rig(item))
    renamed = {bone.name: f"bone_{i}" if shuffled else bone.name for i, bone in enumerate(item.data.bones)}
    for old, new in renamed.items():
        item.data.bones[old].name = new
    rig = read_rig(item)
    half = whole.to_dict()
    for entry in half["rows"]:
        entry["bones"] = [] if entry["joint"].startswith("r_") else [renamed[b] for b in entry["bones"]]
    filled, count = mirrored(BoneMapping.from_dict(half), rig)
    wanted = {slot: tuple(renamed[b] for b in whole.bones_for(slot)) for slot in SLOTS}
    assert count == sum(bool(whole.bones_for(slot)) for slot in SLOTS if slot.startswith("r_")) == 13
    assert {slot: filled.bones_for(slot) for slot in SLOTS} == wanted
    assert mirrored(filled, rig)[1] == 0


def test_a_preset_of_another_rig_fits_by_what_is_there(scene: bpy.types.Scene) -> None:
    item = bpy.data.objects["Terra"]
    mapping = map_bones(read_rig(item))
    for bone in item.data.bones:
        bone.name = bone.name.removeprefix("mixamorig:")
    item.data.bones["Neck"].name = "Throat"
    rig = read_rig(item)
    result, absent = fitted(mapping, rig)
    assert absent == ["mixamorig:Neck"] and result.bones_for("neck") == ()
    assert result.bones_for("l_elbow") == ("LeftForeArm",)
    result.checked(rig)


def test_rows_follow_the_cast_and_nothing_is_kept_unasked(scene: bpy.types.Scene) -> None:
    assert row(scene, "l_elbow").bone == "mixamorig:LeftForeArm"
    assert row(scene, "l_elbow", role="B").bone == "forearm.L"
    assert row(scene, "spine", 2, "B").bone == "spine.003" and row(scene, "spine", 3, "B").bone == ""
    assert bone_map.KEY not in bpy.data.objects["Terra"]
    bpy.ops.intermoe.swap_cast()
    assert row(scene, "l_elbow").bone == "forearm.L"
    scene.intermoe.actor_a = None
    assert not scene.intermoe.bones_a.rows


def test_an_edited_row_is_kept_on_the_rig_and_used(scene: bpy.types.Scene, tmp_path: Path) -> None:
    terra = bpy.data.objects["Terra"]
    row(scene, "neck").bone = "mixamorig:HeadTop_End"
    assert scene.intermoe.bones_a.problem == ""
    kept = json.loads(terra[bone_map.KEY])
    assert {"mixamorig:HeadTop_End"} == {b for r in kept["rows"] if r["joint"] == "neck" for b in r["bones"]}
    assert row(scene, "neck").reason == bone_edit.BY_HAND
    parameters = retarget_parameters(from_scene(scene, 10, 1.0), tmp_path / "take.npz")
    sent = BoneMapping.from_dict(parameters["mapping_a"])
    assert sent.bone_for("neck") == "mixamorig:HeadTop_End"
    assert BoneMapping.from_dict(parameters["mapping_b"]).bone_for("neck") == "spine.004"
    file = tmp_path / "kept.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(file))
    bpy.ops.wm.open_mainfile(filepath=str(file))
    loaded = bpy.data.objects["Terra"]
    assert bone_map.kept(loaded).bone_for("neck") == "mixamorig:HeadTop_End"
    bpy.ops.intermoe.find_bones()
    assert bone_map.KEY not in loaded and row(bpy.context.scene, "neck").bone == "mixamorig:Neck"


def test_a_bone_that_is_not_there_is_refused(scene: bpy.types.Scene) -> None:
    row(scene, "l_elbow").bone = "Banana"
    assert row(scene, "l_elbow").bone == "mixamorig:LeftForeArm"
    assert "no bone called Banana" in scene.intermoe.bones_a.problem
    assert bone_map.KEY not in bpy.data.objects["Terra"]


def test_pick_clear_and_mirror_act_on_the_selected_row(scene: bpy.types.Scene) -> None:
    settings = scene.intermoe
    settings.bones_of = "B"
    slate = bpy.data.objects["Slate"]
    table = settings.bones_b
    table.active = next(i for i, r in enumerate(table.rows) if r.joint == "l_wrist")
    with pytest.raises(RuntimeError, match="Slate, go to Pose mode"):
        bpy.ops.intermoe.pick_bone()
    bpy.context.view_layer.objects.active = slate
    slate.data.bones.active = slate.data.bones["f_middle.01.L"]
    bpy.ops.intermoe.pick_bone()
    assert table.rows[table.active].bone == "f_middle.01.L"
    bpy.ops.intermoe.mirror_bones(target="r")
    assert row(scene, "r_wrist", role="B").bone == "f_middle.01.R"
    bpy.ops.intermoe.clear_bone()
    assert table.rows[table.active].bone == "" and bone_map.kept(slate).bones_for("l_wrist") == ()
    assert bone_map.kept(slate).bone_for("r_wrist") == "f_middle.01.R"


def test_presets_lie_in_the_users_folder_and_travel_as_files(scene: bpy.types.Scene, tmp_path: Path) -> None:
    row(scene, "neck").bone = ""
    bpy.ops.intermoe.save_bone_preset(preset="Terra / no neck")
    path = folders.bone_maps() / "Terra _ no neck.json"
    assert path.is_file() and Path(blender_addon.__file__).parent not in path.parents
    bpy.ops.intermoe.find_bones()
    assert row(scene, "neck").bone == "mixamorig:Neck"
    bpy.ops.intermoe.load_bone_preset(preset="Terra _ no neck")
    assert row(scene, "neck").bone == "" and row(scene, "head").bone == "mixamorig:Head"
    out = tmp_path / "given.json"
    bpy.ops.intermoe.export_bone_map(filepath=str(out))
    bpy.ops.intermoe.find_bones()
    bpy.ops.intermoe.import_bone_map(filepath=str(out))
    assert row(scene, "neck").bone == ""
    assert "Terra _ no neck" in drawn(bpy.types.INTERMOE_MT_bone_presets)
    bpy.ops.intermoe.delete_bone_preset(preset="Terra _ no neck")
    assert not path.exists()
    out.write_text("[]")
    with pytest.raises(RuntimeError, match="not a bone mapping|cannot be read"):
        bpy.ops.intermoe.import_bone_map(filepath=str(out))
    with pytest.raises(RuntimeError, match="needs a name"):
        bpy.ops.intermoe.save_bone_preset(preset=" ")


def test_the_panel_shows_rows_reasons_and_gaps(scene: bpy.types.Scene) -> None:
    settings = scene.intermoe
    text = drawn(bones_panel.INTERMOE_PT_bones)
    assert "Lower arm L\nLeftForeArm" in text
    assert "Spine 3" in text and "Spine 4" in text and "Spine 5" not in text  # one free place, no more
    assert "Found by itself" in text
    assert bones_panel.summary(settings.bones_a) == ""
    assert "Index finger 1 L" not in text
    settings.bones_part = "fingers"
    assert "Index finger 3 L\nLeftHandIndex3" in drawn(bones_panel.INTERMOE_PT_bones)
    settings.bones_part, settings.bones_search = "body", "forearm"
    searched = drawn(bones_panel.INTERMOE_PT_bones)
    assert "Lower arm R\nRightForeArm" in searched and "\nRightArm" not in searched
    settings.bones_search, settings.bones_doubtful = "", True
    assert "RightForeArm" not in drawn(bones_panel.INTERMOE_PT_bones)
    settings.bones_doubtful = False
    row(scene, "l_knee").bone = ""
    assert row(scene, "l_knee").state == "missing"
    assert "Terra: no bone for left lower leg" in bones_panel.summary(settings.bones_a)
    assert "Kept on the rig" in drawn(bones_panel.INTERMOE_PT_bones)
    bpy.data.objects["Terra"].name = "Tara"
    assert "Show Bones" in drawn(bones_panel.INTERMOE_PT_bones)
    bpy.ops.intermoe.reload_bones()
    assert "Lower arm L" in drawn(bones_panel.INTERMOE_PT_bones)


def test_a_damaged_map_is_told_and_can_be_dropped(scene: bpy.types.Scene) -> None:
    terra = bpy.data.objects["Terra"]
    terra[bone_map.KEY] = "{"
    bpy.ops.intermoe.reload_bones()
    assert "press Find Again" in drawn(bones_panel.INTERMOE_PT_bones)
    with pytest.raises(RigError, match="Find Again"):
        bone_map.usable(terra, read_rig(terra))
    bpy.ops.intermoe.find_bones()
    assert row(scene, "neck").bone == "mixamorig:Neck"


def test_mirror_plane_of_a_rig_beside_its_origin(scene: bpy.types.Scene) -> None:
    """An armature whose bones were modelled 3 m to the side: only mapped bones tell where its middle is."""
    item = bpy.data.objects["Slate"]
    rig = read_rig(item)
    moved = rig.rest_matrices.copy()
    moved[:, 0, 3] += 3.0
    mapping = map_bones(rig)
    half = mapping.to_dict()
    for entry in half["rows"]:
        entry["bones"] = [] if entry["joint"].startswith("r_") else entry["bones"]
    names = [f"b{i}" for i in range(len(rig.bone_names))]
    rename = dict(zip(rig.bone_names, names, strict=True))
    for entry in half["rows"]:
        entry["bones"] = [rename[b] for b in entry["bones"]]
    other = type(rig)(rig.name, names, rig.parents, moved, rig.lengths)
    filled, count = mirrored(BoneMapping.from_dict(half), other)
    assert count == 13 and filled.bone_for("r_knee") == rename["shin.R"]
    assert np.isclose(moved[other.index[filled.bone_for("r_knee")], 0, 3], 3.0, atol=0.3)
