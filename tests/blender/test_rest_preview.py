# SPDX-License-Identifier: GPL-3.0-or-later
"""The rest poses that the Bones panel shows: the character brought into the T-pose is the take's T-pose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from blender_addon.rigs.reading import read_rig  # noqa: E402
from blender_addon.rigs.rest_figures import BEND, LEFT, RIGHT, rest_figures  # noqa: E402
from blender_addon.ui import bones_panel, rest_preview  # noqa: E402
from intermoe_engine.retarget import BoneMapping, map_bones  # noqa: E402
from tests.blender.paper import drawn  # noqa: E402
from tests.blender.stick import stick_rig  # noqa: E402

pytestmark = pytest.mark.usefixtures("extension")


def directions(figure, kind: int) -> np.ndarray:
    """Unit directions of a figure's sticks of one kind."""
    lines = figure.lines[figure.kinds == kind]
    ways = lines[:, 1] - lines[:, 0]
    return ways / np.linalg.norm(ways, axis=-1, keepdims=True)


@pytest.mark.parametrize("name", ["Terra", "Slate"])
def test_a_right_map_brings_the_character_into_the_t_pose(mannequin_file, name: str) -> None:
    """T-pose and A-pose mannequins, turned and scaled: arms, legs and bends as in the take's T-pose."""
    bpy.ops.wm.open_mainfile(filepath=str(mannequin_file))
    rig = bpy.data.objects[name]
    rig.location, rig.rotation_euler, rig.scale = (1.0, 2.0, 0.5), (0.0, 0.0, 0.9), (0.8, 0.8, 0.8)
    bpy.context.view_layer.update()
    description = read_rig(rig)
    take, rest, moved = rest_figures(description, map_bones(description), np.array(rig.matrix_world))
    for kind in (LEFT, RIGHT):
        limbs = slice(1, 3)  # upper and lower arm come after the clavicle
        assert np.allclose(directions(take, kind)[limbs], directions(moved, kind)[limbs], atol=1e-4)
    assert np.allclose(directions(take, BEND), directions(moved, BEND), atol=1e-3)
    heads = np.array([rig.matrix_world @ bone.head_local for bone in rig.data.bones])
    for line in rest.lines[rest.kinds == LEFT]:
        assert np.linalg.norm(heads - line[0], axis=-1).min() < 1e-4, "it stands where the character stands"
    lowest = [figure.lines[..., 2].min() for figure in (take, rest, moved)]
    assert np.ptp(lowest) < 0.05
    middles = np.array([figure.place[:2] for figure in (take, rest, moved)])
    assert np.linalg.norm(middles[0] - middles[1]) > 0.8 and np.linalg.norm(middles[1] - middles[2]) > 0.8


def test_a_wrong_map_is_seen(mannequin_file) -> None:
    """With the sides exchanged, red lies on the character's right; with arm and leg, red runs crosswise."""
    bpy.ops.wm.open_mainfile(filepath=str(mannequin_file))
    rig = bpy.data.objects["Terra"]
    description = read_rig(rig)
    right = map_bones(description)
    bones = {row.joint: row.bones for row in right.rows}

    def rest_with(names: dict[str, str]):
        rows = tuple(replace(row, bones=bones[names.get(row.joint, row.joint)]) for row in right.rows)
        return rest_figures(description, BoneMapping(rows), np.array(rig.matrix_world))[1]

    def mean_x(figure) -> float:
        return float(figure.lines[figure.kinds == LEFT][..., 0].mean())

    assert mean_x(rest_with({})) > 0.1
    other = {"l": "r", "r": "l"}
    sides = {joint: other[joint[0]] + joint[1:] for joint in bones if joint[:2] in ("l_", "r_")}
    assert mean_x(rest_with(sides)) < -0.1
    limbs = {"l_shoulder": "l_hip", "l_hip": "l_shoulder", "l_elbow": "l_knee", "l_knee": "l_elbow"}
    lengths = [
        np.linalg.norm(f.lines[:, 1] - f.lines[:, 0], axis=-1).max()
        for f in (rest_with({}), rest_with(limbs))
    ]
    assert lengths[1] > 1.5 * lengths[0]


def test_it_comes_and_goes_without_a_trace() -> None:
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    scene.intermoe.actor_a = rig = stick_rig("Anna", 1.0, 0.0)
    before = [len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "armatures", "collections")]
    assert bpy.ops.intermoe.rest_preview() == {"FINISHED"}
    assert rest_preview.shows(rig) and [figure.label for figure in rest_preview.drawn()][1] == "Rest pose"
    assert "Rest Poses" in drawn(bones_panel.INTERMOE_PT_bones)
    after = [len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "armatures", "collections")]
    assert after == before
    rig.location.x = 5.0
    bpy.context.view_layer.update()
    assert rest_preview.drawn()[1].lines[..., 0].mean() > 4.0, "it follows the character"
    bpy.ops.intermoe.rest_preview()
    assert not rest_preview.shows(rig) and rest_preview.drawn() == []
    bpy.ops.intermoe.rest_preview()
    bpy.data.objects.remove(rig)
    assert rest_preview.drawn() == []
    bpy.ops.wm.read_homefile(use_empty=True)
    assert rest_preview._preview.handlers == []


def test_what_cannot_be_shown_is_told() -> None:
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    scene.intermoe.actor_a = rig = stick_rig("Anna", 1.0, 0.0)
    rig.data.bones["mixamorig:LeftLeg"].name = "x"
    rig.data.bones["mixamorig:LeftUpLeg"].name = "y"
    rig["intermoe_bone_map"] = '{"rows": []}'
    with pytest.raises(RuntimeError, match="has no bone for"):
        bpy.ops.intermoe.rest_preview()
    assert rest_preview._preview.handlers == []
