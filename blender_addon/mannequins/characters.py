# SPDX-License-Identifier: GPL-3.0-or-later
"""A mannequin as Blender objects: armature, mesh, materials and skinning."""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false, reportArgumentType=false

from __future__ import annotations

from collections.abc import Mapping

import bpy
import numpy as np
from mathutils import Vector

from .kinds import KINDS, Kind
from .mesh import PARTS, SkinnedMesh
from .mesh_cache import mesh_of
from .rigs import Bone, mixamo_bones, rigify_bones
from .shape import landmarks


def add_mannequin(kind: str, location: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> bpy.types.Object:
    """Add a mannequin to the current collection and return its armature object; its mesh is a child.

    kind: a key of KINDS. location: metres, of the floor point between the feet. It faces -Y. Needs object
    mode, and leaves selection and active object as they were. Raises ValueError for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no mannequin called {kind!r}; choose one of {', '.join(KINDS)}")
    spec = KINDS[kind]
    points = landmarks(spec.build)
    bones = {"mixamo": mixamo_bones, "rigify": rigify_bones}[spec.rig](points, spec.build.height)
    body = mesh_of(spec.build)
    view_layer = bpy.context.view_layer
    active, selected = view_layer.objects.active, list(bpy.context.selected_objects)
    rig = _add_armature(kind.capitalize(), bones)
    mesh = _add_mesh(f"{rig.name}_body", body, spec)
    _bind(mesh, body, {part: bone.name for bone in bones for part in bone.parts}, rig)
    rig.location = location
    for item in bpy.context.selected_objects:
        item.select_set(False)
    for item in selected:
        item.select_set(True)
    view_layer.objects.active = active
    return rig


def _add_armature(name: str, bones: list[Bone]) -> bpy.types.Object:
    data = bpy.data.armatures.new(name)
    rig = bpy.data.objects.new(name, data)
    bpy.context.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")  # edit bones exist nowhere else
    for bone in bones:
        edit = data.edit_bones.new(bone.name)
        edit.head, edit.tail = Vector(bone.head), Vector(bone.tail)
        edit.align_roll(Vector(bone.z_axis))
        edit.use_deform = bool(bone.parts)
        if bone.parent is not None:
            edit.parent = data.edit_bones[bone.parent]
            edit.use_connect = (edit.head - edit.parent.tail).length < 1e-6
    bpy.ops.object.mode_set(mode="OBJECT")
    return rig


def _add_mesh(name: str, body: SkinnedMesh, spec: Kind) -> bpy.types.Object:
    mesh = bpy.data.meshes.new(name)
    count = len(body.quads)
    mesh.vertices.add(len(body.vertices))
    mesh.vertices.foreach_set("co", body.vertices.astype(np.float32).ravel())
    mesh.loops.add(4 * count)
    mesh.loops.foreach_set("vertex_index", body.quads.astype(np.int32).ravel())
    mesh.polygons.add(count)
    mesh.polygons.foreach_set("loop_start", np.arange(0, 4 * count, 4, dtype=np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(count, dtype=bool))
    for label, colour, roughness in (
        ("shell", spec.shell, 0.42),
        ("joint", spec.joint, 0.55),
        ("visor", spec.visor, 0.15),
    ):
        mesh.materials.append(_material(f"{name}_{label}", colour, roughness))
    mesh.polygons.foreach_set("material_index", body.materials.astype(np.int32))
    mesh.update(calc_edges=True)
    mesh.validate()
    item = bpy.data.objects.new(name, mesh)
    bpy.context.collection.objects.link(item)
    return item


def _material(name: str, colour: tuple[float, float, float], roughness: float) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    material.diffuse_color = (*colour, 1.0)
    material.roughness = roughness
    if material.node_tree is None:
        material.use_nodes = True
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Roughness"].default_value = roughness
    return material


def _bind(
    item: bpy.types.Object, body: SkinnedMesh, part_bone: Mapping[str, str], rig: bpy.types.Object
) -> None:
    """Vertex groups by bone name, and the armature modifier. Several parts may share one bone."""
    weights = np.zeros((len(body.vertices), len(PARTS)))
    np.put_along_axis(weights, body.parts, body.weights, axis=1)
    for bone in dict.fromkeys(part_bone.values()):
        share = weights[:, [i for i, part in enumerate(PARTS) if part_bone.get(part) == bone]].sum(axis=1)
        group = item.vertex_groups.new(name=bone)
        levels = np.round(share * 255).astype(int)  # equal weights go in together: one call a level
        order = np.argsort(levels, kind="stable")
        starts = np.searchsorted(levels[order], np.arange(257))
        for level in np.unique(levels[levels > 0]):
            group.add(order[starts[level] : starts[level + 1]].tolist(), level / 255, "REPLACE")
    item.parent = rig
    modifier = item.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig
