# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels draw in every state, and the small decisions behind them: cast, names, sentences."""

from __future__ import annotations

import pytest

bpy = pytest.importorskip("bpy")

from blender_addon.engine import session as engine_session  # noqa: E402
from blender_addon.takes import cast  # noqa: E402
from blender_addon.takes import export as take_export  # noqa: E402
from blender_addon.takes import info as take_info  # noqa: E402
from blender_addon.takes import quality as take_quality  # noqa: E402
from blender_addon.ui import panels  # noqa: E402
from blender_addon.ui import text as ui_text  # noqa: E402
from tests.blender.paper import Paper, drawn  # noqa: E402

pytestmark = pytest.mark.usefixtures("extension")


@pytest.fixture
def scene() -> bpy.types.Scene:
    bpy.ops.wm.read_homefile(use_empty=True)
    engine_session.current().say("")
    return bpy.context.scene


def rig(name: str) -> bpy.types.Object:
    data = bpy.data.armatures.new(name)
    item = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(item)
    bpy.context.view_layer.objects.active = item
    bpy.ops.object.mode_set(mode="EDIT")
    data.edit_bones.new("Hips").tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    return item


def test_says_what_is_missing_step_by_step(scene: bpy.types.Scene) -> None:
    settings = scene.intermoe
    assert "Choose an armature for character A" in drawn(*panels.CLASSES)
    settings.actor_a = rig("Anna")
    assert "character B" in engine_session.problem(bpy.context)
    settings.actor_b = settings.actor_a
    assert "two different characters" in engine_session.problem(bpy.context)
    settings.actor_b = rig("Ben")
    assert engine_session.problem(bpy.context) == ""
    settings.prompt = "  "
    assert "Write what" in engine_session.problem(bpy.context)
    settings.prompt = "two people dance"
    settings.duration = 50
    assert "shorten the duration" in engine_session.problem(bpy.context)
    settings.duration = 2
    scene.collection.objects.unlink(settings.actor_b)
    assert "Ben is no longer in the scene" in engine_session.problem(bpy.context)


def test_a_missing_bundle_is_told(scene: bpy.types.Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.intermoe.actor_a, scene.intermoe.actor_b = rig("Anna"), rig("Ben")
    monkeypatch.setenv("INTERMOE_BUNDLE", "/nowhere/bundle.zip")
    assert "no bundle at /nowhere/bundle.zip" in engine_session.problem(bpy.context)
    assert "no bundle" in drawn(*panels.CLASSES)


def test_result_and_export_are_shown_after_a_take(scene: bpy.types.Scene) -> None:
    assert "Export FBX" not in drawn(*panels.CLASSES)
    take = scene.intermoe_take
    take.path, take.prompt, take.seed = "/tmp/take.npz", "two people dance", 7
    take.frame_start, take.frame_end, take.pair_scale = 1, 400, 1.05
    take.distance_min, take.distance_median = 0.25, 0.5
    slides = [{"foot_slide_source_mm_s": 1112.4, "foot_slide_mm_s": 87.0}] * 2
    take.report = take_quality.to_text({"actors": slides})
    text = drawn(*panels.CLASSES)
    assert "1 – 400" in text and "0.50 m, least 0.25 m" in text and "feet glide\n1.11 m/s\n0.09 m/s" in text
    assert "two people dance (seed 7)" in text, "the panel shows another request by now"
    assert "Fit Scene Range" in text and "Export FBX" in text
    take_info.fit_scene_range(take, scene)
    assert scene.frame_end == 400 and "Fit Scene Range" not in drawn(*panels.CLASSES)


def test_selected_meshes_stand_for_their_armatures(scene: bpy.types.Scene) -> None:
    anna, ben = rig("Anna"), rig("Ben")
    body = bpy.data.objects.new("body", bpy.data.meshes.new("body"))
    scene.collection.objects.link(body)
    body.modifiers.new("skin", "ARMATURE").object = ben
    found = cast.armatures_in([anna, body, ben], active=body)
    assert found == [ben, anna], "the active character first, each once"
    settings = scene.intermoe
    assert cast.fill_slots(settings, found) == "A is Ben, B is Anna"
    bpy.ops.intermoe.swap_cast()
    assert (settings.actor_a, settings.actor_b) == (anna, ben)
    with pytest.raises(ValueError, match="select the two characters"):
        cast.fill_slots(settings, [])


def test_one_selected_character_fills_the_free_slot(scene: bpy.types.Scene) -> None:
    anna, ben = rig("Anna"), rig("Ben")
    settings = scene.intermoe
    cast.fill_slots(settings, [anna])
    with pytest.raises(ValueError, match="already character A"):
        cast.fill_slots(settings, [anna])
    cast.fill_slots(settings, [ben])
    assert (settings.actor_a, settings.actor_b) == (anna, ben)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{take}_{role}_{rig}_{seed}", "salsa_A_Anna_Lee_7.fbx"),
        ("model@{take}", "model_salsa.fbx"),
        ("../{rig}/x", "Anna_Lee_x.fbx"),
        ("{role}.fbx", "A.fbx"),
    ],
)
def test_file_names(template: str, expected: str) -> None:
    assert take_export.file_name(template, take="salsa", role="A", rig="Anna Lee", seed="7") == expected


@pytest.mark.parametrize("template", ["{takes}", "{", "{0}", "{take.__class__}", "", "..."])
def test_bad_file_names_are_refused(template: str) -> None:
    with pytest.raises(take_export.ExportError):
        take_export.file_name(template, take="salsa", role="A", rig="Anna", seed="7")


def test_export_says_what_to_do_first(scene: bpy.types.Scene) -> None:
    assert "generate one first" in take_export.problem(scene)
    take = scene.intermoe_take
    take.path, take.rig_a, take.rig_b = "x", "Anna", "Ben"
    assert "Anna was renamed or removed" in take_export.problem(scene)


def test_long_texts_are_wrapped() -> None:
    paper = Paper()
    ui_text.wrapped_labels(paper, "a sentence that is longer than the panel is wide", 20)
    assert len(paper.lines) == 3 and all(len(line) <= 20 for line in paper.lines)
