# SPDX-License-Identifier: GPL-3.0-or-later
"""What animators do to an extension while it is at work: nothing may crash, and every no is a sentence."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

import blender_addon  # noqa: E402
from blender_addon.engine import folders  # noqa: E402
from blender_addon.engine import session as engine_session  # noqa: E402
from blender_addon.takes.job import Phase  # noqa: E402
from blender_addon.ui import ticker  # noqa: E402
from tests.blender.driving import PATIENCE, action_of, drive, fitted, scene_with_take  # noqa: E402

pytestmark = pytest.mark.usefixtures("extension")


@pytest.fixture
def scene(tmp_path: Path) -> bpy.types.Scene:
    return scene_with_take(tmp_path)


def test_a_take_goes_to_the_scene_that_asked_for_it(scene: bpy.types.Scene) -> None:
    """The animator looks at another scene meanwhile, which stays untouched."""
    other = bpy.data.scenes.new("Other")
    bpy.ops.intermoe.apply_take()
    bpy.context.window.scene = other
    session = drive()
    assert not session.failed, session.message
    assert action_of(scene.intermoe.actor_a) and not other.intermoe_take.exists
    other.intermoe.actor_a = scene.intermoe.actor_a
    other.intermoe.actor_b = scene.intermoe.actor_b
    assert "no longer in the scene" in engine_session.problem(bpy.context), "characters of another scene"
    bpy.context.window.scene = scene


def test_a_scene_removed_meanwhile_is_told(scene: bpy.types.Scene) -> None:
    bpy.context.window.scene = bpy.data.scenes.new("Other")
    with bpy.context.temp_override(scene=scene):
        bpy.ops.intermoe.apply_take()
    bpy.data.scenes.remove(scene)
    session = drive()
    assert session.failed and "scene of this take" in session.message


def test_bones_renamed_between_asking_and_keying(scene: bpy.types.Scene) -> None:
    """A name that says as much is found again; one that says nothing is told, and nothing is keyed."""
    rig = scene.intermoe.actor_a
    bpy.ops.intermoe.apply_take()
    for bone in rig.data.bones:
        bone.name = bone.name.replace("mixamorig:", "rig:")
    session = drive()
    assert session.failed and "has no bone" in session.message
    assert action_of(rig) is None and action_of(scene.intermoe.actor_b) is None
    assert scene.intermoe.bones_a.rows and fitted().job.phase is Phase.DONE


def test_in_edit_mode_a_take_waits(scene: bpy.types.Scene) -> None:
    rig = scene.intermoe.actor_a
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.intermoe.apply_take()
    session = engine_session.current()
    end = time.monotonic() + PATIENCE
    while session.job.phase.running and session.job.phase is not Phase.READY:
        ticker._tick()
        time.sleep(0.01)
        assert time.monotonic() < end
    for _ in range(3):
        ticker._tick()
    if bpy.context.window_manager.windows:
        assert session.job.phase is Phase.READY and action_of(rig) is None
    bpy.ops.object.mode_set(mode="OBJECT")
    drive()
    assert session.job.phase is Phase.DONE and action_of(rig)


def test_cancel_twice_and_with_nothing_to_cancel(scene: bpy.types.Scene) -> None:
    bpy.ops.intermoe.cancel()
    bpy.ops.intermoe.apply_take()
    bpy.ops.intermoe.cancel()
    bpy.ops.intermoe.cancel()
    session = engine_session.current()
    assert session.job.phase is Phase.CANCELLED and not session.busy
    assert bpy.ops.intermoe.write_take() == {"CANCELLED"}
    assert action_of(scene.intermoe.actor_a) is None
    assert fitted().job.phase is Phase.DONE


def test_disabled_and_enabled_while_it_works(scene: bpy.types.Scene, tmp_path: Path) -> None:
    """The engine ends with the extension; the cast is still there afterwards, and the next take works."""
    bpy.ops.intermoe.apply_take()
    pid = engine_session.current().worker_pid
    blender_addon.unregister()
    blender_addon.register()
    scene = bpy.context.scene
    assert engine_session.current().worker_pid is None and not engine_session.current().busy
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
    assert scene.intermoe.actor_a and scene.intermoe_take.exists
    assert fitted().job.phase is Phase.DONE


def test_a_user_folder_that_cannot_be_written_is_told(
    scene: bpy.types.Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file lies where the folder belongs: nobody can write there, whoever runs this."""
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    monkeypatch.setattr(folders, "writable_cache_folder", lambda: blocked)
    engine_session.current().stop(wait=True)
    bpy.ops.intermoe.generate()
    session = engine_session.current()
    assert session.failed and str(blocked) in session.message, session.message
    assert not session.busy
    bpy.ops.intermoe.check_engine()
    assert any(line.state == "failed" for line in session.check_report)
    with pytest.raises(RuntimeError, match="blocked"):
        bpy.ops.intermoe.save_bone_preset(preset="mine")
    monkeypatch.undo()
    bpy.ops.intermoe.apply_take()
    assert drive().job.phase is Phase.DONE
