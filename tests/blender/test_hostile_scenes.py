# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes as animators have them: rates, scales, libraries, hidden rigs. Every no is a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon.engine import session as engine_session  # noqa: E402
from blender_addon.rigs.reading import read_rig  # noqa: E402
from blender_addon.space import to_canonical  # noqa: E402
from intermoe_engine.retarget import retarget_pair  # noqa: E402
from tests.blender.driving import TAKE, action_of, fitted, note_take, scene_with_take  # noqa: E402
from tests.blender.stick import stick_rig  # noqa: E402

pytestmark = pytest.mark.usefixtures("extension")


@pytest.fixture
def scene(tmp_path: Path) -> bpy.types.Scene:
    return scene_with_take(tmp_path)


def worst_head(rig: bpy.types.Object, heads: np.ndarray, first: float, step: float, frames) -> float:
    """Largest distance in metres of an evaluated head from `heads` (T, N, 3), canonical."""
    scene, worst = bpy.context.scene, 0.0
    for frame in frames:
        scene.frame_set(round(first + step * frame))
        evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        found = to_canonical([evaluated.matrix_world @ bone.head for bone in evaluated.pose.bones])
        worst = max(worst, float(np.abs(found - heads[frame]).max()))
    return worst


def solved(scene: bpy.types.Scene, fps: float) -> list[np.ndarray]:
    """Where the retargeter puts all heads of A and B."""
    rigs = [read_rig(rig) for rig in (scene.intermoe.actor_a, scene.intermoe.actor_b)]
    pair = retarget_pair(TAKE.resampled(fps), rigs[0], rigs[1])
    return [motion.heads_world for motion in pair.actors]


