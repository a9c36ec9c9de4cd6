# SPDX-License-Identifier: GPL-3.0-or-later
"""Mapping by structure: any build, rest pose and orientation, whatever the bones are called."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from intermoe_engine.bench.mapping import score
from intermoe_engine.bench.rig_tables import KnownRig
from intermoe_engine.retarget import RigDescription, RigError, find_bones, map_bones
from intermoe_engine.retarget.mapping import BODY_SLOTS
from intermoe_engine.retarget.structure import find_structure
from tests.engine.retarget.built import Build, jittered, known_rig, random_rotation, turned

BUILDS = {
    "bare": Build(spine=1, neck=0, collars=False, toes=False, fingers=False, root=False),
    "no collars": Build(collars=False, arms=45),
    "no fingers": Build(fingers=False, arms=70),
    "no toes": Build(toes=False, arms=45),
    "no head tip, twists in line": Build(twists=2, spine=5, neck=2),
    "hips split": Build(split_hips=True, arms=85),
    "tip markers": Build(tips=True, arms=20),
    "plaits, ears, coat and tail": Build(extras=True, arms=45),
    "everything": Build(spine=6, neck=4, twists=1, split_hips=True, tips=True, extras=True, arms=60),
}


def assert_right(known: KnownRig, only_body: bool = False) -> None:
    mapping = find_bones(known.rig)
    rows = mapping.body_rows if only_body else [r for r in mapping.rows if r.bones]
    assert {r.joint: r.bones for r in rows if known.rows.get(r.joint) != r.bones} == {}
    assert mapping.missing() == []


@pytest.mark.parametrize("arms", [0, 45, 80])
@pytest.mark.parametrize("neck", range(5))
def test_spines_of_one_to_six_and_necks_of_none_to_four(neck: int, arms: int) -> None:
    rng = np.random.default_rng(neck)
    for spine in range(1, 7):
        known = known_rig(Build(spine=spine, neck=neck, arms=arms)).shuffled(rng)
        result = score(known)
        assert result.wrong == () and result.recall == 1.0, (spine, neck, result)


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_builds_in_any_orientation(build: Build) -> None:
    """The armature's data may be turned and scaled in any way; facing comes from the body alone."""
    rng = np.random.default_rng(3)
    known = known_rig(build)
    for scale in (0.01, 1.0, 100.0):
        moved = turned(known.shuffled(rng), random_rotation(rng), scale)
        result = score(moved)
        assert result.wrong == () and result.recall == 1.0, result


def test_object_transform_does_not_matter() -> None:
    known = known_rig(Build(arms=45)).shuffled(np.random.default_rng(0))
    before = find_bones(known.rig)
    world = np.eye(4)
    world[:3, :3] = 0.01 * random_rotation(np.random.default_rng(1)) @ np.diag([1.0, 2.0, 0.5])
    world[:3, 3] = [3, -2, 7]
    assert find_bones(replace(known.rig, world_matrix=world)) == before


def test_uneven_skeletons() -> None:
    """Heads off by 4 mm at random, as in fitted skeletons."""
    rng = np.random.default_rng(5)
    for arms in (0, 45, 80):
        for _ in range(5):
            known = jittered(known_rig(Build(arms=arms)).shuffled(rng), 0.0025, rng)
            assert_right(known, only_body=True)


def test_a_weapon_in_one_hand_is_passed_by() -> None:
    known = known_rig(Build())
    rig = known.rig
    wrist = rig.index["r_wrist"]
    names = [*rig.bone_names, "weapon", "weapon_tip"]
    parents = np.append(rig.parents, [wrist, len(rig.bone_names)])
    matrices = np.concatenate([rig.rest_matrices, np.tile(np.eye(4), (2, 1, 1))])
    matrices[-2:, :3, 3] = rig.heads[wrist] + [[-0.08, 0.0, 0.0], [-0.08, 0.0, 0.9]]
    armed = RigDescription("armed", names, parents, matrices, np.append(rig.lengths, [0.9, 0.1]))
    assert_right(KnownRig("armed", "", armed, known.rows).shuffled(np.random.default_rng(2)), only_body=True)


