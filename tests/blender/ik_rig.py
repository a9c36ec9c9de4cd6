# SPDX-License-Identifier: GPL-3.0-or-later
"""A character whose limbs follow IK controls, as an animator builds one by hand."""

from __future__ import annotations

import math

import bpy

from tests.blender.stick import stick_rig

LIMBS = {"Arm": ("Arm", "ForeArm", "Hand"), "Leg": ("UpLeg", "Leg", "Foot")}


def ik_rig(name: str, size: float = 1.0, pole_angle: float = -90.0, switch: str = "") -> bpy.types.Object:
    """The stick rig with a control for each hand and foot, a pole for each elbow and knee, and IK.

    Hands and feet copy the rotation of their controls; the left foot's control lies at the heel with the
    IK target as its child. pole_angle: degrees; poles are placed so that the rest pose holds. switch: name of
    a custom property of the hips that drives all influences, or "" for influences of one.
    """
    rig = stick_rig(name, size, 0.0)
    bpy.ops.object.mode_set(mode="EDIT")
    bones = rig.data.edit_bones

    def bone(short: str):
        return bones[f"mixamorig:{short}"]

    def control(label: str, head, tail, parent=None) -> None:
        new = bones.new(label)
        new.head, new.tail, new.parent, new.use_deform = head, tail, parent, False

    for side in ("Left", "Right"):
        for limb, (first, second, end) in LIMBS.items():
            upper, lower, hand = bone(f"{side}{first}"), bone(f"{side}{second}"), bone(f"{side}{end}")
            lower.use_connect = True
            line = (lower.tail - upper.head).normalized()
            bend = lower.head - upper.head
            bend = (bend - bend.dot(line) * line).normalized()
            # The root bone's x axis, turned by the pole angle about y, points to the pole.
            upper.align_roll(bend)
            upper.roll += math.radians(pole_angle + 90.0)
            ankle = lower.tail.copy()
            if side == "Left" and limb == "Leg":
                heel = ankle.copy()
                heel.z = 0.0
                control(f"ctrl_{side}{limb}", heel, heel - 0.2 * size * bend)
                control(f"goal_{side}{limb}", hand.head, hand.tail, bones[f"ctrl_{side}{limb}"])
                bones[f"goal_{side}{limb}"].roll = hand.roll
            else:
                control(f"ctrl_{side}{limb}", hand.head, hand.tail)
                bones[f"ctrl_{side}{limb}"].roll = hand.roll
            place = lower.head + 0.5 * size * bend
            control(f"pole_{side}{limb}", place, place + 0.1 * size * bend)
    bpy.ops.object.mode_set(mode="OBJECT")
    if switch:
        rig.pose.bones["mixamorig:Hips"][switch] = 1.0
    for side in ("Left", "Right"):
        for limb, (_, second, end) in LIMBS.items():
            goal = f"goal_{side}{limb}" if f"goal_{side}{limb}" in rig.pose.bones else f"ctrl_{side}{limb}"
            ik = rig.pose.bones[f"mixamorig:{side}{second}"].constraints.new("IK")
            ik.target, ik.subtarget, ik.chain_count = rig, goal, 2
            ik.pole_target, ik.pole_subtarget = rig, f"pole_{side}{limb}"
            ik.pole_angle = math.radians(pole_angle)
            ik.iterations = 500
            copy = rig.pose.bones[f"mixamorig:{side}{end}"].constraints.new("COPY_ROTATION")
            copy.target, copy.subtarget = rig, goal
            for constraint in (ik, copy) if switch else ():
                drive(rig, constraint, switch)
    bpy.context.view_layer.update()
    return rig


def drive(rig: bpy.types.Object, constraint: bpy.types.Constraint, switch: str) -> None:
    """Let a property of the hips, FK at one, drive an influence as one minus it."""
    driver = constraint.driver_add("influence").driver
    driver.type, driver.expression = "SCRIPTED", "1 - fk"
    variable = driver.variables.new()
    variable.name = "fk"
    variable.targets[0].id = rig
    variable.targets[0].data_path = f'pose.bones["mixamorig:Hips"]["{switch}"]'
