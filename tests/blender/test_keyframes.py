# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading rigs and writing actions, against what Blender evaluates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")
from mathutils import Euler, Matrix, Quaternion  # noqa: E402

from blender_addon import compat  # noqa: E402
from blender_addon.rigs.keyframes import KeyframeError, write_action  # noqa: E402
from blender_addon.rigs.reading import read_rig  # noqa: E402
from blender_addon.space import to_canonical  # noqa: E402
from intermoe_engine.retarget import RigError, RigMotion, retarget_pair  # noqa: E402
from tests.blender.synthetic import same_rotation, swaying_take, wandering  # noqa: E402

MODES = ("QUATERNION", "AXIS_ANGLE", "XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")
T = 40


@pytest.fixture
def rig() -> bpy.types.Object:
    """A chain of a bone for each rotation mode, and one more that no motion touches."""
    bpy.ops.wm.read_homefile(use_empty=True)
    data = bpy.data.armatures.new("Chain")
    item = bpy.data.objects.new("Chain", data)
    bpy.context.collection.objects.link(item)
    bpy.context.view_layer.objects.active = item
    bpy.ops.object.mode_set(mode="EDIT")
    parent = None
    for i, name in enumerate((*MODES, "extra")):
        bone = data.edit_bones.new(name)
        bone.head, bone.tail = (0.1 * i, 0, 0.3 * i), (0.1 * (i + 1), 0, 0.3 * (i + 1))
        bone.roll = 0.3 * i
        bone.parent = parent
        parent = bone
    bpy.ops.object.mode_set(mode="OBJECT")
    for mode in MODES:
        item.pose.bones[mode].rotation_mode = mode
    return item


def motion(seed: int = 0) -> RigMotion:
    rotations = np.stack([wandering(T, seed + i) for i in range(len(MODES))], axis=1)
    locations = np.cumsum(np.random.default_rng(seed).normal(0, 0.02, (T, 3)), axis=0)
    return RigMotion(24.0, list(MODES), rotations, MODES[0], locations, np.zeros((T, 9, 3)))


def played(rig: bpy.types.Object, start: int) -> tuple[np.ndarray, np.ndarray]:
    """What Blender makes of the action: rotations (T, K, 4) and the root's locations (T, 3)."""
    rotations, locations = [], []
    for frame in range(start, start + T):
        bpy.context.scene.frame_set(frame)
        rotations.append([rig.pose.bones[m].matrix_basis.to_quaternion() for m in MODES])
        locations.append(tuple(rig.pose.bones[MODES[0]].location))
    return np.array(rotations), np.array(locations)


def test_action_plays_the_motion_in_every_rotation_mode(rig: bpy.types.Object) -> None:
    expected = motion()
    action = write_action(rig, expected, "take", 5)
    rotations, locations = played(rig, 5)
    for k, mode in enumerate(MODES):
        assert same_rotation(rotations[:, k], expected.rotations[:, k]) < 2e-3, mode
        assert rig.pose.bones[mode].rotation_mode == mode
    assert np.allclose(locations, expected.root_locations, atol=1e-6)
    assert rig.animation_data.action == action
    assert tuple(action.frame_range) == (5.0, 44.0)


def test_keys_are_linear_and_grouped_by_bone(rig: bpy.types.Object) -> None:
    action = write_action(rig, motion(), "take")
    curves = compat.action_curves(action, rig)
    assert {key.interpolation for curve in curves for key in curve.keyframe_points} == {"LINEAR"}
    assert {curve.group.name for curve in curves} == set(MODES)
    assert len(curves) == 4 + 4 + 6 * 3 + 3


def test_the_action_before_and_the_scene_stay(rig: bpy.types.Object) -> None:
    scene = bpy.context.scene
    scene.render.fps, scene.frame_start, scene.frame_end = 24, 3, 77
    first = write_action(rig, motion(0), "take")
    second = write_action(rig, motion(1), "take")
    assert first != second and first.use_fake_user
    assert rig.animation_data.action == second
    assert len(compat.action_curves(second)) == len(compat.action_curves(first))
    assert (scene.render.fps, scene.frame_start, scene.frame_end) == (24, 3, 77)


def test_a_missing_bone_changes_nothing(rig: bpy.types.Object) -> None:
    bad = motion()
    bad.bones[2] = "not there"
    before = len(bpy.data.actions)
    with pytest.raises(KeyframeError, match="not there"):
        write_action(rig, bad, "take")
    assert len(bpy.data.actions) == before and rig.animation_data is None


def test_bones_outside_the_motion_are_held_at_rest(rig: bpy.types.Object) -> None:
    extra = rig.pose.bones["extra"]
    extra.rotation_mode = "XYZ"
    extra.rotation_euler = (0.5, 0.1, 0.0)
    extra.location = (0.2, 0.0, 0.0)
    rig.pose.bones["XYZ"].scale = (2.0, 1.0, 1.0)
    write_action(rig, motion(), "take")
    bpy.context.scene.frame_set(10)
    assert np.allclose(extra.matrix_basis, Matrix.Identity(4), atol=1e-6)
    assert np.allclose(rig.pose.bones["XYZ"].scale, 1.0)


