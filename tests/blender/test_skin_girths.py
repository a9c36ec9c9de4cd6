# SPDX-License-Identifier: GPL-3.0-or-later
"""Thickness of characters measured on their meshes, against meshes of known thickness."""

from __future__ import annotations

import time

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")
from mathutils import Matrix, Vector  # noqa: E402

from blender_addon.mannequins.characters import add_mannequin  # noqa: E402
from blender_addon.mannequins.kinds import KINDS  # noqa: E402
from blender_addon.rigs.reading import read_rig  # noqa: E402
from blender_addon.rigs.skin import skin_of, with_girths  # noqa: E402
from intermoe_engine.retarget import map_bones  # noqa: E402
from tests.blender.stick import stick_rig  # noqa: E402

RADII = {"Arm": 0.06, "ForeArm": 0.045, "UpLeg": 0.1, "Leg": 0.06}
PARTS = {"Arm": "upper_arm", "ForeArm": "forearm", "UpLeg": "thigh", "Leg": "shin"}
CHEST = 0.14


def stout(scale: float, parent_to_bones: bool) -> bpy.types.Object:
    """Mixamo bones in tubes of known radii and a trunk that is a sphere cast, object scaled and placed."""
    bpy.ops.wm.read_homefile(use_empty=True)
    rig = stick_rig("Stout", 1.0 / scale, 0.0)
    rig.scale = (scale,) * 3
    rig.location, rig.rotation_euler = (3.0, -1.0, 0.0), (0.0, 0.0, 1.1)
    bpy.context.view_layer.update()
    for side in ("Left", "Right"):
        for bone, radius in RADII.items():
            tube(rig, f"mixamorig:{side}{bone}", radius / scale, parent_to_bones)
    tube(rig, "mixamorig:Spine2", CHEST / scale, parent_to_bones)
    return rig


def tube(rig: bpy.types.Object, name: str, radius: float, parent_to_bone: bool) -> None:
    """A tube around a bone at rest, moved by that bone."""
    bone = rig.data.bones[name]
    turn = Vector((0, 0, 1)).rotation_difference(bone.tail_local - bone.head_local).to_matrix().to_4x4()
    place = Matrix.Translation((bone.head_local + bone.tail_local) / 2) @ turn
    bpy.ops.mesh.primitive_cylinder_add(
        vertices=24, radius=radius, depth=bone.length, end_fill_type="NOTHING"
    )
    item = bpy.context.object
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.subdivide(number_cuts=6)
    bpy.ops.object.mode_set(mode="OBJECT")
    item.parent = rig
    if parent_to_bone:
        item.parent_type, item.parent_bone = "BONE", name
    else:
        item.vertex_groups.new(name=name).add(list(range(len(item.data.vertices))), 1.0, "REPLACE")
        item.modifiers.new("Armature", "ARMATURE").object = rig
    bpy.context.view_layer.update()
    item.matrix_world = rig.matrix_world @ place
    bpy.context.view_layer.update()


@pytest.mark.parametrize(("scale", "parent_to_bones"), [(1.0, False), (0.01, False), (1.0, True)])
def test_known_thickness_comes_back(scale: float, parent_to_bones: bool) -> None:
    rig = stout(scale, parent_to_bones)
    rig.pose.bones["mixamorig:LeftArm"].rotation_quaternion = (0.8, 0.0, 0.0, 0.6)  # a pose is no rest
    bpy.context.view_layer.update()
    description = read_rig(rig)
    girths = with_girths(rig, description, map_bones(description)).girths
    for bone, radius in RADII.items():
        for side in ("l", "r"):
            found = girths[f"{side}_{PARTS[bone]}"] * scale
            assert found == pytest.approx(radius, rel=0.1), bone
    assert girths["chest"] * scale == pytest.approx(CHEST, rel=0.1)
    assert "l_hand" not in girths and "head" not in girths


@pytest.mark.parametrize("kind", KINDS, ids=("small", "tall"))
def test_mannequins_are_as_thick_as_their_surface(kind) -> None:
    """Where rays from the middle of upper arms and thighs meet the mesh, against what was measured."""
    bpy.ops.wm.read_homefile(use_empty=True)
    rig = add_mannequin(kind)
    description = read_rig(rig)
    mapping = map_bones(description)
    began = time.process_time()
    girths = with_girths(rig, description, mapping).girths
    assert time.process_time() - began < 0.5
    assert len(girths) == 16
    skin = next(o for o in bpy.data.objects if o.type == "MESH")
    for part, joint, end in (("l_upper_arm", "l_shoulder", "l_elbow"), ("r_thigh", "r_hip", "r_knee")):
        start, stop = (
            Vector(description.heads[description.index[mapping.bone_for(j)]]) for j in (joint, end)
        )
        axis = (stop - start).normalized()
        aside = axis.orthogonal()
        distances = []
        for along in np.linspace(0.25, 0.75, 5):
            for angle in np.linspace(0, 2 * np.pi, 16, endpoint=False):
                way = Matrix.Rotation(angle, 3, axis) @ aside
                hit, place, _, _ = skin.ray_cast(start.lerp(stop, along), way)
                if hit:
                    distances.append((place - start.lerp(stop, along)).length)
        assert len(distances) > 60
        assert girths[part] == pytest.approx(np.median(distances), rel=0.1), part


def test_a_rig_without_a_mesh_is_as_thick_as_its_bones() -> None:
    bpy.ops.wm.read_homefile(use_empty=True)
    rig = stick_rig("Thin", 1.0, 0.0)
    description = read_rig(rig)
    vertices, bones = skin_of(rig, description)
    assert vertices.shape == (0, 3) and bones.shape == (0,)
    assert with_girths(rig, description, map_bones(description)).girths == {}
