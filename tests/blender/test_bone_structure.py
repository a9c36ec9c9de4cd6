# SPDX-License-Identifier: GPL-3.0-or-later
"""Mapping of Blender's human metarigs, the generated control rig and the mannequins, names shuffled too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")
addon_utils = pytest.importorskip("addon_utils")

from blender_addon.rigs.reading import read_rig  # noqa: E402
from intermoe_engine.bench.mapping import score  # noqa: E402
from intermoe_engine.bench.rig_tables import KnownRig  # noqa: E402
from intermoe_engine.retarget import find_bones, map_bones  # noqa: E402
from intermoe_engine.retarget.mapping_search import search  # noqa: E402

METARIGS = {
    "human": "armature_human_metarig_add",
    "basic human": "armature_basic_human_metarig_add",
}
LIMBS = {"collar": "shoulder", "shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand",
         "hip": "thigh", "knee": "shin", "ankle": "foot", "foot": "toe"}  # fmt: skip


@pytest.fixture
def rigify() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if addon_utils.enable("rigify", default_set=True) is None:
        pytest.skip("this Blender has no Rigify")


def expected() -> dict[str, tuple[str, ...]]:
    rows: dict[str, tuple[str, ...]] = {
        "pelvis": ("spine",),
        "spine": ("spine.001", "spine.002", "spine.003"),
        "neck": ("spine.004", "spine.005"),
        "head": ("spine.006",),
    }
    for s in ("l", "r"):
        rows |= {f"{s}_{joint}": (f"{name}.{s.upper()}",) for joint, name in LIMBS.items()}
    return rows


def fingers() -> dict[str, tuple[str, ...]]:
    names = {"thumb": "thumb", **{f: f"f_{f}" for f in ("index", "middle", "ring", "pinky")}}
    return {
        f"{s}_{finger}": tuple(f"{name}.0{k}.{s.upper()}" for k in (1, 2, 3))
        for s in ("l", "r")
        for finger, name in names.items()
    }


@pytest.mark.parametrize("operator", METARIGS.values(), ids=METARIGS)
def test_metarigs(rigify: None, operator: str) -> None:
    getattr(bpy.ops.object, operator)()
    rig = read_rig(bpy.context.object)
    rows = expected() | (fingers() if "thumb.01.L" in rig.index else {})
    known = KnownRig(operator, "", rig, rows)
    assert {r.joint: r.bones for r in find_bones(rig).rows if r.bones} == rows
    rng = np.random.default_rng(1)
    for _ in range(3):
        result = score(known.shuffled(rng))
        assert result.precision >= 0.95 and result.recall >= 0.95, result


def test_generated_rig_is_keyed_and_read(rigify_file: Path) -> None:
    """FK controls to key, IK controls beside them, deform bones to read."""
    bpy.ops.wm.open_mainfile(filepath=str(rigify_file))
    rig = read_rig(bpy.data.objects["generated"])
    mapping = map_bones(rig)
    assert mapping.preset == "rigify_generated"
    assert mapping.bones_for("l_elbow") == ("forearm_fk.L",)
    assert mapping.ik_controls["r_ankle"] == "foot_ik.R"
    assert mapping.ik_controls["l_elbow"] == "upper_arm_ik_target.L"
    assert set(mapping.ik_controls.values()) <= set(rig.bone_names)
    read = search(rig, deform=True)
    assert read.missing() == []
    assert all(bone.startswith("DEF-") for bone in read.body_bones)


@pytest.mark.parametrize("name", ["Terra", "Slate"])
def test_mannequins_with_shuffled_names(mannequin_file: Path, name: str) -> None:
    bpy.ops.wm.open_mainfile(filepath=str(mannequin_file))
    rig = read_rig(bpy.data.objects[name])
    rows = {r.joint: r.bones for r in map_bones(rig).rows if r.bones}
    known = KnownRig(name, "", rig, rows)
    rng = np.random.default_rng(2)
    for _ in range(3):
        result = score(known.shuffled(rng))
        assert result.precision >= 0.95 and result.recall >= 0.95, result
