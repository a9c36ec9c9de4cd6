# SPDX-License-Identifier: GPL-3.0-or-later
"""A character of bones alone, for tests."""

from __future__ import annotations

import bpy


def stick_rig(name: str, size: float, x: float) -> bpy.types.Object:
    """A T-pose skeleton along Mixamo's names, z up, facing -Y."""
    chain = {
        "Hips": ("", (0, 0, 0.95), (0, 0, 1.05)),
        "Spine": ("Hips", (0, 0, 1.05), (0, 0, 1.15)),
        "Spine1": ("Spine", (0, 0, 1.15), (0, 0, 1.25)),
        "Spine2": ("Spine1", (0, 0, 1.25), (0, 0, 1.4)),
        "Neck": ("Spine2", (0, 0, 1.4), (0, 0, 1.5)),
        "Head": ("Neck", (0, 0, 1.5), (0, 0, 1.7)),
    }
    for side, sign in (("Left", 1), ("Right", -1)):
        chain |= {
            f"{side}Shoulder": ("Spine2", (0.03 * sign, 0, 1.38), (0.15 * sign, 0, 1.38)),
            f"{side}Arm": (f"{side}Shoulder", (0.15 * sign, 0, 1.38), (0.42 * sign, 0.01, 1.38)),
            f"{side}ForeArm": (f"{side}Arm", (0.42 * sign, 0.01, 1.38), (0.67 * sign, 0, 1.38)),
            f"{side}Hand": (f"{side}ForeArm", (0.67 * sign, 0, 1.38), (0.8 * sign, 0, 1.38)),
            f"{side}UpLeg": ("Hips", (0.09 * sign, 0, 0.92), (0.09 * sign, -0.01, 0.5)),
            f"{side}Leg": (f"{side}UpLeg", (0.09 * sign, -0.01, 0.5), (0.09 * sign, 0, 0.08)),
            f"{side}Foot": (f"{side}Leg", (0.09 * sign, 0, 0.08), (0.09 * sign, -0.13, 0.02)),
            f"{side}ToeBase": (f"{side}Foot", (0.09 * sign, -0.13, 0.02), (0.09 * sign, -0.2, 0.02)),
        }
    data = bpy.data.armatures.new(name)
    rig = bpy.data.objects.new(name, data)
    rig.location.x = x
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for bone_name, (parent, head, tail) in chain.items():
        bone = data.edit_bones.new(f"mixamorig:{bone_name}")
        bone.head = [size * value for value in head]
        bone.tail = [size * value for value in tail]
        bone.parent = data.edit_bones.get(f"mixamorig:{parent}")
    bpy.ops.object.mode_set(mode="OBJECT")
    return rig
