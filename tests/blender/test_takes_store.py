# SPDX-License-Identifier: GPL-3.0-or-later
"""Old takes go, new ones and those that a scene plays stay."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from blender_addon.engine import folders  # noqa: E402
from blender_addon.takes import store  # noqa: E402

pytestmark = pytest.mark.usefixtures("extension")


@pytest.fixture
def takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Six takes, the oldest first, and a file that is none."""
    monkeypatch.setenv("INTERMOE_CACHE", str(tmp_path))
    bpy.ops.wm.read_homefile(use_empty=True)
    folder = folders.takes()
    (folder / "notes.npz").write_bytes(b"mine")
    paths = [folder / f"take-{i}-abc.npz" for i in range(6)]
    for i, path in enumerate(paths):
        path.write_bytes(b"x" * 10)
        os.utime(path, (1_000_000 + i, 1_000_000 + i))
    return paths


def left(takes: list[Path]) -> list[int]:
    assert (takes[0].parent / "notes.npz").exists()
    return [i for i, path in enumerate(takes) if path.exists()]


def test_the_newest_stay(takes: list[Path]) -> None:
    assert store.prune(folders.takes(), 2, []) == 4
    assert left(takes) == [4, 5]
    assert store.prune(folders.takes(), 0, []) == 0


def test_what_an_open_scene_plays_stays_and_use_makes_new(takes: list[Path]) -> None:
    bpy.context.scene.intermoe_take.path = str(takes[0])
    other = bpy.data.scenes.new("Other")
    other.intermoe_take.path = str(takes[2])
    store.touch(takes[1])
    assert store.prune(folders.takes(), 1, store.needed()) == 3
    assert left(takes) == [0, 1, 2]


def test_delete_all_is_asked_of_the_user_and_spares_open_scenes(takes: list[Path]) -> None:
    bpy.context.scene.intermoe_take.path = str(takes[3])
    bpy.ops.intermoe.delete_takes()
    assert left(takes) == [3]
