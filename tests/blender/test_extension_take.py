# SPDX-License-Identifier: GPL-3.0-or-later
"""From the panel's settings to keys on two rigs, with the real worker process; events come from `step()`."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

import blender_addon  # noqa: E402
from blender_addon import compat  # noqa: E402
from blender_addon.engine import folders  # noqa: E402
from blender_addon.engine import session as engine_session  # noqa: E402
from blender_addon.takes import touch_rows  # noqa: E402
from blender_addon.takes.job import Phase  # noqa: E402
from blender_addon.ui import bones_panel  # noqa: E402
from tests.blender.driving import action_of, drive, drive_to_keys  # noqa: E402
from tests.blender.ik_rig import ik_rig  # noqa: E402
from tests.blender.paper import drawn  # noqa: E402
from tests.blender.stick import stick_rig  # noqa: E402

pytestmark = pytest.mark.usefixtures("extension")


@pytest.fixture
def scene() -> bpy.types.Scene:
    """An empty scene at 24 frames per second with two stick rigs in Mixamo's names, of other sizes."""
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = 24
    settings = scene.intermoe
    settings.actor_a = stick_rig("Anna", 1.0, 0.0)
    settings.actor_b = stick_rig("Ben", 1.2, 1.0)
    settings.prompt = "two people dance salsa"
    settings.duration = 1.0
    settings.recommended = False
    settings.steps = 5
    return scene


def test_keys_both_rigs_at_the_scene_rate_and_keeps_what_was_there(scene: bpy.types.Scene) -> None:
    settings = scene.intermoe
    old = bpy.data.actions.new("old")
    settings.actor_a.animation_data_create().action = old
    scene.frame_start, scene.frame_end = 11, 20
    matrix = settings.actor_b.matrix_world.copy()
    bpy.ops.intermoe.generate()
    session = drive()
    assert not session.failed, session.message
    assert session.job is not None and session.job.phase is Phase.DONE
    take = scene.intermoe_take
    assert (take.frame_start, take.frame_end) == (11, 11 + 24 - 1), "1 s at 24 frames per second"
    actions = [action_of(settings.actor_a), action_of(settings.actor_b)]
    assert actions[0] and actions[1] and actions[0] != actions[1] and old not in actions
    assert [tuple(action.frame_range) for action in actions] == [(11.0, 34.0)] * 2
    assert old.use_fake_user, "the old action must survive a save"
    assert (scene.render.fps, scene.frame_start, scene.frame_end) == (24, 11, 20)
    assert settings.actor_b.matrix_world == matrix
    bpy.ops.intermoe.fit_scene_range()
    assert (scene.frame_start, scene.frame_end) == (11, 34)


def test_the_take_stands_where_the_cursor_is(scene: bpy.types.Scene) -> None:
    """The same take at the origin and at a turned cursor differs by exactly the cursor's transform."""
    settings = scene.intermoe
    bpy.ops.intermoe.generate()
    drive()
    scene.frame_set(scene.frame_start + 12)
    at_origin = [head_of_hips(rig) for rig in (settings.actor_a, settings.actor_b)]
    scene.cursor.location = (2.0, -1.0, 0.5)
    scene.cursor.rotation_euler = (0.0, 0.0, 0.8)
    settings.place = "CURSOR"
    bpy.ops.intermoe.apply_take()
    session = drive()
    assert not session.failed, session.message
    scene.frame_set(scene.frame_start + 12)
    for rig, before in zip((settings.actor_a, settings.actor_b), at_origin, strict=True):
        assert (head_of_hips(rig) - scene.cursor.matrix @ before).length < 1e-4


