# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a character is said in words, and nothing is said of one that is right."""

from __future__ import annotations

from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")
from mathutils import Vector  # noqa: E402

from blender_addon.rigs import bone_map, checks  # noqa: E402
from blender_addon.rigs.reading import read_rig  # noqa: E402


@pytest.fixture
def terra(mannequin_file: Path) -> bpy.types.Object:
    bpy.ops.wm.open_mainfile(filepath=str(mannequin_file))
    return bpy.data.objects["Terra"]


def said(rig: bpy.types.Object, level: str) -> str:
    bpy.context.view_layer.update()
    return "\n".join(finding.text for finding in checks.examine(rig) if finding.level == level)


def edit_bones(rig: bpy.types.Object):
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    return rig.data.edit_bones


@pytest.mark.parametrize("name", ["Terra", "Slate"])
def test_a_good_character_is_ready(terra: bpy.types.Object, name: str) -> None:
    findings = checks.examine(bpy.data.objects[name])
    assert [finding.level for finding in findings] == ["ok"]
    assert f"{name} is ready" in findings[0].text


def test_an_armature_without_legs(terra: bpy.types.Object) -> None:
    bones = edit_bones(terra)
    for bone in [bone for bone in bones if "Leg" in bone.name or "Foot" in bone.name or "Toe" in bone.name]:
        bones.remove(bone)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert "left upper leg" in said(terra, "error")


def test_scale(terra: bpy.types.Object) -> None:
    terra.scale = (1, 1, 1.5)
    assert "not the same in all directions" in said(terra, "warning")
    terra.scale = (-1, 1, 1)
    assert "zero or mirrored" in said(terra, "error") or "negative" in said(terra, "error")
    terra.scale = (100, 100, 100)
    assert "m long" in said(terra, "warning")
    terra.scale = (0.01, 0.01, 0.01)
    assert "m long" in said(terra, "warning")


def test_constraints_drivers_strips_and_rest_position(terra: bpy.types.Object) -> None:
    arm = terra.pose.bones["mixamorig:LeftArm"]
    constraint = arm.constraints.new("COPY_ROTATION")
    assert "Copy Rotation on mixamorig:LeftArm" in said(terra, "warning")
    constraint.mute = True
    terra.pose.bones["mixamorig:HeadTop_End"].constraints.new("COPY_ROTATION")  # is not keyed
    assert said(terra, "warning") == ""
    arm.driver_add("rotation_quaternion", 1)
    assert "Drivers turn or move mixamorig:LeftArm" in said(terra, "warning")
    arm.driver_remove("rotation_quaternion", 1)
    action = bpy.data.actions.new("old")
    terra.animation_data.nla_tracks.new().strips.new("old", 1, action)
    assert "NLA" in said(terra, "warning")
    terra.animation_data.nla_tracks[0].mute = True
    terra.data.pose_position = "REST"
    assert "Pose Position" in said(terra, "warning")


def test_left_and_right_swapped(terra: bpy.types.Object) -> None:
    mapping = bone_map.find_bones(read_rig(terra))
    table = mapping.to_dict()
    other = {"l_": "r_", "r_": "l_"}
    for row in table["rows"]:
        row["joint"] = other.get(row["joint"][:2], row["joint"][:2]) + row["joint"][2:]
    bone_map.keep(terra, type(mapping).from_dict(table))
    assert "toes point backwards" in said(terra, "error")


def test_guesses_and_one_sided_rows(terra: bpy.types.Object) -> None:
    mapping = bone_map.find_bones(read_rig(terra))
    table = mapping.to_dict()
    for row in table["rows"]:
        if row["joint"] == "l_collar":
            row["confidence"] = 0.2
        if row["joint"] in ("l_wrist", "l_foot", "r_foot"):
            row["bones"] = []
    bone_map.keep(terra, type(mapping).from_dict(table))
    warnings = said(terra, "warning")
    assert "guesses: left shoulder" in warnings and "choose a bone for the left hand" in warnings
    assert "toes stay as at rest" in said(terra, "ok")


def test_raised_arms_and_a_rig_that_floats(terra: bpy.types.Object) -> None:
    bones = edit_bones(terra)
    for side in ("Left", "Right"):
        arm, fore = bones[f"mixamorig:{side}Arm"], bones[f"mixamorig:{side}ForeArm"]
        length = arm.length
        arm.tail = arm.head + Vector((0, 0, length))
        fore.head = arm.tail
    bpy.ops.object.mode_set(mode="OBJECT")
    assert "raised at rest" in said(terra, "warning")
    bones = edit_bones(terra)
    for bone in bones:
        bone.use_connect = False
    for bone in bones:
        bone.head.z += 3.0
        bone.tail.z += 3.0
    bpy.ops.object.mode_set(mode="OBJECT")
    assert "above its origin" in said(terra, "warning")


def test_nothing_is_changed(terra: bpy.types.Object) -> None:
    before = (terra.matrix_world.copy(), list(terra.keys()), bpy.data.actions[:])
    checks.examine(terra)
    assert (terra.matrix_world, list(terra.keys()), bpy.data.actions[:]) == before
