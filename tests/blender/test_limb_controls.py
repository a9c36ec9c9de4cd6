# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigs with IK: what Blender evaluates, all constraints on, against the retargeter's forward kinematics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon import compat  # noqa: E402
from blender_addon.rigs import checks  # noqa: E402
from blender_addon.rigs.keyframes import write_action  # noqa: E402
from blender_addon.rigs.reading import read_rig  # noqa: E402
from blender_addon.space import to_canonical  # noqa: E402
from intermoe_engine.bench.rigs import humanoid, proportions  # noqa: E402
from intermoe_engine.retarget import RetargetSettings, RigMotion, map_bones, retarget_pair  # noqa: E402
from intermoe_engine.retarget.limb_controls import limbs_with_ik  # noqa: E402
from tests.blender.ik_rig import ik_rig  # noqa: E402
from tests.blender.synthetic import swaying_take  # noqa: E402

T = 24
TAKE = swaying_take(T)
LIMITS = {"fk": 1e-3, "both": 1e-3, "ik": 5e-3}


def solved(rig: bpy.types.Object, mode: str) -> RigMotion:
    """The take on `rig` as A, keyed on it."""
    other = humanoid("other", proportions())
    settings = RetargetSettings(limb_controls=(mode, "fk"))
    motion = retarget_pair(TAKE, read_rig(rig), other, settings=settings).actors[0]
    write_action(rig, motion, mode)
    return motion


def deform_error(rig: bpy.types.Object, heads: np.ndarray, frames=(0, 7, 15, T - 1)) -> float:
    """Largest distance in metres of an evaluated deform bone's head from `heads` (T, N, 3), canonical."""
    worst = 0.0
    deform = np.array([bone.use_deform for bone in rig.data.bones])
    for frame in frames:
        bpy.context.scene.frame_set(1 + frame)
        evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        found = to_canonical([evaluated.matrix_world @ bone.head for bone in evaluated.pose.bones])
        worst = max(worst, float(np.linalg.norm(found - heads[frame], axis=-1)[deform].max()))
    return worst


def keyed_bones(rig: bpy.types.Object) -> set[str]:
    curves = compat.action_curves(rig.animation_data.action, rig)
    return {curve.group.name for curve in curves if "rotation" in curve.data_path or "loc" in curve.data_path}


@pytest.mark.parametrize("mode", ["fk", "ik", "both"])
def test_generated_rigify(rigify_file, mode: str) -> None:
    bpy.ops.wm.open_mainfile(filepath=str(rigify_file))
    rig = bpy.data.objects["generated"]
    predicted = retarget_pair(TAKE, read_rig(rig), humanoid("other", proportions())).actors[0].heads_world
    solved(rig, mode)
    assert deform_error(rig, predicted) < LIMITS[mode]
    keyed = keyed_bones(rig)
    fk = {"upper_arm_fk.L", "hand_fk.R", "thigh_fk.L", "foot_fk.R"}
    ik = {"hand_ik.L", "hand_ik.R", "foot_ik.L", "toe_ik.L", "upper_arm_ik_target.R", "thigh_ik_target.L"}
    assert bool(fk & keyed) == (mode != "ik") and bool(ik & keyed) == (mode != "fk")
    if mode == "both":  # whoever turns the switch to IK sees the same pose
        for curve in compat.action_curves(rig.animation_data.action, rig):
            if curve.data_path.endswith('["IK_FK"]'):
                curve.keyframe_points[0].co.y = 0.0
                curve.update()
        assert deform_error(rig, predicted) < LIMITS["ik"]


