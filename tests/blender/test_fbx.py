# SPDX-License-Identifier: GPL-3.0-or-later
"""FBX files read back by another Blender process, against the retargeter's own forward kinematics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon.headless import pair as pairs  # noqa: E402
from blender_addon.takes import fbx  # noqa: E402
from tests.blender.synthetic import swaying_take  # noqa: E402


@pytest.fixture(scope="module")
def keyed(mannequin_file: Path) -> Iterator[pairs.KeyedPair]:
    """Both mannequins, one moved, turned and scaled, playing 20 frames at 24 frames per second."""
    bpy.ops.wm.open_mainfile(filepath=str(mannequin_file))
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 24, 1.0
    rigs = (bpy.data.objects["Terra"], bpy.data.objects["Slate"])
    rigs[1].location, rigs[1].rotation_euler, rigs[1].scale = (0.4, 2.0, 0.0), (0, 0, 0.7), (1.1, 1.1, 1.1)
    yield pairs.key_pair(swaying_take(25).resampled(24.0), rigs, "sway")


@pytest.fixture(scope="module")
def files(keyed: pairs.KeyedPair, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Both actors for each preset."""
    folder = tmp_path_factory.mktemp("fbx")
    return {
        preset: [
            fbx.export_fbx(folder / f"{preset}_{rig.name}.fbx", rig, 1, keyed.frame_end, preset)
            for rig in keyed.rigs
        ]
        for preset in fbx.PRESETS
    }


def test_every_preset_puts_every_bone_where_it_was_meant_to_be(
    keyed: pairs.KeyedPair, files: dict[str, list[Path]]
) -> None:
    found = fbx.read_fbx([path for pair in files.values() for path in pair], 24.0)
    for i, preset in enumerate(files):
        for j, (rig, motion) in enumerate(zip(keyed.descriptions, keyed.result.actors, strict=True)):
            (armature,) = found[2 * i + j]
            check = fbx.check_fbx(armature, rig.bone_names, motion.heads_world)
            assert check["max_error_mm"] < 0.1, (preset, rig.name, check)
            assert check["frames"] == keyed.take.frames == 20
            assert rig.deform is not None
            helpers = [n for n, moves_skin in zip(rig.bone_names, rig.deform, strict=True) if not moves_skin]
            assert check["bones_missing"] == (helpers if preset in ("UNREAL", "UNITY") else [])
            assert not any(name.endswith("_end") for name in armature.bone_names)  # no leaf bones


def test_hips_in_the_files_are_as_far_apart_as_in_the_take(
    keyed: pairs.KeyedPair, files: dict[str, list[Path]]
) -> None:
    """Level distance of the pelvises, read back, against the take's times the pair's scale: within 1 mm where
    nothing has to be parted."""
    assert max(keyed.result.report["touch"]["hips_moved_mm"].values()) == 0.0
    found = fbx.read_fbx(files["BLENDER"], 24.0)
    hips = []
    for (armature,), mapping in zip(found, keyed.result.mappings, strict=True):
        pelvis = mapping.anchors.get("pelvis") or mapping.bone_for("pelvis")
        assert pelvis is not None
        hips.append(armature.heads_world[:, armature.bone_names.index(pelvis)])
    level = np.linalg.norm((hips[0] - hips[1])[:, [0, 2]], axis=-1)
    a, b = (actor.joint_positions[:, 0] for actor in keyed.take.actors)
    wanted = keyed.result.pair_scale * np.linalg.norm((a - b)[:, [0, 2]], axis=-1)
    assert np.abs(level - wanted).max() < 1e-3
    assert keyed.result.report["hip_distance_error_mm"] < 1.0


def test_a_file_with_both_holds_each_with_its_own_motion(keyed: pairs.KeyedPair, tmp_path: Path) -> None:
    path = fbx.export_fbx(tmp_path / "both.fbx", keyed.rigs, 1, keyed.frame_end)
    (armatures,) = fbx.read_fbx([path], 24.0)
    by_name = {armature.name: armature for armature in armatures}
    assert set(by_name) == {"Terra", "Slate"}
    for rig, motion in zip(keyed.descriptions, keyed.result.actors, strict=True):
        assert fbx.check_fbx(by_name[rig.name], rig.bone_names, motion.heads_world)["max_error_mm"] < 0.1


def test_the_check_sees_a_bone_that_is_off(keyed: pairs.KeyedPair, files: dict[str, list[Path]]) -> None:
    ((armature,),) = fbx.read_fbx(files["BLENDER"][:1], 24.0)
    names = keyed.descriptions[0].bone_names
    heads = keyed.result.actors[0].heads_world.copy()
    heads[7, 3] += (0.0, 0.02, 0.0)
    check = fbx.check_fbx(armature, names, heads)
    assert abs(check["max_error_mm"] - 20.0) < 0.1 and check["worst_bone"] == names[3]
    with pytest.raises(fbx.FbxError, match="20 frames in the file, 19 expected"):
        fbx.check_fbx(armature, names, heads[:-1])


def test_exporting_leaves_the_scene_as_it_was(keyed: pairs.KeyedPair, tmp_path: Path) -> None:
    scene = bpy.context.scene
    before = (scene.frame_start, scene.frame_end, scene.render.fps)
    scene.frame_start, scene.frame_end = 3, 8
    scene.frame_set(5)
    for item in bpy.context.view_layer.objects:
        item.select_set(False)
    keyed.rigs[1].select_set(True)
    bpy.context.view_layer.objects.active = keyed.rigs[1]
    actions = [rig.animation_data.action for rig in keyed.rigs]
    fbx.export_fbx(tmp_path / "a.fbx", keyed.rigs[0], 1, 4)
    assert (scene.frame_start, scene.frame_end, scene.frame_current) == (3, 8, 5)
    assert list(bpy.context.selected_objects) == [keyed.rigs[1]]
    assert bpy.context.view_layer.objects.active == keyed.rigs[1]
    assert [rig.animation_data.action for rig in keyed.rigs] == actions
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fbx"]
    scene.frame_start, scene.frame_end, scene.render.fps = before


def test_what_cannot_be_written_or_read_says_why(keyed: pairs.KeyedPair, tmp_path: Path) -> None:
    rig = keyed.rigs[0]
    target = tmp_path / "kept.fbx"
    target.write_bytes(b"the file before")
    with pytest.raises(fbx.FbxError, match="choose one of BLENDER"):
        fbx.export_fbx(target, rig, 1, 4, "MAYA")
    with pytest.raises(fbx.FbxError, match="before the first"):
        fbx.export_fbx(target, rig, 9, 4)
    loose = bpy.data.objects.new("Loose", bpy.data.armatures.new("Loose"))
    with pytest.raises(fbx.FbxError, match="Loose is not in the scene"):
        fbx.export_fbx(target, loose, 1, 4)
    assert target.read_bytes() == b"the file before"
    with pytest.raises(fbx.FbxError, match="cannot be read back"):
        fbx.read_fbx([target], 24.0)
    assert np.array_equal([path.name for path in tmp_path.iterdir()], ["kept.fbx"])
