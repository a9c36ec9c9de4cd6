# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh of a character as the retargeter needs it: where its skin is at rest, and which bone moves it."""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false, reportGeneralTypeIssues=false
# pyright: reportArgumentType=false

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np

from intermoe_engine.retarget import BoneMapping, RigDescription
from intermoe_engine.retarget.touch.skin import measured_girths

_MOST_VERTICES = 6000
"""Of one mesh: weights can only be read one by one, and a median needs no more."""


def with_girths(rig: bpy.types.Object, description: RigDescription, mapping: BoneMapping) -> RigDescription:
    """The description with the thickness of the body as its meshes show it. Raises RigError."""
    vertices, bones = skin_of(rig, description)
    if len(vertices) == 0 or mapping.missing():
        return description
    return replace(description, girths=measured_girths(description, mapping, vertices, bones))


def skin_of(rig: bpy.types.Object, description: RigDescription) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) at rest in armature space, and the number (V,) of the bone that moves each most.

    Meshes with an armature modifier and meshes parented to a bone; of large ones an even sample.
    """
    to_armature = np.linalg.inv(np.array(rig.matrix_world))
    places, owners = [np.zeros((0, 3))], [np.zeros(0, dtype=int)]
    for item in bpy.data.objects:
        if item.type != "MESH" or not item.data.vertices:
            continue
        matrix = to_armature @ np.array(item.matrix_world)
        sample = np.arange(0, len(item.data.vertices), max(1, len(item.data.vertices) // _MOST_VERTICES))
        if any(modifier.type == "ARMATURE" and modifier.object == rig for modifier in item.modifiers):
            bones = _heaviest_bones(item, sample, description)
        elif item.parent == rig and item.parent_type == "BONE" and item.parent_bone in description.index:
            pose, rest = (
                rig.pose.bones[item.parent_bone].matrix,
                rig.data.bones[item.parent_bone].matrix_local,
            )
            matrix = np.array(rest) @ np.linalg.inv(np.array(pose)) @ matrix
            bones = np.full(len(sample), description.index[item.parent_bone])
        else:
            continue
        points = np.empty(3 * len(item.data.vertices), dtype=np.float32)
        item.data.vertices.foreach_get("co", points)
        points = points.reshape(-1, 3)[sample[bones >= 0]].astype(float)
        places.append(points @ matrix[:3, :3].T + matrix[:3, 3])
        owners.append(bones[bones >= 0])
    return np.concatenate(places), np.concatenate(owners)


def _heaviest_bones(item: bpy.types.Object, sample: np.ndarray, description: RigDescription) -> np.ndarray:
    """The bone (S,) with the largest weight on each sampled vertex, -1 where no bone has any."""
    bone_of = [description.index.get(group.name, -1) for group in item.vertex_groups]
    deforms = description.deform
    bone_of = np.array([b if b >= 0 and deforms[b] else -1 for b in bone_of], dtype=int)
    vertices = item.data.vertices
    found = np.full(len(sample), -1)
    for i, index in enumerate(sample.tolist()):
        weights = [(group.weight, bone_of[group.group]) for group in vertices[index].groups]
        known = [pair for pair in weights if pair[1] >= 0 and pair[0] > 0]
        if known:
            found[i] = max(known)[1]
    return found