@pytest.mark.parametrize("pole_angle", [-90.0, 0.0, 35.0, 180.0])
@pytest.mark.parametrize("mode", ["fk", "ik"])
def test_rig_with_ik_of_its_own(mode: str, pole_angle: float) -> None:
    bpy.ops.wm.read_homefile(use_empty=True)
    rig = ik_rig("Ida", 1.1, pole_angle)
    rig.location, rig.rotation_euler, rig.scale = (1.0, 2.0, 0.0), (0.0, 0.0, 0.8), (0.9, 0.9, 0.9)
    description = read_rig(rig)
    assert limbs_with_ik(description, map_bones(description)) == ["l_wrist", "l_ankle", "r_wrist", "r_ankle"]
    free = replace(description, constraints=())
    predicted = retarget_pair(TAKE, free, humanoid("other", proportions())).actors[0].heads_world
    solved(rig, mode)
    assert deform_error(rig, predicted) < LIMITS[mode]
    keyed = keyed_bones(rig)
    assert ("ctrl_LeftLeg" in keyed and "pole_RightArm" in keyed) == (mode == "ik")
    assert "goal_LeftLeg" not in keyed, "the target moves with its control"


@pytest.mark.parametrize("mode", ["fk", "ik", "both"])
def test_a_switch_of_the_rig_is_used(mode: str) -> None:
    """Driven influences cannot be keyed: the property behind them is."""
    bpy.ops.wm.read_homefile(use_empty=True)
    rig = ik_rig("Ida", switch="FK")
    free = replace(read_rig(rig), constraints=())
    predicted = retarget_pair(TAKE, free, humanoid("other", proportions())).actors[0].heads_world
    rig.pose.bones["mixamorig:Hips"]["FK"] = 0.0 if mode == "fk" else 1.0
    motion = solved(rig, mode)
    assert motion.constraint_values == ()
    assert ("mixamorig:Hips", "FK", 0.0 if mode == "ik" else 1.0) in motion.properties
    assert deform_error(rig, predicted) < LIMITS[mode]


def test_a_take_can_be_fitted_again_in_another_way() -> None:
    """After FK keys hold the constraints at zero, IK finds them again, and the other way round."""
    bpy.ops.wm.read_homefile(use_empty=True)
    rig = ik_rig("Ida")
    free = replace(read_rig(rig), constraints=())
    predicted = retarget_pair(TAKE, free, humanoid("other", proportions())).actors[0].heads_world
    for mode in ("fk", "ik", "fk"):
        solved(rig, mode)
        assert deform_error(rig, predicted) < LIMITS[mode], mode


def test_a_limb_without_a_pole_and_a_hand_that_hangs_on_it() -> None:
    """Without a pole the limb's keys tell the solver where to begin; hands that copy nothing are keyed."""
    bpy.ops.wm.read_homefile(use_empty=True)
    rig = ik_rig("Ida")
    for bone in rig.pose.bones:
        for constraint in list(bone.constraints):
            if constraint.type == "COPY_ROTATION":
                bone.constraints.remove(constraint)
            elif "Left" in bone.name:
                constraint.pole_target = None
    free = replace(read_rig(rig), constraints=())
    predicted = retarget_pair(TAKE, free, humanoid("other", proportions())).actors[0].heads_world
    solved(rig, "ik")
    assert deform_error(rig, predicted) < LIMITS["ik"]
    keyed = keyed_bones(rig)
    assert "mixamorig:LeftForeArm" in keyed and "mixamorig:RightForeArm" not in keyed
    assert "mixamorig:RightHand" in keyed


def test_the_check_tells_what_is_switched_and_what_is_not() -> None:
    """A rig with IK of its own is fine; a constraint to another object still pulls."""
    bpy.ops.wm.read_homefile(use_empty=True)
    rig = ik_rig("Ida")
    texts = [finding.text for finding in checks.examine(rig) if finding.level != "ok"]
    assert not any("Constraints will move" in text for text in texts), texts
    told = [finding.text for finding in checks.examine(rig) if "switches these constraints" in finding.text]
    assert len(told) == 1 and "IK on mixamorig:LeftForeArm" in told[0]
    carrier = bpy.data.objects.new("Carrier", None)
    rig.pose.bones["mixamorig:Head"].constraints.new("COPY_ROTATION").target = carrier
    texts = [finding.text for finding in checks.examine(rig) if finding.level == "warning"]
    assert any("Copy Rotation on mixamorig:Head" in text for text in texts), texts
