# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigs written as numbers by one process are the rigs that the benchmark reads in another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("bpy")

from intermoe_engine.bench.rigs import described_rigs
from intermoe_engine.retarget import map_bones
from intermoe_engine.retarget.touch.parts import INDEX


def test_mannequins_come_back_with_their_thickness(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "blender_addon.headless.describe_rigs", str(tmp_path), "--mannequins"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    rigs = described_rigs(tmp_path)
    assert sorted(rigs) == ["slate", "terra"]
    assert done.stdout.count("parts measured") == 2
    for name, height in (("slate", 1.90), ("terra", 1.60)):
        rig = rigs[name]
        assert not map_bones(rig).missing()
        assert set(rig.girths) == set(INDEX)
        assert 0.8 * height < rig.world_scale * rig.heads[:, 2].max() < 1.02 * height
