# SPDX-License-Identifier: GPL-3.0-or-later
"""The two characters: size, stance, names, skin."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")
from mathutils import Matrix, Vector  # noqa: E402

from blender_addon.mannequins import mesh_cache  # noqa: E402
from blender_addon.mannequins.characters import add_mannequin  # noqa: E402
from blender_addon.mannequins.kinds import KINDS  # noqa: E402
from blender_addon.mannequins.mesh import PARTS, build_mesh  # noqa: E402
from blender_addon.mannequins.surface_nets import snap_to_surface, surface_nets  # noqa: E402
from blender_addon.rigs.reading import read_rig  # noqa: E402
from intermoe_engine.retarget import REQUIRED, map_bones  # noqa: E402

NAMES = {
    "Terra": ("mixamo", 1.60, "mixamorig:LeftArm", "mixamorig:LeftForeArm", "mixamorig:LeftHand"),
    "Slate": ("rigify_metarig", 1.90, "upper_arm.L", "forearm.L", "hand.L"),
}


@pytest.fixture(params=NAMES)
def rig(request: pytest.FixtureRequest, mannequin_file: Path) -> bpy.types.Object:
    bpy.ops.wm.open_mainfile(filepath=str(mannequin_file))
    return bpy.data.objects[request.param]


def skin(rig: bpy.types.Object) -> np.ndarray:
    """Vertices (V, 3) of the deformed mesh in the world."""
    graph = bpy.context.evaluated_depsgraph_get()
    item = rig.children[0].evaluated_get(graph)
    points = np.empty(len(item.data.vertices) * 3, dtype=np.float32)
    item.data.vertices.foreach_get("co", points)
    return points.reshape(-1, 3) @ np.array(item.matrix_world)[:3, :3].T


def group_weights(rig: bpy.types.Object) -> tuple[np.ndarray, list[str]]:
    item = rig.children[0]
    weights = np.zeros((len(item.data.vertices), len(item.vertex_groups)))
    for vertex in item.data.vertices:
        for entry in vertex.groups:
            weights[vertex.index, entry.group] = entry.weight
    return weights, [group.name for group in item.vertex_groups]


def turn(rig: bpy.types.Object, bone: str, axis: str, degrees: float) -> None:
    """Turn a pose bone about an axis of the armature."""
    pose = rig.pose.bones[bone]
    rest = pose.bone.matrix_local.to_3x3()
    world = Matrix.Rotation(np.radians(degrees), 3, axis)
    pose.rotation_mode = "QUATERNION"
    pose.rotation_quaternion = (rest.inverted() @ world @ rest).to_quaternion()
    bpy.context.view_layer.update()


def direction(bone: bpy.types.Bone) -> Vector:
    return (bone.tail_local - bone.head_local).normalized()


def test_height_stance_and_facing(rig: bpy.types.Object) -> None:
    points = skin(rig)
    assert abs(points[:, 2].max() - NAMES[rig.name][1]) < 0.03
    assert abs(points[:, 2].min()) < 0.005  # on the floor
    assert abs(points[:, 0].max() + points[:, 0].min()) < 0.02  # as wide to the left as to the right
    feet = points[points[:, 2] < 0.03]
    assert feet[:, 1].min() < -0.1 and abs(feet[:, 1].min()) > 2 * feet[:, 1].max()  # toes towards -Y
    left = next(b for b in rig.data.bones if b.name in ("mixamorig:LeftHand", "hand.L"))
    assert left.head_local.x > 0.3


def test_the_rest_pose_is_t_or_a(rig: bpy.types.Object) -> None:
    arm = rig.data.bones[NAMES[rig.name][2]]
    drop = np.degrees(np.arcsin(-direction(arm).z))
    assert abs(drop - (0.0 if rig.name == "Terra" else 42.0)) < 3.0


def test_the_bones_are_known_to_the_retargeter(rig: bpy.types.Object) -> None:
    mapping = map_bones(read_rig(rig))
    assert mapping.preset == NAMES[rig.name][0]
    assert all(mapping.bones_for(slot) for slot in REQUIRED)


def test_every_vertex_is_held_by_at_most_four_bones_with_weights_of_one(rig: bpy.types.Object) -> None:
    weights, names = group_weights(rig)
    assert np.allclose(weights.sum(axis=1), 1.0, atol=0.01)
    assert (weights > 0).sum(axis=1).max() <= 4
    assert set(names) <= {bone.name for bone in rig.data.bones if bone.use_deform}
    assert (weights.max(axis=0) > 0.5).all()  # no deforming bone without flesh


def test_skin_does_not_cling_to_the_wrong_side(rig: bpy.types.Object) -> None:
    weights, names = group_weights(rig)
    points = skin(rig)
    limbs = [
        i for i, n in enumerate(names) if any(k in n for k in ("Leg", "Foot", "Arm", "thigh", "shin", "arm"))
    ]
    left = [i for i in limbs if "Left" in names[i] or names[i].endswith(".L")]
    assert weights[points[:, 0] < -0.03][:, left].max() < 0.05


def test_a_bent_elbow_carries_the_hand_and_leaves_the_body(rig: bpy.types.Object) -> None:
    _, _, upper, lower, hand = NAMES[rig.name]
    weights, names = group_weights(rig)
    before = skin(rig)
    turn(rig, lower, "Z", -90.0)
    after = skin(rig)
    moved = np.linalg.norm(after - before, axis=-1)
    part = {hand, *(bone.name for bone in rig.data.bones[hand].children_recursive)}
    fingers = weights[:, [i for i, n in enumerate(names) if n in part]].sum(axis=1) > 0.999
    assert fingers.sum() > 50
    # the hand is rigid: distances within it stay
    a, b = before[fingers], after[fingers]
    assert np.allclose(np.linalg.norm(a - a[0], axis=-1), np.linalg.norm(b - b[0], axis=-1), atol=1e-3)
    assert moved[fingers].min() > 0.1
    far = before[:, 0] < 0.1
    assert moved[far].max() < 1e-5
    # the elbow bends without collapsing: no skin comes nearer to the joint than half the limb's radius
    elbow = np.array(rig.pose.bones[lower].head)
    joint = np.linalg.norm(before - elbow, axis=-1) < 0.09
    radius = np.linalg.norm(before[joint] - elbow, axis=-1).min()
    assert np.linalg.norm(after[joint] - elbow, axis=-1).min() > 0.5 * radius


def test_bent_limbs_are_slightly_bent_at_rest(rig: bpy.types.Object) -> None:
    """A straight limb has no bend plane; a real rig shows its own."""
    bones = rig.data.bones
    _, _, upper, lower, _ = NAMES[rig.name]
    legs = ("mixamorig:LeftUpLeg", "mixamorig:LeftLeg") if rig.name == "Terra" else ("thigh.L", "shin.L")
    for a, b, front in ((upper, lower, 1.0), (*legs, -1.0)):
        angle = np.degrees(direction(bones[a]).angle(direction(bones[b])))
        assert 2.0 < angle < 15.0
        middle = (bones[a].head_local + bones[b].tail_local) / 2
        assert (bones[b].head_local - middle).y * front > 0  # elbows point back, knees forward


def test_adding_one_keeps_selection_and_is_quick() -> None:
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.active_object
    start = time.process_time()
    first = add_mannequin("terra", (1.0, 2.0, 0.0))
    assert time.process_time() - start < 3.0
    second = add_mannequin("terra")
    assert bpy.context.view_layer.objects.active == cube
    assert list(bpy.context.selected_objects) == [cube]
    assert tuple(first.location) == (1.0, 2.0, 0.0) and first != second
    assert first.children[0].modifiers[0].object == first
    with pytest.raises(ValueError, match="terra, slate"):
        add_mannequin("nobody")


@pytest.mark.parametrize("kind", KINDS)
def test_shells_and_hands_are_closed_surfaces(kind: str) -> None:
    mesh = build_mesh(KINDS[kind].build, spacing=0.02, hand_spacing=0.009)
    quads = mesh.quads[np.isin(mesh.materials, (0, 2))]
    edges = np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2)
    key = edges[:, 0].astype(np.int64) * len(mesh.vertices) + edges[:, 1]
    back = edges[:, 1].astype(np.int64) * len(mesh.vertices) + edges[:, 0]
    # each directed edge has its opposite: no rim, and all faces wound alike
    assert np.array_equal(np.sort(key), np.sort(back))
    assert mesh.parts.max() < len(PARTS)


def test_surface_nets_find_a_sphere() -> None:
    spacing, radius = 0.05, 0.6
    axis = np.arange(-1, 1.0001, spacing)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    field = lambda p: np.linalg.norm(p, axis=-1) - radius
    vertices, quads = surface_nets(field(grid), np.array([-1.0, -1.0, -1.0]), spacing)
    assert np.abs(np.linalg.norm(vertices, axis=-1) - radius).max() < 0.1 * spacing
    assert np.abs(field(snap_to_surface(field, vertices))).max() < 1e-5
    a, b, c, d = (vertices[quads[:, i]] for i in range(4))
    normal = np.cross(c - a, d - b) / 2
    assert ((normal * a).sum(-1) > 0).all()  # outward
    assert abs(np.linalg.norm(normal, axis=-1).sum() / (4 * np.pi * radius**2) - 1) < 0.01
    assert len(vertices) - 2 * len(quads) + len(quads) == 2  # Euler: V - E + F, with two edges a quad


def test_a_mesh_is_built_once_and_read_from_disk_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERMOE_CACHE", str(tmp_path))
    built: list[str] = []

    def counted(build):
        built.append(str(build))
        return build_mesh(build, spacing=0.03, hand_spacing=0.015)

    monkeypatch.setattr(mesh_cache, "build_mesh", counted)
    build = KINDS["terra"].build
    first, second = mesh_cache.mesh_of(build), mesh_cache.mesh_of(build)
    assert len(built) == 1
    assert np.array_equal(first.quads, second.quads) and np.array_equal(first.parts, second.parts)
    assert np.abs(first.vertices - second.vertices).max() < 1e-6
    assert np.abs(first.weights - second.weights).max() < 1e-6
    assert mesh_cache.file_name(build) != mesh_cache.file_name(KINDS["slate"].build)
    file = next((tmp_path / "mannequins").iterdir())
    file.write_bytes(file.read_bytes()[:1000])  # torn by a crash of the machine
    mesh_cache.mesh_of(build)
    assert len(built) == 2
