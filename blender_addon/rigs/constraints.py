# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads which bones of an armature follow which others by constraints, and what switches that on and off."""
# bpy's stubs know base classes alone (no Light.energy), and take some properties for methods.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import re

import bpy

from intermoe_engine.retarget.constraints import RigConstraint, Switch

from .. import compat

_BONE_PROPERTY = re.compile(r'pose\.bones\["(?P<bone>[^"]+)"\]\["(?P<property>[^"]+)"\]')
_AS_IT_IS = re.compile(r"\s*\(?\s*(\w+)\s*\)?\s*")
_REVERSED = re.compile(r"\s*1(?:\.0*)?\s*-\s*\(?\s*(\w+)\s*\)?\s*")
_PLAIN_KINDS = {"AVERAGE", "SUM", "MIN", "MAX"}


def read_constraints(rig: bpy.types.Object) -> tuple[RigConstraint, ...]:
    """Constraints of pose bones that follow bones of the same armature, but for limits and for what is
    muted for good."""
    data = rig.animation_data
    drivers = {curve.data_path: curve for curve in data.drivers} if data else {}
    # Of what an action moves, the value of the moment says little.
    moved = {c.data_path for c in compat.action_curves(data.action, rig)} if data and data.action else set()
    found = []
    for bone in rig.pose.bones:
        for constraint in bone.constraints:
            target = getattr(constraint, "subtarget", "")
            if (
                getattr(constraint, "target", None) != rig
                or not target
                or constraint.type.startswith("LIMIT_")
            ):
                continue
            if constraint.mute and constraint.path_from_id("mute") not in drivers:
                continue
            path = constraint.path_from_id("influence")
            curve = drivers.get(path)
            if curve is None and constraint.influence == 0 and path not in moved:
                continue
            switch = None if curve is None else _switch(rig, curve)
            is_ik = constraint.type == "IK"
            has_pole = is_ik and constraint.pole_target == rig
            found.append(
                RigConstraint(
                    bone.name,
                    constraint.name,
                    constraint.type,
                    target,
                    pole=constraint.pole_subtarget if has_pole else "",
                    pole_angle=constraint.pole_angle if has_pole else 0.0,
                    chain_length=constraint.chain_count if is_ik else 0,
                    stretches=is_ik and constraint.use_stretch and bone.ik_stretch > 0,
                    switch=switch,
                    is_driven=curve is not None and switch is None,
                )
            )
    return tuple(found)


def _switch(rig: bpy.types.Object, curve: bpy.types.FCurve) -> Switch | None:
    """The custom property behind a driver that passes it on as it is, or as one minus it."""
    driver = curve.driver
    if driver is None or len(driver.variables) != 1 or driver.variables[0].type != "SINGLE_PROP":
        return None
    variable = driver.variables[0]
    target = variable.targets[0]
    path = _BONE_PROPERTY.fullmatch(target.data_path)
    if path is None or target.id != rig or path["bone"] not in rig.pose.bones:
        return None
    if path["property"] not in rig.pose.bones[path["bone"]]:
        return None
    straight, reversed_ = _AS_IT_IS.fullmatch(driver.expression), _REVERSED.fullmatch(driver.expression)
    if driver.type in _PLAIN_KINDS:
        slope, start = _line(curve)
    elif driver.type == "SCRIPTED" and straight and straight[1] == variable.name:
        slope, start = 1.0, 0.0
    elif driver.type == "SCRIPTED" and reversed_ and reversed_[1] == variable.name:
        slope, start = -1.0, 1.0
    else:
        return None
    if abs(slope) < 1e-6:
        return None
    return Switch(path["bone"], path["property"], off=-start / slope, on=(1.0 - start) / slope)


def _line(curve: bpy.types.FCurve) -> tuple[float, float]:
    """Slope and start of a driver's curve: one and zero, or what its polynomial modifier makes of them."""
    modifiers = [m for m in curve.modifiers if m.type == "GENERATOR" and not m.mute]
    if not modifiers:
        return 1.0, 0.0
    generator = modifiers[0]
    is_line = len(modifiers) == 1 and generator.mode == "POLYNOMIAL" and generator.poly_order == 1
    if not is_line or generator.use_additive:
        return 0.0, 0.0
    return float(generator.coefficients[1]), float(generator.coefficients[0])
