# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole retargets of scripted contacts, measured on the rigs' bones."""

from __future__ import annotations

import numpy as np
import pytest

from intermoe_engine.bench.methods import outcome
from intermoe_engine.bench.metrics import Measures, measure
from intermoe_engine.bench.rigs import built_rigs
from intermoe_engine.bench.takes import SCRIPTED
from intermoe_engine.retarget import RetargetSettings, retarget_pair
from intermoe_engine.retarget.touch import Contact, ContactList, with_contacts
from intermoe_engine.retarget.touch.parts import POINTS

RIGS = built_rigs()


@pytest.mark.parametrize("name", sorted(SCRIPTED))
def test_same_proportions_reproduce_the_take(name: str) -> None:
    take = SCRIPTED[name]().take
    result = outcome("together", take, (RIGS["same"], RIGS["same"]))
    assert measure(take, result).joint.max() < 1e-3


@pytest.mark.parametrize("name", ["handshake", "push", "hand on shoulder"])
def test_hands_meet_on_other_proportions(name: str) -> None:
    """A of 1.25 with B of 1.0: hands where they belong, free limbs as they were, feet still, no jumps."""
    take = SCRIPTED[name]().take
    pair = (RIGS["1.25"], RIGS["1.0 A-pose"])
    values = measure(take, outcome("together", take, pair))
    alone = measure(take, outcome("one scale", take, pair))
    assert np.median(values.hand) < 0.01 and np.percentile(values.hand, 95) < 0.03
    assert np.median(alone.hand) > 0.1
    assert np.median(values.limb_free) < 2 and np.percentile(values.limb_free, 95) < 6
    assert values.slide.mean() < 0.005 and values.sunk.max() < 0.005
    assert values.backward.max() == 0 and values.step.max() < 1.1


def test_points_are_where_the_bones_are() -> None:
    """The bodies that are measured are the predicted bone heads."""
    take = SCRIPTED["handshake"]().take
    rigs = (RIGS["1.25"], RIGS["0.8"])
    result = retarget_pair(take, *rigs)
    for rig, motion, points in zip(rigs, result.actors, result.points, strict=True):
        for bone, point in (("LeftHand", "l_wrist"), ("RightForeArm", "r_elbow"), ("LeftLeg", "l_knee")):
            np.testing.assert_allclose(
                motion.heads_world[:, rig.index[bone]], points[:, POINTS.index(point)], atol=1e-6
            )


def test_the_leader_keeps_the_pose() -> None:
    take = SCRIPTED["handshake"]().take
    pair = (RIGS["1.25"], RIGS["1.0 A-pose"])
    moved = {}
    free = retarget_pair(take, *pair, settings=RetargetSettings(keep_contacts=False)).points
    for leads in ("A", "share", "B"):
        points = retarget_pair(take, *pair, settings=RetargetSettings(leads=leads)).points
        moved[leads] = np.linalg.norm(points - free, axis=-1).mean(axis=(1, 2))
    assert moved["A"][0] < moved["share"][0] < moved["B"][0]
    assert moved["A"][1] > moved["share"][1] > moved["B"][1]


def test_with_nothing_to_keep_the_hips_stay_as_far_apart_as_in_the_take() -> None:
    """A hug of unequal people: the solve moves hips and the report says how far; switched off, they stay."""
    take = SCRIPTED["hug"]().take
    pair = (RIGS["1.25"], RIGS["0.8"])
    a, b = (actor.joint_positions[:, 0] for actor in take.actors)
    moved = {}
    for keep in (False, True):
        settings = RetargetSettings(keep_contacts=keep, keep_apart=keep)
        result = retarget_pair(take, *pair, settings=settings)
        hips = [
            motion.heads_world[:, rig.index["Hips"]] for rig, motion in zip(pair, result.actors, strict=True)
        ]
        level = np.linalg.norm((hips[0] - hips[1])[:, [0, 2]], axis=-1)
        wanted = result.pair_scale * np.linalg.norm((a - b)[:, [0, 2]], axis=-1)
        error = 1000 * np.abs(level - wanted).max()
        assert error == pytest.approx(result.report["hip_distance_error_mm"], abs=0.01)
        moved[keep] = (error, max(result.report["touch"]["hips_moved_mm"].values()))
    assert moved[False][0] < 1.0 and moved[False][1] == 0.0
    assert moved[True][1] > 5.0 and moved[True][0] <= 2 * moved[True][1]


def test_edited_contacts_are_obeyed() -> None:
    """Taken out, a handshake is let go; put on the shoulder, the hand goes there."""
    take = SCRIPTED["handshake"]().take
    pair = (RIGS["same"], RIGS["same"])
    none = retarget_pair(with_contacts(take, ContactList()), *pair)
    assert none.report["touch"]["contacts"] == []
    shoulder = Contact("A", "r_hand", "B", "r_upper_arm", 1.2, 2.4, gap=0.0)
    result = retarget_pair(with_contacts(take, ContactList.of([shoulder])), *pair)
    row = result.report["touch"]["contacts"][0]
    assert row["gap_error_before_mm"] > 100 and row["gap_error_mm"] < 15


def test_pooling_keeps_every_value() -> None:
    take = SCRIPTED["push"]().take
    values = measure(take, outcome("own height", take, (RIGS["same"], RIGS["same"])))
    assert len(Measures.pooled([values, values]).joint) == 2 * len(values.joint)
