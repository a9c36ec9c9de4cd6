# SPDX-License-Identifier: GPL-3.0-or-later
"""glTF and FBX files with known motion come through Blender, and the free clips look like people."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.shared import SHARED
from tests.training.loaders.glb_files import write_glb
from tests.training.loaders.known_people import MIXAMO, SMPL, a_pose, degrees_apart, known_pair, on_skeleton
from training.data import scene_reading
from training.data.checks import DataError, Rejected, check
from training.data.loaders import LoaderOptions, detect, scene
from training.data.pair_clip import PairClip
from training.data.single_clip import SingleClip

FREE = SHARED / "data" / "cc0_clips"
TRUTH = known_pair()
OTHER = known_pair(frames=45, seed=5)
TO_FBX = """
import bpy, os, sys
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.render.fps = 30
bpy.ops.import_scene.gltf(filepath=sys.argv[1])
bpy.context.scene.frame_start, bpy.context.scene.frame_end = 0, 59
rig = next(item for item in bpy.data.objects if item.type == "ARMATURE")
heads = [rig.matrix_world @ bone.head_local for bone in rig.data.bones]
skin = bpy.data.meshes.new("skin")  # without a skin, FBX keeps no bind pose
skin.from_pydata([corner for h in heads for corner in (h, h + h.orthogonal(), h)], [],
    [(3 * n, 3 * n + 1, 3 * n + 2) for n in range(len(heads))])
body = bpy.data.objects.new("skin", skin)
bpy.context.collection.objects.link(body)
for n, bone in enumerate(rig.data.bones):
    body.vertex_groups.new(name=bone.name).add(range(3 * n, 3 * n + 3), 1.0, "REPLACE")
body.parent = rig
body.modifiers.new("rig", "ARMATURE").object = rig
bpy.ops.export_scene.fbx(filepath=sys.argv[2], object_types={"ARMATURE", "MESH"}, add_leaf_bones=False,
    bake_anim_use_nla_strips=False, bake_anim_use_all_actions=False, bake_anim_simplify_factor=0.0)
