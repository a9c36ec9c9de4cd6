# SPDX-License-Identifier: GPL-3.0-or-later
"""Girths measured on meshes of known thickness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from intermoe_engine.bench.rigs import humanoid, proportions
from intermoe_engine.retarget import RigDescription, map_bones
from intermoe_engine.retarget.touch.body import girths
from intermoe_engine.retarget.touch.parts import INDEX
from intermoe_engine.retarget.touch.skin import measured_girths, target_girths

LIMBS = {
    "upper_arm": ("Arm", "ForeArm", 0.06),
    "forearm": ("ForeArm", "Hand", 0.045),
    "thigh": ("UpLeg", "Leg", 0.1),
    "shin": ("Leg", "Foot", 0.06),
}
DEPTH, WIDTH = 0.15, 0.24


def flesh(rig: RigDescription, seed: int = 0) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Cylinders around the limbs and an elliptic barrel around the trunk, vertices scattered on them; with
    the radii that were built in. Armature space is z up, facing -y."""
    rng = np.random.default_rng(seed)
    vertices, owners, built = [], [], {}
    for s, side in (("l", "Left"), ("r", "Right")):
        for part, (first, last, radius) in LIMBS.items():
            start, end = (rig.heads[rig.index[f"{side}{bone}"]] for bone in (first, last))
            way = end - start
            x = np.cross(way, [0.2, 0.5, 0.7])
            x /= np.linalg.norm(x)
            y = np.cross(way, x) / np.linalg.norm(way)
            turn, along = rng.uniform(0, 2 * np.pi, 900), rng.uniform(0, 1, (900, 1))
            vertices.append(
                start + along * way + radius * (np.cos(turn)[:, None] * x + np.sin(turn)[:, None] * y)
            )
            owners += [rig.index[f"{side}{first}"]] * 900
            built[f"{s}_{part}"] = radius
    hips, neck = rig.heads[rig.index["Hips"]], rig.heads[rig.index["Neck"]]
    turn, height = rng.uniform(0, 2 * np.pi, 4000), rng.uniform(hips[2] - 0.1, neck[2], 4000)
    middle = (hips + neck) / 2
    vertices.append(
        np.stack([middle[0] + WIDTH * np.cos(turn), middle[1] + DEPTH * np.sin(turn), height], axis=-1)
    )
    owners += [rig.index["Spine1"]] * 4000
    built |= dict.fromkeys(("hips", "belly", "chest"), DEPTH)
    return np.concatenate(vertices), np.array(owners), built


@pytest.mark.parametrize("size", [0.6, 1.0, 1.3])
def test_known_thickness_comes_back(size: float) -> None:
    rig = humanoid("stout", proportions(), 45.0)
    vertices, owners, built = flesh(rig)
    rig = replace(rig, world_matrix=rig.world_matrix @ np.diag([size, size, size, 1.0]))
    found = measured_girths(rig, map_bones(rig), vertices, owners)
    assert set(found) == set(built), "parts without a mesh are left to the bones"
    for part, radius in built.items():
        assert found[part] == pytest.approx(radius, rel=0.1), part
    points = np.random.default_rng(1).normal(0, 0.5, (3, 18, 3))
    radii = target_girths(replace(rig, girths=found), points)
    for part in INDEX:
        expected = size * found[part] if part in found else girths(points)[INDEX[part]]
        assert radii[INDEX[part]] == pytest.approx(expected), part


def test_a_skirt_and_stray_vertices_do_not_make_giants() -> None:
    """What hangs far off a limb is held at a multiple of what the bones suggest; a few vertices are none."""
    rig = humanoid("skirt", proportions())
    vertices, owners, _ = flesh(rig)
    thigh = owners == rig.index["LeftUpLeg"]
    axis = rig.heads[rig.index["LeftUpLeg"]]
    wide = vertices.copy()
    wide[thigh, :2] = axis[:2] + 8 * (vertices[thigh, :2] - axis[:2])
    found = measured_girths(rig, map_bones(rig), wide, owners)
    assert found["l_thigh"] < 0.25 and found["r_thigh"] == pytest.approx(0.1, rel=0.1)
    few = np.flatnonzero(owners == rig.index["RightUpLeg"])[5:]
    left = np.setdiff1d(np.arange(len(owners)), few)
    assert "r_thigh" not in measured_girths(rig, map_bones(rig), vertices[left], owners[left])
