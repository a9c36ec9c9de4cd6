# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an armature object into the engine's RigDescription, without changing it."""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import bpy
import numpy as np

from intermoe_engine.retarget.errors import RigError
from intermoe_engine.retarget.rig import RigDescription

from ..space import canonical_world_matrix
from .constraints import read_constraints


def read_rig(armature_object: bpy.types.Object) -> RigDescription:
    """The rest pose, hierarchy and world placement of an armature, at the current frame.

    World placement is the evaluated matrix_world, so parents and constraints of the object count; the pose
    does not. Raises RigError if the object is no armature or has no bones.
    """
    if armature_object is None or armature_object.type != "ARMATURE":
        name = armature_object.name if armature_object else "nothing"
        raise RigError(f"{name} is not an armature; pick the armature object of the character")
    bones = armature_object.data.bones
    count = len(bones)
    if count == 0:
        raise RigError(f"The armature {armature_object.name} has no bones; pick another one")
    names = [bone.name for bone in bones]
    index = {name: i for i, name in enumerate(names)}
    parents = np.array([index[bone.parent.name] if bone.parent else -1 for bone in bones], dtype=int)
    matrices = np.empty(count * 16, dtype=np.float32)
    bones.foreach_get("matrix_local", matrices)
    # Blender hands matrices over column by column
    rest = matrices.reshape(count, 4, 4).transpose(0, 2, 1).astype(float)
    evaluated = armature_object.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return RigDescription(
        name=armature_object.name,
        bone_names=names,
        parents=parents,
        rest_matrices=rest,
        lengths=_floats(bones, "length"),
        world_matrix=canonical_world_matrix(np.array(evaluated.matrix_world)),
        inherit_rotation=_flags(bones, "use_inherit_rotation"),
        connected=_flags(bones, "use_connect"),
        inherit_scale=[bone.inherit_scale for bone in bones],
        use_local_location=_flags(bones, "use_local_location"),
        deform=_flags(bones, "use_deform"),
        constraints=read_constraints(armature_object),
    )


def _flags(bones: bpy.types.bpy_prop_collection, name: str) -> np.ndarray:
    values = np.empty(len(bones), dtype=bool)
    bones.foreach_get(name, values)
    return values


def _floats(bones: bpy.types.bpy_prop_collection, name: str) -> np.ndarray:
    values = np.empty(len(bones), dtype=np.float32)
    bones.foreach_get(name, values)
    return values.astype(float)