os._exit(0)
"""

blender = pytest.mark.blender


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """duet.glb: two characters with one clip; solo.glb: one with two clips; solo.fbx: its first clip."""
    pytest.importorskip("bpy")
    folder = tmp_path_factory.mktemp("scenes")
    a, b = on_skeleton(TRUTH, 0, MIXAMO, a_pose()), on_skeleton(TRUTH, 1, SMPL)
    write_glb(folder / "duet.glb", [("Anna", {"Together": a}), ("Ben", {"Together": b})], TRUTH.fps)
    bow, wave = (on_skeleton(truth, 0, MIXAMO, a_pose()) for truth in (TRUTH, OTHER))
    write_glb(folder / "solo.glb", [("Anna", {"Bow": bow, "Wave": wave})], TRUTH.fps)
    write_glb(folder / "one.glb", [("Anna", {"Bow": bow})], TRUTH.fps)
    arguments = [str(folder / "one.glb"), str(folder / "solo.fbx")]
    subprocess.run([sys.executable, "-c", TO_FBX, *arguments], check=True, capture_output=True)
    (folder / "one.glb").unlink()
    return folder


@blender
def test_two_characters_of_one_file_are_a_pair(files):
    (clip,) = scene.clips(files / "duet.glb", LoaderOptions())
    assert isinstance(clip, PairClip), clip
    # Each character's ground is where its rest pose stands: here that is not y = 0 of the truth.
    error = clip.positions() - TRUTH.positions
    error[..., 1] -= error[:, :1, :1, 1]
    assert np.abs(error).max() < 1e-3
    assert degrees_apart(clip.joint_rotations, TRUTH.local).max() < 2.5
    assert clip.name == "duet" and clip.source == "scene"


@blender
def test_clips_of_one_character_become_a_pair_by_a_table(files, tmp_path):
    table = tmp_path / "captions.csv"
    table.write_text(
        "name,file_a,file_b,caption,offset_b_x,offset_b_z,turn_b\n"
        "greet,solo.glb#Bow,solo.glb#Wave,one bows and the other waves,,,\n"
        "aside,solo.glb#Bow,solo#Anna/Wave,side by side,1.0,0,0\n"
        "what,solo.glb#Jump,solo.glb#Wave,nobody jumps,,,\n"
        "which,solo.glb,solo.glb#Wave,which one,,,\n"
    )
    greet, aside, what, which = scene.clips(files, LoaderOptions(captions=table))
    assert isinstance(greet, PairClip) and isinstance(aside, PairClip)
    assert greet.frames == 45 and greet.captions == ("one bows and the other waves",)
    half_turn = Rotation.from_euler("y", 180, degrees=True).as_matrix()
    for clip, turn, shift in ((greet, half_turn, [0, 0, 1.0]), (aside, np.eye(3), [1.0, 0, 0])):
        start = OTHER.positions[0, 0, 0] * [1, 0, 1]
        expected = np.stack([TRUTH.positions[0, :45], (OTHER.positions[0] - start) @ turn.T + start + shift])
        error = clip.positions() - expected
        error[..., 1] -= error[:, :1, :1, 1]
        assert np.abs(error).max() < 1e-3
    assert isinstance(what, Rejected) and "0 clips called Jump" in what.reason
    assert isinstance(which, Rejected) and "2 clips of 1 characters" in which.reason


@blender
def test_every_clip_alone(files):
    clips = list(scene.singles(files / "solo.glb", LoaderOptions()))
    assert [clip.name for clip in clips] == ["solo.glb#Bow", "solo.glb#Wave"]
    for clip, truth in zip(clips, (TRUTH, OTHER), strict=True):
        assert isinstance(clip, SingleClip) and clip.fps == 30.0
        error = clip.positions() - truth.positions[0]
        error[..., 1] -= error[:1, :1, 1]
        assert np.abs(error).max() < 1e-3


@blender
def test_fbx(files):
    (clip,) = scene.singles(files / "solo.fbx", LoaderOptions())
    assert isinstance(clip, SingleClip), clip
    error = clip.positions() - TRUTH.positions[0]
    error -= error[:1, :1]
    assert np.abs(error).max() < 2e-3
    assert degrees_apart(clip.joint_rotations, TRUTH.local[0]).max() < 2.5


@blender
def test_what_is_wrong_is_said(files, tmp_path):
    (tmp_path / "broken.glb").write_bytes(b"no glTF at all")
    (broken,) = scene.clips(tmp_path, LoaderOptions())
    assert isinstance(broken, Rejected) and broken.reason.startswith("broken.glb: Blender cannot read it")
    (alone,) = scene.clips(files / "solo.glb", LoaderOptions())
    assert isinstance(alone, Rejected) and "not two characters" in alone.reason
    with pytest.raises(DataError, match="took longer than 0.01 s"):
        scene_reading.read_scene(files / "solo.glb", 30.0, timeout=0.01)


def test_without_blender_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.glb").write_bytes(b"")
    assert detect(tmp_path) == "scene"
    monkeypatch.setattr(scene_reading.importlib.util, "find_spec", lambda name: None)
    (clip,) = scene.clips(tmp_path, LoaderOptions())
    assert isinstance(clip, Rejected) and "intermoe-blender[blender]" in clip.reason


@blender
@pytest.mark.skipif(not FREE.exists(), reason="the free clips are not at hand (INTERMOE_SHARED)")
def test_stylised_clips_become_people():
    pytest.importorskip("bpy")
    clips = list(scene.singles(FREE / "kaykit" / "Med_MovementBasic.glb", LoaderOptions()))
    assert len(clips) >= 5
    for clip in clips:
        assert isinstance(clip, SingleClip), clip
        positions = clip.positions()
        lengths = np.linalg.norm(clip.rest_offsets[[4, 7, 18, 20]], axis=-1)
        assert np.allclose(lengths, [0.39, 0.42, 0.26, 0.26], rtol=0.15)  # thigh, shin, upper arm, forearm
        assert positions[..., 1].min() > -0.15
        if "Jump" not in clip.name:
            soles = np.percentile(positions[:, [7, 8, 10, 11], 1].min(axis=1), 10)
            assert -0.03 < soles < 0.06, clip.name
        hips, knees, ankles = (positions[:, ids] for ids in ([1, 2], [4, 5], [7, 8]))
        forward = np.cross(positions[:, 1] - positions[:, 2], [0.0, 1.0, 0.0])
        forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
        ahead = ((knees - (hips + ankles) / 2) * forward[:, None]).sum(axis=-1)
        assert ahead.min() > -0.06, clip.name  # no knee bends backwards
        assert clip.frames < 15 or check_single(clip) is None


def check_single(clip: SingleClip) -> str | None:
    """The checks of pairs, with the clip beside itself."""
    pair = PairClip(
        clip.name,
        clip.fps,
        np.stack([clip.root_translation, clip.root_translation + [1.0, 0, 0]]),
        np.stack([clip.joint_rotations] * 2),
        np.stack([clip.rest_offsets] * 2),
        ("", ""),
    )
    return check(pair)
