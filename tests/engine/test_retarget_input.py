# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes in as JSON and cannot be used is refused in one sentence, never with a traceback."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from intermoe_engine.retarget import BoneMapping, RetargetSettings, RigDescription, map_bones, retarget_pair
from intermoe_engine.retarget.errors import RigError
from intermoe_engine.take import ActorMotion, Take
from intermoe_engine.worker.protocol import encode
from tests.engine.retarget_rigs import dancing_take, smpl_rig

RIG = smpl_rig()
BONES = len(RIG.bone_names)


@pytest.mark.parametrize(
    "changes",
    [
        {"parents": [[1], 2]}, {"lengths": ["long"] * BONES}, {"rest_matrices": None},
        {"bone_names": [1] * BONES}, {"bone_names": "abc"}, {"inherit_scale": ["FULL"]},
        {"rest_matrices": np.full((BONES, 4, 4), np.nan).tolist()}, {"parents": [BONES] * BONES},
        {"world_matrix": np.diag([-1.0, 1, 1, 1]).tolist()},
    ],
    ids=str,
)  # fmt: skip
def test_rigs(changes: dict[str, Any]) -> None:
    with pytest.raises(RigError):
        RigDescription.from_dict({**RIG.to_dict(), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": None}, {"rows": ["a"]}, {"rows": [{"joint": "pelvis"}]}, {"anchors": [1]},
        {"anchors": {"l_hip": "no such bone"}}, {"properties": [1]},
    ],
    ids=str,
)  # fmt: skip
def test_mappings(changes: dict[str, Any]) -> None:
    with pytest.raises(RigError):
        BoneMapping.from_dict({**map_bones(RIG).to_dict(), **changes}).checked(RIG)


def test_followers_in_a_circle() -> None:
    first, second = RIG.bone_names[1:3]
    circle = {**map_bones(RIG).to_dict(), "followers": {first: second, second: first}}
    with pytest.raises(RigError, match="circle"):
        retarget_pair(dancing_take(), RIG, RIG, BoneMapping.from_dict(circle))


@pytest.mark.parametrize(
    "values",
    [
        {"contact_distance": "near"}, {"pelvis_drop": None}, {"pair_scale": float("nan")},
        {"keep_feet": "no"}, {"contact_release": float("nan")}, {"contact_release": float("inf")},
        {"leads": "C"}, {"no_such_setting": 1},
        {"scene_matrix": [1, 2]}, {"scene_matrix": np.eye(3).tolist()},
        {"scene_matrix": np.diag([-1.0, 1, 1, 1]).tolist()},
        {"scene_matrix": np.diag([2.0, 2, 2, 1]).tolist()},
    ],
    ids=str,
)  # fmt: skip
def test_settings(values: dict[str, Any]) -> None:
    with pytest.raises(RigError):
        RetargetSettings.from_dict(values)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_the_shortest_takes(frames: int) -> None:
    whole = dancing_take(8)
    parts = [
        ActorMotion(
            a.root_translation[:frames], a.joint_rotations[:frames], a.joint_positions[:frames],
            a.foot_contacts[:frames], a.rest_offsets,
        )
        for a in whole.actors
    ]  # fmt: skip
    pair = retarget_pair(Take("", 0, 30.0, (parts[0], parts[1])), RIG, RIG)
    encode(pair.report)  # no numbers that JSON cannot hold
    for motion in pair.actors:
        assert motion.frames == frames and np.isfinite(motion.rotations).all()