def test_facing_is_said_with_its_evidence() -> None:
    known = known_rig(Build(arms=45))
    facing = find_structure(known.rig).facing
    assert facing is not None
    np.testing.assert_allclose(facing.forward, [0, 0, 1], atol=0.05)
    assert facing.votes["feet"] * facing.votes["knees"] > 0 and facing.confidence > 0.7


def test_exchanged_sides_are_doubted() -> None:
    """Names that call the right side left are kept, with little confidence and the reason."""
    known = known_rig(Build(arms=45))
    swap = {"l_": "Right ", "r_": "Left "}
    words = {"collar": "Shoulder", "shoulder": "Upper Arm", "elbow": "Lower Arm", "wrist": "Hand",
             "hip": "Upper Leg", "knee": "Lower Leg", "ankle": "Foot", "foot": "Toes"}  # fmt: skip
    names = [
        swap[n[:2]] + words[n[2:]] if n[:2] in swap and n[2:] in words else n for n in known.rig.bone_names
    ]
    mapping = map_bones(known.renamed(names).rig)
    row = next(r for r in mapping.rows if r.joint == "l_knee")
    assert row.bones == ("Left Lower Leg",) and row.confidence < 0.6
    assert "left and right were exchanged" in row.reason


def test_what_is_no_humanoid_maps_to_nothing() -> None:
    rng = np.random.default_rng(9)
    for size in (5, 20, 60, 120):
        names = [f"part {i}" for i in range(size)]
        parents = np.array([-1] + [int(rng.integers(max(0, i - 6), i)) for i in range(1, size)])
        matrices = np.tile(np.eye(4), (size, 1, 1))
        matrices[:, :3, 3] = rng.normal(size=(size, 3))
        rig = RigDescription("machine", names, parents, matrices, np.ones(size))
        assert find_structure(rig).slots == {}
        with pytest.raises(RigError, match="no bone found for hips"):
            map_bones(rig)


def test_foreign_words_are_filled_from_structure() -> None:
    """Names of a language that no table knows, except for a few words: both are used together."""
    known = known_rig(Build(fingers=False, arms=45))
    names = [f"zug {i}" if n[:2] in ("l_", "r_") else n for i, n in enumerate(known.rig.bone_names)]
    mapped = known.renamed(names)
    assert_right(mapped)
    head = next(r for r in find_bones(mapped.rig).rows if r.joint == "head")
    assert head.bones == ("head",)


def test_much_hair_and_long_ropes_take_no_time() -> None:
    """Sixty strands of hair and ropes of three hundred bones: found all the same, soon."""
    known = known_rig(Build(arms=45))
    names, parents = list(known.rig.bone_names), list(known.rig.parents)
    heads = list(known.rig.heads)
    head = known.rig.index["head"]
    lines = [
        (head, np.array([0.08 * np.cos(a), 0.1, 0.08 * np.sin(a)]), 6) for a in np.arange(60) * np.pi / 30
    ]
    lines += [(known.rig.index["hips"], np.array([x, 0.0, -0.1]), 300) for x in (-0.1, 0.1)]
    for parent, start, count in lines:
        last = parent
        for k in range(count):
            names.append(f"strand {len(names)}")
            parents.append(last)
            heads.append(known.rig.heads[parent] + start - [0.0, 0.5 * k / count, 0.0])
            last = len(names) - 1
    matrices = np.tile(np.eye(4), (len(names), 1, 1))
    matrices[:, :3, 3] = heads
    rig = RigDescription("hairy", names, np.array(parents), matrices, np.ones(len(names)))
    hairy = KnownRig("hairy", "", rig, known.rows).shuffled(np.random.default_rng(4))
    began = time.process_time()
    found = find_structure(hairy.rig)
    assert time.process_time() - began < 3.0
    body = {row: tuple(hairy.rig.index[b] for b in bones) for row, bones in known_body(hairy).items()}
    assert found.slots == body


def known_body(known: KnownRig) -> dict[str, tuple[str, ...]]:
    return {row: bones for row, bones in known.rows.items() if row in BODY_SLOTS}