@pytest.mark.parametrize(("fps", "base", "start"), [(24, 1.001, 1), (60, 1.0, 1001), (25, 1.0, 0)])
def test_any_frame_rate_and_offset(scene: bpy.types.Scene, fps: int, base: float, start: int) -> None:
    """At 23.976, 25 and 60 frames a second, from frame 1001 or 0: as long in seconds, same pose."""
    scene.render.fps, scene.render.fps_base = fps, base
    scene.frame_start, scene.frame_end = start, start + 10
    session = fitted()
    assert not session.failed, session.message
    take = scene.intermoe_take
    rate = fps / base
    assert take.frame_start == start
    assert (take.frame_end - start) / rate == pytest.approx((TAKE.frames - 1) / TAKE.fps, abs=1.01 / rate)
    heads = solved(scene, rate)
    for rig, path in zip((scene.intermoe.actor_a, scene.intermoe.actor_b), heads, strict=True):
        assert worst_head(rig, path, start, 1.0, (0, len(path) // 2, len(path) - 1)) < 1e-3


@pytest.mark.parametrize("parented", [False, True])
def test_scaled_turned_and_parented_armatures(scene: bpy.types.Scene, parented: bool) -> None:
    """Object transforms, also of parents and not the same in all directions, count and stay as they are."""
    rig = scene.intermoe.actor_a
    rig.location, rig.rotation_euler = (0.4, -2.0, 0.3), (0.0, 0.0, 2.2)
    rig.scale = (0.01 * 90, 0.01 * 90, 0.01 * 90)
    if parented:
        carrier = bpy.data.objects.new("Carrier", None)
        scene.collection.objects.link(carrier)
        carrier.location, carrier.rotation_euler, carrier.scale = (1, 1, 0), (0.0, 0.0, -0.7), (1.3, 1.3, 1.3)
        rig.parent = carrier
    bpy.context.view_layer.update()
    before = rig.matrix_world.copy()
    heads = solved(scene, 30.0)
    session = fitted()
    assert not session.failed, session.message
    assert worst_head(rig, heads[0], scene.intermoe_take.frame_start, 1.0, (0, 20, 44)) < 1e-3
    assert rig.matrix_world == before


def test_a_scale_that_differs_by_direction_is_followed_and_told(scene: bpy.types.Scene) -> None:
    """Bones are skewed by Blender then; heads are still where the retargeter says, and the check warns."""
    rig = scene.intermoe.actor_a
    rig.scale = (1.0, 1.0, 1.25)
    bpy.context.view_layer.update()
    heads = solved(scene, 30.0)
    session = fitted()
    assert not session.failed, session.message
    assert worst_head(rig, heads[0], scene.intermoe_take.frame_start, 1.0, (0, 20, 44)) < 1e-3
    bpy.ops.intermoe.check_rig()
    from blender_addon.ui import rig_report

    assert any("not the same in all directions" in finding.text for finding in rig_report.of(rig))


def test_linked_rigs_are_refused_and_overrides_work(scene: bpy.types.Scene, tmp_path: Path) -> None:
    """A linked character says what to do; its library override is keyed, and the library stays as it is."""
    stick_rig("Lib", 1.1, 0.0)
    library = tmp_path / "library.blend"
    bpy.data.libraries.write(str(library), {bpy.data.objects["Lib"]})
    stamp = library.read_bytes()
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = 30
    with bpy.data.libraries.load(str(library), link=True) as (_, target):
        target.objects = ["Lib"]
    linked = target.objects[0]
    scene.collection.objects.link(linked)
    scene.intermoe.actor_a, scene.intermoe.actor_b = linked, stick_rig("Ben", 1.2, 1.0)
    note_take(scene, tmp_path)
    assert "make a library override" in engine_session.problem(bpy.context)
    override = linked.override_create(remap_local_usages=True)
    scene.intermoe.actor_a = override
    assert engine_session.problem(bpy.context) == ""
    heads = solved(scene, 30.0)
    session = fitted()
    assert not session.failed, session.message
    assert worst_head(override, heads[0], scene.intermoe_take.frame_start, 1.0, (0, 20, 44)) < 1e-3
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    rig = bpy.context.scene.intermoe.actor_a
    assert rig.override_library and action_of(rig), "the action is still there in the saved file"
    assert worst_head(rig, heads[0], bpy.context.scene.intermoe_take.frame_start, 1.0, (0, 44)) < 1e-3
    assert library.read_bytes() == stamp


def test_a_saved_file_goes_on_where_it_was(scene: bpy.types.Scene, tmp_path: Path) -> None:
    fitted()
    names = [action_of(rig).name for rig in (scene.intermoe.actor_a, scene.intermoe.actor_b)]
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    scene = bpy.context.scene
    assert [action_of(rig).name for rig in (scene.intermoe.actor_a, scene.intermoe.actor_b)] == names
    assert not scene.intermoe.bones_a.is_stale(scene.intermoe.actor_a)
    session = fitted()
    assert not session.failed, session.message
    assert action_of(scene.intermoe.actor_a).name != names[0]


def test_hidden_and_unlinked_characters(scene: bpy.types.Scene) -> None:
    """Hidden rigs are keyed like others; one in an excluded collection too; one in no scene is told."""
    a, b = scene.intermoe.actor_a, scene.intermoe.actor_b
    a.hide_set(True)
    b.hide_viewport = True
    hidden = bpy.data.collections.new("Hidden")
    scene.collection.children.link(hidden)
    hidden.objects.link(b)
    scene.collection.objects.unlink(b)
    bpy.context.view_layer.layer_collection.children["Hidden"].exclude = True
    session = fitted()
    assert not session.failed, session.message
    assert action_of(a) and action_of(b)
    hidden.objects.unlink(b)
    assert "no longer in the scene" in engine_session.problem(bpy.context)


def test_a_rig_without_legs_is_told(scene: bpy.types.Scene) -> None:
    rig = scene.intermoe.actor_b
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bones = rig.data.edit_bones
    for bone in [b for b in bones if "Leg" in b.name or "Foot" in b.name or "Toe" in b.name]:
        bones.remove(bone)
    bpy.ops.object.mode_set(mode="OBJECT")
    session = fitted()
    assert session.failed and "Ben has no bone for" in session.message
    assert "left upper leg" in session.message
    assert action_of(scene.intermoe.actor_a) is None


def test_two_characters_of_one_armature_data(scene: bpy.types.Scene) -> None:
    """Two objects that share their bones are two characters; one object twice is none."""
    a = scene.intermoe.actor_a
    twin = bpy.data.objects.new("Twin", a.data)
    scene.collection.objects.link(twin)
    scene.intermoe.actor_b = twin
    session = fitted()
    assert not session.failed, session.message
    assert action_of(a) != action_of(twin)
    scene.intermoe.actor_b = a
    assert "two different characters" in engine_session.problem(bpy.context)


def test_a_take_file_that_is_gone_or_broken_is_told(scene: bpy.types.Scene) -> None:
    path = Path(scene.intermoe_take.path)
    path.write_bytes(path.read_bytes()[:200])
    session = fitted()
    assert session.failed and session.message
    path.unlink()
    session = fitted()
    assert session.failed and "generate again" in session.message
    assert action_of(scene.intermoe.actor_a) is None
