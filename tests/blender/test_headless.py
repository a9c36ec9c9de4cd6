# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line without a window, as a user runs it: a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon.headless import render  # noqa: E402
from blender_addon.rigs.bone_edit import Cell, with_bone  # noqa: E402
from blender_addon.rigs.reading import read_rig  # noqa: E402
from intermoe_engine.retarget import map_bones  # noqa: E402
from intermoe_engine.take import Take  # noqa: E402
from tests.blender.synthetic import swaying_take  # noqa: E402

ROOT = Path(__file__).parents[2]
TERRA_TO_GLB = """
import bpy, os, sys, traceback
try:
    bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
    rig = bpy.data.objects["Terra"]
    for item in bpy.context.view_layer.objects:
        item.select_set(item == rig or item.parent == rig)
    bpy.context.view_layer.update()
    bpy.ops.export_scene.gltf(filepath=sys.argv[2] + ".part.glb", use_selection=True)
    os.replace(sys.argv[2] + ".part.glb", sys.argv[2])
except Exception:
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(1)
os._exit(0)  # some builds of the module never come back from their own exit
"""


def run(module: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def retarget(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run("blender_addon.headless.retarget", *arguments)


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swaying_take(16).save(tmp_path_factory.mktemp("take") / "sway.npz")


@pytest.fixture(scope="module")
def gltf(mannequin_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Terra alone, as .glb."""
    path = tmp_path_factory.mktemp("gltf") / "terra.glb"
    command = [sys.executable, "-c", TERRA_TO_GLB, str(mannequin_file), str(path)]
    # Blender 4.2's exporter now and then reads freed pose bones: a process of its own, tried anew.
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode == 0:
            break
    assert path.exists(), done.stderr
    return path


def test_rigs_of_two_files_and_another_frame_rate(
    take: Path, gltf: Path, mannequin_file: Path, tmp_path: Path
) -> None:
    out, report = tmp_path / "out", tmp_path / "report.json"
    done = retarget(
        take,
        "--rig-a",
        gltf,
        "--rig-b",
        f"{mannequin_file}:Slate",
        "-o",
        out,
        "--report",
        report,
        "--fps",
        "24",
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["actor_a.fbx", "actor_b.fbx", "scene.blend"]
    numbers = json.loads(report.read_text())
    assert numbers["fps"] == 24 and numbers["frames"] == 13
    for check in numbers["fbx"].values():
        assert check["frames"] == 13 and check["max_error_mm"] < 0.1
    assert numbers["retarget"]["hip_distance_error_mm"] < 1.0
    bpy.ops.wm.open_mainfile(filepath=str(out / "scene.blend"))
    scene = bpy.context.scene
    rigs = [item for item in scene.objects if item.type == "ARMATURE"]
    assert len(rigs) == 2 and all(rig.animation_data.action for rig in rigs)
    assert (scene.frame_start, scene.frame_end, scene.render.fps) == (1, 13, 24)
    assert sum(item.type == "MESH" and item.parent in rigs for item in scene.objects) == 2


def test_one_file_and_one_armature_for_both(take: Path, mannequin_file: Path, tmp_path: Path) -> None:
    """A's bones by a file that leaves the neck out, B's found."""
    rig, neckless = f"{mannequin_file}:Terra", tmp_path / "map.json"
    bpy.ops.wm.open_mainfile(filepath=str(mannequin_file))
    with_bone(map_bones(read_rig(bpy.data.objects["Terra"])), Cell("neck"), "").save(neckless)
    options = ("--map-a", neckless, "--leads", "B")
    done = retarget(take, "--rig-a", rig, "--rig-b", rig, "-o", tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [actor["rows_empty"] for actor in numbers["retarget"]["actors"]] == [["neck"], []]
    assert all(check["max_error_mm"] < 0.1 for check in numbers["fbx"].values())
    # each plays its own part: the two stand apart
    assert numbers["distance"]["hips_min_m"] > 0.5


@pytest.mark.parametrize(
    ("rig", "words"),
    [
        ("nothing.fbx", "no such rig file"),
        ("{blend}", "several armatures (Slate, Terra)"),
        ("{blend}:Nobody", "no armature called 'Nobody'"),
        ("{broken}", "cannot read it"),
        ("{text}", "a rig comes from a file of the kind"),
    ],
)
def test_a_rig_that_cannot_be_used_is_one_line_and_leaves_nothing(
    rig: str, words: str, take: Path, mannequin_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.fbx").write_bytes(b"Kaydara FBX Binary  \x00 and then nothing")
    (tmp_path / "rig.txt").write_text("no rig")
    rig = rig.format(blend=mannequin_file, broken=tmp_path / "broken.fbx", text=tmp_path / "rig.txt")
    done = retarget(take, "--rig-a", f"{mannequin_file}:Terra", "--rig-b", rig, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_take_that_is_none_and_a_wrong_line(mannequin_file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"PK\x03\x04 broken")
    done = retarget(bad, "--rig-a", mannequin_file, "--rig-b", mannequin_file, "-o", tmp_path / "out")
    assert done.returncode == 1 and "not a readable take" in done.stderr
    assert retarget(bad, "-o", tmp_path / "out").returncode == 2
    assert not (tmp_path / "out").exists()


def test_the_demo_goes_the_whole_way(some_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = run(
        "blender_addon.headless.demo",
        *("--bundle", some_bundle, "--prompt", "two people dance", "--seed", "3", "--duration", "1"),
        *("--preview-size", "160", "-o", out),
    )
    assert done.returncode == 0, done.stderr
    names = ["actor_a.fbx", "actor_b.fbx", "preview.png", "report.json", "scene.blend", "take.npz"]
    assert sorted(path.name for path in out.iterdir()) == names
    report = json.loads((out / "report.json").read_text())
    take = Take.load(out / "take.npz")
    assert take.prompt == "two people dance" and take.seed == 3 and take.frames == report["frames"] == 30
    assert report["device"] in ("cpu", "cuda")
    assert all(check["max_error_mm"] < 0.1 for check in report["fbx"].values())
    a, b = (actor.joint_positions[:, 0] for actor in take.actors)
    apart = report["retarget"]["pair_scale"] * np.linalg.norm((a - b)[:, [0, 2]], axis=-1)
    assert abs(report["distance"]["hips_min_m"] - apart.min()) < 1e-3
    assert abs(report["distance"]["hips_median_m"] - np.median(apart)) < 1e-3
    sheet = bpy.data.images.load(str(out / "preview.png"))
    assert tuple(sheet.size) == (4 * 164 - 4, 2 * 164 - 4)
    pixels = np.empty(sheet.size[0] * sheet.size[1] * 4, dtype=np.float32)
    sheet.pixels.foreach_get(pixels)
    pixels = pixels.reshape(sheet.size[1], sheet.size[0], 4)
    for row in (0, 1):
        for column in range(4):
            tile = pixels[row * 164 : row * 164 + 160, column * 164 : column * 164 + 160, :3]
            warm = (tile[..., 0] - tile[..., 2] > 0.15).mean()
            cool = (tile[..., 2] - tile[..., 0] > 0.15).mean()
            assert warm > 0.003 and cool > 0.003  # both characters are in every picture


def test_the_camera_sees_everyone_and_no_nearer_camera_would() -> None:
    rng = np.random.default_rng(0)
    people = [rng.normal(size=(20, 10, 3)) * (1.5, 0.4, 0.9) + (x, 0, 1) for x in (-1, 1)]
    axes = render.view_axes(people)
    assert np.allclose(axes.T @ axes, np.eye(3)) and np.isclose(np.linalg.det(axes), 1.0)
    assert abs(axes[2, 0]) < 1e-9 and axes[0, 0] > 0.9  # level, and across the line between the two
    points = np.concatenate([p.reshape(-1, 3) for p in people])
    half = 0.36
    position = render.camera_position(points, axes, half)
    seen = (points - position) @ axes
    reach = np.abs(seen[:, :2]) / (-seen[:, 2:] * half)
    assert (seen[:, 2] < 0).all() and reach.max() < 1.0
    nearer = (points - position + 1.2 * axes[:, 2]) @ axes
    assert (np.abs(nearer[:, :2]) / (-nearer[:, 2:] * half)).max() > 1.0


def test_moments_are_even_and_include_both_ends() -> None:
    assert render.moments(1, 150) == [1, 22, 44, 65, 86, 107, 129, 150]
    assert render.moments(1, 8) == list(range(1, 9))