def test_touches_are_shown_edited_and_fitted_again(scene: bpy.types.Scene) -> None:
    """An added touch brings the two hands together in the keys; the take itself is not generated anew."""
    settings, take = scene.intermoe, scene.intermoe_take
    bpy.ops.intermoe.generate()
    drive()
    path, seed = take.path, take.seed
    take.touches.clear()
    bpy.ops.intermoe.add_touch()
    row = take.touches[0]
    row.part_a, row.part_b = "r_hand", "l_hand"
    row.first_frame, row.last_frame = 5, 20
    assert touch_rows.edited(take)
    bpy.ops.intermoe.apply_take()
    session = drive()
    assert not session.failed, session.message
    assert (take.path, take.seed) == (path, seed)
    assert [row.label for row in take.touches] == ["Hand R – Hand L"] and not touch_rows.edited(take)
    rows = json.loads(take.report)["touch"]["contacts"]
    assert len(rows) == 1 and rows[0]["gap_error_mm"] < rows[0]["gap_error_before_mm"]
    assert take.touches[0].gap == pytest.approx(rows[0]["gap_error_mm"])
    settings.keep_contacts = False
    bpy.ops.intermoe.apply_take()
    drive()
    alone = json.loads(take.report)["touch"]["contacts"][0]
    assert alone["gap_error_mm"] == pytest.approx(alone["gap_error_before_mm"], abs=1e-3)


def test_who_leads_keeps_the_pose(scene: bpy.types.Scene) -> None:
    settings, take = scene.intermoe, scene.intermoe_take
    bpy.ops.intermoe.generate()
    drive()
    take.touches.clear()
    bpy.ops.intermoe.add_touch()
    take.touches[0].first_frame, take.touches[0].last_frame = 5, 20
    settings.keep_contacts = False
    bpy.ops.intermoe.apply_take()
    drive()
    free = [hand_at(rig, 12) for rig in (settings.actor_a, settings.actor_b)]
    settings.keep_contacts = True
    moved = {}
    for leads in ("A", "B"):
        settings.leads = leads
        bpy.ops.intermoe.apply_take()
        session = drive()
        assert not session.failed, session.message
        hands = [hand_at(rig, 12) for rig in (settings.actor_a, settings.actor_b)]
        moved[leads] = [(hand - was).length for hand, was in zip(hands, free, strict=True)]
    assert moved["A"][0] < moved["B"][0] and moved["B"][1] < moved["A"][1]


def test_limbs_are_keyed_as_chosen(scene: bpy.types.Scene) -> None:
    """The choice is offered for rigs with IK alone, and the keys follow it at the next fit."""
    settings = scene.intermoe
    assert "Limbs" not in drawn(bones_panel.INTERMOE_PT_bones)
    settings.actor_a = ik_rig("Ida")
    assert "Limbs" in drawn(bones_panel.INTERMOE_PT_bones)
    settings.limbs_a = "ik"
    bpy.ops.intermoe.generate()
    session = drive()
    assert not session.failed, session.message
    assert "ctrl_LeftArm" in moved_bones(settings.actor_a)
    assert "mixamorig:LeftForeArm" not in moved_bones(settings.actor_a)
    settings.limbs_a = "fk"
    bpy.ops.intermoe.apply_take()
    session = drive()
    assert not session.failed, session.message
    assert "ctrl_LeftArm" not in moved_bones(settings.actor_a)
    assert "mixamorig:LeftForeArm" in moved_bones(settings.actor_a)


def moved_bones(rig: bpy.types.Object) -> set[str]:
    curves = compat.action_curves(action_of(rig), rig)
    return {c.group.name for c in curves if "rotation" in c.data_path and len(c.keyframe_points) > 1}


def hand_at(rig: bpy.types.Object, frame: int):
    bpy.context.scene.frame_set(frame)
    evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    side = "Right" if rig == bpy.context.scene.intermoe.actor_a else "Left"
    return evaluated.matrix_world @ evaluated.pose.bones[f"mixamorig:{side}Hand"].head


def head_of_hips(rig: bpy.types.Object):
    evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return evaluated.matrix_world @ evaluated.pose.bones["mixamorig:Hips"].head


def test_cancel_is_immediate_and_the_next_take_works(scene: bpy.types.Scene) -> None:
    scene.intermoe.steps = 900
    bpy.ops.intermoe.generate()
    drive(lambda: engine_session.current().job.fraction > 0.13)
    began = time.monotonic()
    bpy.ops.intermoe.cancel()
    assert time.monotonic() - began < 0.1
    session = engine_session.current()
    assert session.job.phase is Phase.CANCELLED and not session.busy
    assert not bpy.data.actions
    scene.intermoe.steps = 2
    bpy.ops.intermoe.generate()
    assert drive().job.phase is Phase.DONE