def test_switches_of_the_rig_are_held_by_the_action(rig: bpy.types.Object) -> None:
    rig.pose.bones["extra"]["IK_FK"] = 0.0
    rig.pose.bones["extra"]['odd "name"'] = 0.25
    held = (("extra", "IK_FK", 1.0), ("extra", 'odd "name"', 0.75), ("extra", "not there", 1.0))
    follow = rig.pose.bones["extra"].constraints.new("COPY_ROTATION")
    follow.name = 'odd "one"'
    values = (("extra", follow.name, "influence", 0.25), ("extra", "gone", "influence", 1.0))
    write_action(rig, replace(motion(), properties=held, constraint_values=values), "take")
    bpy.context.scene.frame_set(10)
    assert rig.pose.bones["extra"]["IK_FK"] == 1.0
    assert rig.pose.bones["extra"]['odd "name"'] == 0.75
    assert follow.influence == 0.25


def test_more_bones_than_the_root_can_be_moved(rig: bpy.types.Object) -> None:
    expected = np.cumsum(np.full((T, 3), 0.01), axis=0)
    write_action(rig, replace(motion(), locations={"extra": expected}), "take", 3)
    bpy.context.scene.frame_set(3 + 17)
    assert np.allclose(rig.pose.bones["extra"].location, expected[17], atol=1e-6)
    with pytest.raises(KeyframeError, match="nowhere"):
        write_action(rig, replace(motion(), locations={"nowhere": expected}), "take", 3)


def test_reading_sees_flags_and_the_placed_rest_pose(rig: bpy.types.Object) -> None:
    bones = rig.data.bones
    bones["XYZ"].use_inherit_rotation = False
    bones["YXZ"].use_local_location = False
    bones["extra"].use_deform = False
    bones["extra"].inherit_scale = "NONE"
    carrier = bpy.data.objects.new("Carrier", None)
    bpy.context.collection.objects.link(carrier)
    carrier.location, carrier.rotation_euler = (1, 2, 3), Euler((0.3, 0.2, 0.9))
    rig.parent = carrier
    rig.scale = (0.5, 0.5, 0.5)
    rig.rotation_mode = "QUATERNION"
    rig.rotation_quaternion = Quaternion((0, 0, 1), 1.0)
    rig.pose.bones["XYZ"].rotation_euler = (1, 0, 0)  # a pose is no part of the rest
    before = [list(row) for row in rig.matrix_basis]
    found = read_rig(rig)
    bpy.context.view_layer.update()
    world = found.world_matrix @ np.concatenate([found.heads, np.ones((9, 1))], axis=1).T
    expected = to_canonical([rig.matrix_world @ bone.head_local for bone in bones])
    assert np.allclose(world[:3].T, expected, atol=1e-5)
    tails = to_canonical([rig.matrix_world @ bone.tail_local for bone in bones])
    world = found.world_matrix @ np.concatenate([found.tails, np.ones((9, 1))], axis=1).T
    assert np.allclose(world[:3].T, tails, atol=1e-5)
    assert found.bone_names == [bone.name for bone in bones]
    assert found.parents.tolist() == [-1, 0, 1, 2, 3, 4, 5, 6, 7]
    at = found.index
    assert not found.inherit_rotation[at["XYZ"]] and found.inherit_rotation.sum() == 8
    assert not found.use_local_location[at["YXZ"]] and found.use_local_location.sum() == 8
    assert not found.deform[at["extra"]] and found.inherit_scale[at["extra"]] == "NONE"
    assert [list(row) for row in rig.matrix_basis] == before


def test_what_is_no_rig_is_refused() -> None:
    bpy.ops.wm.read_homefile(use_empty=True)
    with pytest.raises(RigError, match="pick the armature"):
        read_rig(bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "POINT")))
    with pytest.raises(RigError, match="no bones"):
        item = bpy.data.objects.new("Empty rig", bpy.data.armatures.new("Empty rig"))
        bpy.context.collection.objects.link(item)
        read_rig(item)


def test_retargeted_heads_are_where_blender_puts_them(mannequin_file) -> None:
    """The retargeter's forward kinematics against Blender's, on placed and scaled rigs of any bone mode."""
    bpy.ops.wm.open_mainfile(filepath=str(mannequin_file))
    rigs = (bpy.data.objects["Terra"], bpy.data.objects["Slate"])
    rigs[1].location, rigs[1].rotation_euler, rigs[1].scale = (0.4, 2.0, 0.0), (0, 0, 0.7), (1.1, 1.1, 1.1)
    for i, bone in enumerate(rigs[0].pose.bones):
        bone.rotation_mode = MODES[i % len(MODES)]
    descriptions = [read_rig(rig) for rig in rigs]
    take = swaying_take(T)
    pair = retarget_pair(take, descriptions[0], descriptions[1])
    for rig, moved in zip(rigs, pair.actors, strict=True):
        write_action(rig, moved, "take")
    for frame in (0, 13, T - 1):
        bpy.context.scene.frame_set(frame + 1)
        for rig, moved in zip(rigs, pair.actors, strict=True):
            heads = to_canonical([rig.matrix_world @ bone.head for bone in rig.pose.bones])
            assert np.abs(heads - moved.heads_world[frame]).max() < 1e-4
