# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact sheets of skinned characters: which moments they show, of whom, and that they are drawn."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon.headless.casting import add_character, check, split_size  # noqa: E402
from blender_addon.headless.rig_files import RigFileError  # noqa: E402
from blender_addon.headless.skins import touched_moments  # noqa: E402
from intermoe_engine.bench.takes import SCRIPTED  # noqa: E402
from intermoe_engine.cli.main import main  # noqa: E402
from intermoe_engine.retarget.touch import contacts_of  # noqa: E402


def test_a_size_may_follow_a_name() -> None:
    assert split_size("slate*1.2") == ("slate", 1.2)
    assert split_size("a*b.glb") == ("a*b.glb", 1.0)
    for wrong in ("terra*0", "nobody", "nobody.glb*2"):
        with pytest.raises(RigFileError):
            check(wrong)


def test_a_character_of_a_size_is_as_tall() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    rig = add_character("terra*0.5")
    crown = rig.matrix_world @ rig.data.bones["mixamorig:Head"].tail_local
    assert abs(crown.z - 0.5 * 1.60) < 0.04


def test_moments_are_those_of_touch() -> None:
    take = SCRIPTED["handshake"]().take
    result = SimpleNamespace(contacts=contacts_of(take))
    times = np.array(touched_moments(result, take, 4)) / take.fps  # type: ignore[arg-type]
    assert 0.3 < times[0] < 1.1 and 2.5 < times[-1] < 3.3
    assert ((times[1:3] > 1.1) & (times[1:3] < 2.5)).all()


def test_a_sheet_is_drawn(tmp_path: Path) -> None:
    command = ["bench", "skins", "-o", str(tmp_path), "--pair", "slate", "terra*0.8"]
    assert main([*command, "--take", "handshake", "--columns", "1", "--size", "64", "--format", "png"]) == 0
    sheet = bpy.data.images.load(str(tmp_path / "handshake.png"))
    assert tuple(sheet.size) == (64, 2 * 68 - 4)  # one moment from two angles
    pixels = np.empty(sheet.size[0] * sheet.size[1] * 4, dtype=np.float32)
    sheet.pixels.foreach_get(pixels)
    for view in (pixels.reshape(-1, 64, 4)[:64], pixels.reshape(-1, 64, 4)[68:]):
        red, blue = view[..., 0], view[..., 2]
        assert (red - blue > 0.15).mean() > 0.01 and (blue - red > 0.15).mean() > 0.01  # both are in it