def test_a_killed_worker_is_told_and_replaced(scene: bpy.types.Scene) -> None:
    scene.intermoe.steps = 900
    bpy.ops.intermoe.generate()
    drive(lambda: engine_session.current().job.fraction > 0.13)
    session = engine_session.current()
    os.kill(session.worker_pid, 9)
    drive()
    assert session.failed and "stopped unexpectedly" in session.message
    scene.intermoe.steps = 2
    bpy.ops.intermoe.generate()
    assert drive().job.phase is Phase.DONE


def test_a_rig_renamed_meanwhile_is_found(scene: bpy.types.Scene) -> None:
    rig = scene.intermoe.actor_a
    bpy.ops.intermoe.generate()
    rig.name = "Anna of the North"
    assert drive().job.phase is Phase.DONE
    assert action_of(rig) is not None


@pytest.mark.parametrize("late", [False, True])
def test_a_rig_deleted_meanwhile_is_told(scene: bpy.types.Scene, late: bool) -> None:
    """Before the retarget, and between the retarget and the keys."""
    bpy.ops.intermoe.generate()
    session = drive_to_keys() if late else engine_session.current()
    bpy.data.objects.remove(scene.intermoe.actor_b)
    drive()
    assert session.failed and "Ben is no longer in the scene" in session.message
    assert action_of(scene.intermoe.actor_a) is None


def test_another_file_opened_meanwhile_is_told(scene: bpy.types.Scene) -> None:
    bpy.ops.intermoe.generate()
    bpy.ops.wm.read_homefile(use_empty=True)
    session = drive()
    assert session.failed and "scene of this take" in session.message


def test_neither_rig_is_keyed_when_one_cannot_be(scene: bpy.types.Scene) -> None:
    """B loses a bone after the retarget: A must get its old action back."""
    settings = scene.intermoe
    old = bpy.data.actions.new("old")
    settings.actor_a.animation_data_create().action = old
    bpy.ops.intermoe.generate()
    session = drive_to_keys()
    settings.actor_b.data.bones["mixamorig:LeftLeg"].name = "elsewhere"
    bpy.ops.intermoe.write_take()
    assert session.failed and "mixamorig:LeftLeg" in session.message
    assert action_of(settings.actor_a) == old and action_of(settings.actor_b) is None
    assert list(bpy.data.actions) == [old]
    assert not scene.intermoe_take.exists


def test_a_rig_that_is_no_person_is_told_before_generating(scene: bpy.types.Scene) -> None:
    data = bpy.data.armatures.new("Crane")
    crane = bpy.data.objects.new("Crane", data)
    scene.collection.objects.link(crane)
    bpy.context.view_layer.objects.active = crane
    bpy.ops.object.mode_set(mode="EDIT")
    data.edit_bones.new("boom").tail = (0, 0, 5)
    bpy.ops.object.mode_set(mode="OBJECT")
    scene.intermoe.actor_b = crane
    bpy.ops.intermoe.generate()
    session = engine_session.current()
    assert session.failed and "Crane" in session.message and not session.busy


def test_the_message_goes_when_another_file_is_opened(scene: bpy.types.Scene) -> None:
    bpy.ops.intermoe.generate()
    assert drive().message.startswith("Keyed Anna and Ben")
    bpy.ops.wm.read_homefile(use_empty=True)
    assert engine_session.current().message == ""


def test_check_engine_reports_every_part(scene: bpy.types.Scene) -> None:
    bpy.ops.intermoe.check_engine()
    report = "\n".join(line.text for line in drive().check_report if line.state != "failed")
    for part in ("onnxruntime", "tokenizers", "bundle", "device", "generation"):
        assert part in report, report


def test_takes_lie_outside_the_extension_and_old_ones_go(scene: bpy.types.Scene) -> None:
    old = [folders.takes() / f"take-{i}-old.npz" for i in range(60)]
    for path in old:
        path.write_bytes(b"")
        os.utime(path, (1_000_000, 1_000_000))
    bpy.ops.intermoe.generate()
    drive()
    assert len(list(folders.takes().glob("take-*.npz"))) == 50
    path = Path(scene.intermoe_take.path)
    assert path.is_file() and Path(blender_addon.__file__).parent not in path.parents
