# SPDX-License-Identifier: GPL-3.0-or-later
"""What is keyed of limbs that have IK: FK bones, the IK controls of hands and feet, or both."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .constraints import RigConstraint
from .control_keyer import ControlKeyer, IkLimb
from .mapping import SIDES, BoneMapping
from .rig import RigDescription
from .rig_kinematics import RigPose

_LIMBS = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))


@dataclass
class LimbControls:
    """What limb controls change in the keys of a rig.

    rotations, locations: bone -> basis rotations (T, 4) and locations (T, 3) of controls, armature units.
    heads: bone number -> (T, 3) where controls then are, armature space. dropped: bones that get no keys.
    properties: (bone, property) -> value, in place of those of the mapping; constraint_values: (bone,
    constraint, property) -> value.
    """

    rotations: dict[str, np.ndarray] = field(default_factory=dict)
    locations: dict[str, np.ndarray] = field(default_factory=dict)
    heads: dict[int, np.ndarray] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    properties: dict[tuple[str, str], float] = field(default_factory=dict)
    constraint_values: dict[tuple[str, str, str], float] = field(default_factory=dict)


def limbs_with_ik(rig: RigDescription, mapping: BoneMapping) -> list[str]:
    """The slots of hands and feet ("l_wrist" …) that have an IK control."""
    return [limb.slots[2] for limb in _limbs(rig, mapping)]


def limb_controls(rig: RigDescription, mapping: BoneMapping, pose: RigPose, mode: str) -> LimbControls:
    """The controls' keys for a pose that forward kinematics predict; `mode` as in
    `RetargetSettings.limb_controls`.

    Constraints by which unkeyed controls would pull keyed bones away are turned off, whatever the mode.
    """
    out = LimbControls(properties={(bone, prop): value for bone, prop, value in mapping.properties})
    limbs = _limbs(rig, mapping) if mode != "fk" else []
    keyer = ControlKeyer(rig, pose)
    kept: set[tuple[str, str]] = set()
    for limb in limbs:
        keyer.key(limb)
        _hold_length(rig, limb, out)
        if mode == "ik":
            kept |= _switch_on(rig, mapping, limb, out)
    if limbs:
        switches = {(bone, prop): value for bone, prop, value in mapping.ik_properties}
        out.properties = out.properties | switches if mode == "ik" else switches | out.properties
    _release(mapping, rig, kept, out)
    keyed = set(mapping.keyed_bones) if mode == "both" else set()
    out.rotations = {bone: keys for bone, keys in keyer.rotations.items() if bone not in keyed}
    out.locations = keyer.locations
    out.heads = {bone: head for bone, (_, head) in keyer.placed.items()}
    return out


def _limbs(rig: RigDescription, mapping: BoneMapping) -> list[IkLimb]:
    found = []
    for side in SIDES:
        for names in _LIMBS:
            slots = (f"{side}_{names[0]}", f"{side}_{names[1]}", f"{side}_{names[2]}")
            limb = _by_preset(rig, mapping, slots) or _by_constraint(rig, mapping, slots)
            if limb is not None and not (rig.connected[rig.index[limb.control]]):
                found.append(limb)
    return found


def _by_preset(rig: RigDescription, mapping: BoneMapping, slots: tuple[str, str, str]) -> IkLimb | None:
    """Controls that the mapping names, beside FK bones of their own."""
    control, pole = mapping.ik_controls.get(slots[2], ""), mapping.ik_controls.get(slots[1], "")
    first, second, end = (mapping.bone_for(slot) for slot in slots)
    if control not in rig.index or first is None or second is None or end is None:
        return None
    pole = pole if pole in rig.index else ""
    constraint = next((c for c in rig.constraints if c.kind == "IK" and pole and c.pole == pole), None)
    is_leg, foot = slots[2].endswith("ankle"), f"{slots[0][0]}_foot"
    toe = mapping.ik_controls.get(foot, "") if is_leg else ""
    keyed_toe = (mapping.bone_for(foot) or "") if toe in rig.index else ""
    return IkLimb(
        slots, first, second, end, control, pole=pole, toe=toe if keyed_toe else "", keyed_toe=keyed_toe,
        constraint=constraint, has_fk_bones=True,
    )  # fmt: skip


def _by_constraint(rig: RigDescription, mapping: BoneMapping, slots: tuple[str, str, str]) -> IkLimb | None:
    """A limb whose keyed bones themselves follow an IK control."""
    first, second, end = (next(iter(mapping.bones_for(slot)[-1:]), None) for slot in slots)
    if first is None or second is None or rig.parents[rig.index[second]] != rig.index[first]:
        return None
    constraint = next(
        (c for c in rig.constraints if c.bone == second and c.kind == "IK" and c.chain_length == 2), None
    )
    if constraint is None or constraint.target not in rig.index or constraint.target in mapping.keyed_bones:
        return None
    control = _handle(rig, constraint.target, {rig.index[first], *rig.ancestors(rig.index[first])})
    tree = _below(rig, control)
    holders = [c for c in rig.constraints if c.bone == end and c.target in tree and not c.is_driven]
    copied = next((c.target for c in holders if c.kind in ("COPY_ROTATION", "COPY_TRANSFORMS")), "")
    pole = constraint.pole if constraint.pole in rig.index else ""
    return IkLimb(
        slots, first, second, end, control, constraint.target, pole, constraint=constraint,
        follows=bool(holders), copied=copied,
    )  # fmt: skip


def _handle(rig: RigDescription, bone: str, body: set[int]) -> str:
    """What an animator moves to move a target: the topmost bone above it that does not carry the limb."""
    for parent in rig.ancestors(rig.index[bone]):
        if parent in body:
            break
        bone = rig.bone_names[parent]
    return bone


def _below(rig: RigDescription, bone: str) -> set[str]:
    """A bone and everything that hangs on it."""
    top = rig.index[bone]
    return {name for i, name in enumerate(rig.bone_names) if i == top or top in rig.ancestors(i)}


def _switch_on(
    rig: RigDescription, mapping: BoneMapping, limb: IkLimb, out: LimbControls
) -> set[tuple[str, str]]:
    """Let a limb follow its control; returns the constraints by which it does."""
    side = limb.slots[0][0]
    ends = set(mapping.bones_for(limb.slots[2])) | set(mapping.bones_for(f"{side}_foot"))
    if limb.has_fk_bones:
        out.dropped |= set(mapping.bones_for(limb.slots[0])) | set(mapping.bones_for(limb.slots[1]))
        out.dropped |= set(mapping.bones_for(limb.slots[2]))
        out.dropped |= set(mapping.bones_for(f"{side}_foot")) if limb.toe else set()
        return set()
    assert limb.constraint is not None
    tree = _below(rig, limb.control)
    kept = [limb.constraint, *(c for c in rig.constraints if c.bone in ends and c.target in tree)]
    for constraint in kept:
        _turn(constraint, True, out)
    if limb.pole:  # without a pole, the keys of the limb tell the solver where to begin
        out.dropped |= {limb.first, limb.second}
        out.dropped |= {c.bone for c in kept if c.bone in ends and not c.is_driven}
    return {(c.bone, c.name) for c in kept}


def _hold_length(rig: RigDescription, limb: IkLimb, out: LimbControls) -> None:
    """Let the solver bend the limb only: where it may stretch bones, it shortens them as well."""
    for c in rig.constraints:
        if limb.constraint is not None and c.bone == limb.constraint.bone and c.stretches:
            out.constraint_values[c.bone, c.name, "use_stretch"] = 0.0


def _release(
    mapping: BoneMapping, rig: RigDescription, kept: set[tuple[str, str]], out: LimbControls
) -> None:
    """Turn off what would pull keyed bones of the body away from their keys."""
    for constraint in released(rig, mapping):
        if (constraint.bone, constraint.name) not in kept:
            _turn(constraint, False, out)


def released(rig: RigDescription, mapping: BoneMapping) -> list[RigConstraint]:
    """Constraints by which keyed bones of the body follow bones without keys. Controls that a preset knows
    are keyed where they belong, so that there are none."""
    if mapping.followers:
        return []
    keyed, body = set(mapping.keyed_bones), set(mapping.body_bones)
    return [c for c in rig.constraints if c.bone in body and c.target not in keyed and not c.is_driven]


def _turn(constraint: RigConstraint, on: bool, out: LimbControls) -> None:
    switch = constraint.switch
    if switch is not None:
        out.properties[switch.bone, switch.property] = switch.on if on else switch.off
    elif not constraint.is_driven:
        out.constraint_values[constraint.bone, constraint.name, "influence"] = float(on)
