# SPDX-License-Identifier: GPL-3.0-or-later
"""Transfer onto skeletons of any build: joints, limb directions, rolls of twist bones, fingers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from intermoe_engine.bench.rig_tables import KnownRig, read_characters
from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.retarget import BoneMapping, PairRetarget, RetargetSettings, map_bones, retarget_pair
from intermoe_engine.retarget.alignment import rest_frames, source_rest_pose, target_rest_pose
from intermoe_engine.retarget.fingers import RELAXED, HandMotion, finger_targets, palm_normal
from intermoe_engine.rotations import quat_exp, quat_from_axis_angle, quat_to_matrix
from intermoe_engine.skeleton import SMPL22
from intermoe_engine.take import ActorMotion, Take
from tests.engine.retarget.built import Build, known_rig, random_rotation, turned
from tests.engine.retarget_rigs import SHARED_RIGS, random_take

FREE = RetargetSettings(keep_feet=False, keep_contacts=False, keep_apart=False)
"""Rotations and trajectory alone: what touches nothing is not moved."""

LIMBS = [
    (f"{s}_{a}", f"{s}_{b}")
    for s in ("l", "r")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
]
CHARACTERS = list(read_characters(SHARED_RIGS))
BUILDS = {
    "as the source": Build(rolls=1),
    "two twist bones in line": Build(twists=2, rolls=2),
    "twist bones aside": Build(side_twists=True, rolls=3, arms=45),
    "arms down, hips split": Build(split_hips=True, arms=80, rolls=4),
}


def onto(known: KnownRig, take: Take) -> tuple[PairRetarget, dict[str, np.ndarray]]:
    """The take on two copies of a rig, and A's heads (T, 3) by row (its first bone)."""
    mapping = map_bones(known.rig)
    result = retarget_pair(take, known.rig, known.rig, mapping, mapping, FREE)
    index = known.rig.index
    heads = {r.joint: result.actors[0].heads_world[:, index[r.bones[0]]] for r in mapping.rows if r.bones}
    return result, heads


def source_positions(take: Take) -> np.ndarray:
    motion = take.actors[0]
    return forward_kinematics(
        motion.root_translation, motion.joint_rotations, SMPL22.parents, motion.rest_offsets
    )[0]


def angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between directions (..., 3)."""
    sine = np.linalg.norm(np.cross(a, b), axis=-1)
    return np.degrees(np.arctan2(sine, np.sum(a * b, axis=-1)))


def limb_errors(heads: dict[str, np.ndarray], source: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [
            angles(heads[b] - heads[a], source[:, SMPL22.index(b)] - source[:, SMPL22.index(a)])
            for a, b in LIMBS
        ]
    )


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
@pytest.mark.parametrize(("data", "off"), [("on the axes", 0.001), ("at any angle", 0.015)])
def test_same_proportions_give_the_same_joints(build: Build, data: str, off: float) -> None:
    """Within a millimetre, whatever the rest pose, the rolls, the twist bones, the object's turn and scale.

    Data that is itself turned off the axes says within a degree which way is up: a centimetre and a half.
    """
    rng = np.random.default_rng(0)
    inner = random_rotation(rng) if data == "at any angle" else np.eye(3)[[2, 0, 1]]
    known = turned(known_rig(build), inner, 100.0)
    world = np.eye(4)
    world[:3, :3] = 0.01 * random_rotation(rng)
    known = KnownRig(known.name, known.title, replace(known.rig, world_matrix=world), known.rows)
    take = random_take(2)
    _, heads = onto(known, take)
    source = source_positions(take)
    for joint in SMPL22.names:
        if joint in heads and not joint.startswith("spine"):
            found = heads[joint] - heads["pelvis"]
            expected = source[:, SMPL22.index(joint)] - source[:, 0]
            assert np.linalg.norm(found - expected, axis=-1).max() < off, joint


@pytest.mark.parametrize("neck", [0, 1, 4])
@pytest.mark.parametrize("spine", [1, 2, 4, 5, 6])
def test_spines_and_necks_end_where_the_source_ends(spine: int, neck: int) -> None:
    """Limbs keep their directions exactly; the last spine bone turns as the chest, the head as the head,
    and between neighbours the bend is spread: no bone bends more than its share of the whole."""
    known = known_rig(Build(spine=spine, neck=neck, arms=45, rolls=spine))
    take = random_take(spine)
    result, heads = onto(known, take)
    assert limb_errors(heads, source_positions(take)).max() < 0.1
    motion, rig = result.actors[0], known.rig
    world = world_rotations(rig, result)
    motion_source = take.actors[0]
    _, quaternions = forward_kinematics(
        motion_source.root_translation,
        motion_source.joint_rotations,
        SMPL22.parents,
        motion_source.rest_offsets,
    )
    source = quat_to_matrix(quaternions)
    mapping = result.mappings[0]
    for row, joint in (("spine", "spine3"), ("head", "head")):
        bone = mapping.bones_for(row)[-1]
        relative = world[bone] @ rig.rest_rotations[rig.index[bone]].T
        expected = source[:, SMPL22.index(joint)]
        np.testing.assert_allclose(relative, expected, atol=1e-6)
    chain = [mapping.bones_for("pelvis")[0], *mapping.bones_for("spine")]
    since_rest = [world[b] @ rig.rest_rotations[rig.index[b]].T for b in chain]
    steps = np.stack(
        [rotation_angle(np.swapaxes(a, -1, -2) @ b) for a, b in zip(since_rest, since_rest[1:], strict=False)]
    )
    joints = [SMPL22.index(f"spine{k}") for k in (1, 2, 3)]
    local = np.stack([rotation_angle(quat_to_matrix(motion_source.joint_rotations[:, j])) for j in joints])
    assert (steps <= 3 / spine * local.max(axis=0) + 1e-6).all()
    assert motion.frames == len(source)


def world_rotations(rig, result: PairRetarget) -> dict[str, np.ndarray]:
    """Rotations (T, 3, 3) of all bones by composing the keys from the root down: an oracle of its own."""
    motion = result.actors[0]
    keys = {name: quat_to_matrix(motion.rotations[:, k]) for k, name in enumerate(motion.bones)}
    out: dict[str, np.ndarray] = {}
    for i in rig.order:
        name, p = rig.bone_names[i], int(rig.parents[i])
        local = rig.rest_rotations[i] if p < 0 else rig.rest_rotations[p].T @ rig.rest_rotations[i]
        parent = np.eye(3) if p < 0 else out[rig.bone_names[p]]
        out[name] = parent @ local @ keys.get(name, np.eye(3))
    return out


def rotation_angle(matrices: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip((np.trace(matrices, axis1=-2, axis2=-1) - 1) / 2, -1, 1))


@pytest.mark.skipif(not CHARACTERS, reason="the characters of others are not here")
@pytest.mark.parametrize("known", CHARACTERS, ids=lambda k: k.name)
def test_limb_directions_on_characters(known: KnownRig) -> None:
    for seed in (1, 2):
        take = random_take(seed)
        errors = limb_errors(onto(known, take)[1], source_positions(take))
        assert np.median(errors) < 2.0 and np.percentile(errors, 95) < 6.0


def rolling_take(joint: str, axis: np.ndarray, degrees: float, frames: int = 31) -> Take:
    """One joint turning about an axis of the T-pose from 0 to an angle, all else still."""
    rotations = np.tile(np.array([1.0, 0.0, 0.0, 0.0]), (frames, 22, 1))
    rotations[:, SMPL22.index(joint)] = quat_from_axis_angle(
        axis, np.radians(np.linspace(0, degrees, frames))
    )
    root = np.tile([0.0, 1.0, 0.0], (frames, 1))
    actors = [
        ActorMotion.from_rotations(root + [2.0 * k, 0, 0], rotations, np.zeros((frames, 4)), SMPL22.offsets)
        for k in (0, 1)
    ]
    return Take("roll", 0, 30.0, (actors[0], actors[1]))


def direction(a: str, b: str) -> np.ndarray:
    offset = SMPL22.offsets[SMPL22.index(b)]
    assert SMPL22.parents[SMPL22.index(b)] == SMPL22.index(a)
    return offset / np.linalg.norm(offset)


ROLLS = {
    # joint that rolls, its limb's row, start and end of the limb, twist share at the limb's root and end
    "upper arm": ("l_shoulder", "l_shoulder", ("l_shoulder", "l_elbow"), (0.0, 1.0)),
    "forearm by the hand": ("l_wrist", "l_elbow", ("l_elbow", "l_wrist"), (0.0, 1.0)),
    "thigh": ("r_hip", "r_hip", ("r_hip", "r_knee"), (0.0, 1.0)),
    "shin by the foot": ("r_ankle", "r_knee", ("r_knee", "r_ankle"), (0.0, 1.0)),
}


@pytest.mark.parametrize("case", ROLLS.values(), ids=ROLLS)
@pytest.mark.parametrize("build", [Build(twists=2, rolls=1), Build(side_twists=True, rolls=2, arms=45)])
def test_twist_bones_take_their_share(case, build: Build) -> None:
    """A roll of 150 degrees rises along the limb from nothing to all of it, and no joint moves."""
    joint, slot, ends, _ = case
    known = known_rig(build)
    take = rolling_take(joint, direction(*ends), 150.0)
    result, heads = onto(known, take)
    rig, mapping, world = known.rig, result.mappings[0], world_rotations(known.rig, result)
    twists = mapping.bones_for(f"{slot}_twist")
    assert len(twists) == 2
    main = mapping.bones_for(slot)[0]
    chain = [main, *twists] if build.twists else list(twists)
    turned_by = {
        bone: np.degrees(rotation_angle(world[bone] @ rig.rest_rotations[rig.index[bone]].T))[-1]
        for bone in {main, *twists}
    }
    # In line the three bones take 0, 1/2 and all; aside they stand for the first and the second half.
    shares = (0.0, 0.5, 1.0) if build.twists else (0.25, 0.75)
    upper = joint == slot
    frames = rest_frames(target_rest_pose(rig, mapping))
    source_frames = rest_frames(source_rest_pose(SMPL22.offsets))
    carried = source_frames[slot] @ frames[slot].T
    offset = np.degrees(rotation_angle(carried))
    for bone, share in zip(chain, shares, strict=True):
        rotation = world[bone][-1] @ rig.rest_rotations[rig.index[bone]].T @ carried.T
        assert np.degrees(rotation_angle(rotation)) == pytest.approx(150.0 * share, abs=3.0), (bone, offset)
    if upper and not build.twists:
        main_rotation = world[main][-1] @ rig.rest_rotations[rig.index[main]].T @ carried.T
        assert np.degrees(rotation_angle(main_rotation)) == pytest.approx(150.0, abs=0.1), turned_by
    errors = limb_errors(heads, source_positions(take))
    assert errors.max() < 0.01


def test_twists_are_continuous_past_half_a_turn() -> None:
    """Rolls add up beyond 180 degrees without a jump between frames."""
    known = known_rig(Build(twists=2, rolls=1))
    take = rolling_take("l_wrist", direction("l_elbow", "l_wrist"), 300.0, 61)
    result, _ = onto(known, take)
    motion = result.actors[0]
    for bone in ("l_elbow_part1", "l_elbow_part2"):
        keys = quat_to_matrix(motion.rotations[:, motion.bones.index(bone)])
        steps = np.degrees(rotation_angle(np.swapaxes(keys[:-1], -1, -2) @ keys[1:]))
        assert steps.max() < 5.0 + 0.1


@pytest.mark.parametrize("arms", [0, 45, 80])
@pytest.mark.parametrize("rolls", [1, 2])
def test_fingers_relax_towards_the_palm(arms: int, rolls: int) -> None:
    """Straight fingers bend by the relaxed angles in the plane of the palm, whatever the bones' axes."""
    known = known_rig(Build(arms=arms, rolls=rolls))
    result, _ = onto(known, rolling_take("head", np.array([0.0, 1.0, 0.0]), 10.0, 3))
    rig, mapping = known.rig, result.mappings[0]
    heads = result.actors[0].heads_world[0]
    for s in ("l", "r"):
        wrist = heads[rig.index[mapping.bones_for(f"{s}_wrist")[0]]]
        palm = np.array([0.0, -1.0, 0.0])  # arms are level in the take's T-pose, palms down
        for finger in ("index", "middle", "ring", "pinky"):
            points = heads[[rig.index[b] for b in mapping.bones_for(f"{s}_{finger}")]]
            steps = np.diff(points, axis=0)
            bend = angles(steps[1:], steps[:-1])
            assert bend[0] == pytest.approx(RELAXED[finger][1], abs=1.0)
            assert steps[1] @ palm > steps[0] @ palm > 0
            out = points[0] - wrist
            assert np.cross(steps[0], steps[1]) @ np.cross(out, palm) > 0


def test_bent_fingers_stay_as_modelled() -> None:
    """A fist at rest is not opened, nor bent further."""
    known = known_rig(Build(rolls=3))
    rig = known.rig
    matrices = rig.rest_matrices.copy()
    mapping = map_bones(rig)
    frames = rest_frames(target_rest_pose(rig, mapping))
    for finger in ("index", "middle", "ring", "pinky"):
        base, *rest = (rig.index[b] for b in mapping.bones_for(f"l_{finger}"))
        toward = palm_normal(frames["l_wrist"], "l")
        for k, bone in enumerate(rest, start=1):
            matrices[bone, :3, 3] = matrices[base, :3, 3] + 0.02 * k * toward
    fist = replace(rig, rest_matrices=matrices)
    result = retarget_pair(
        rolling_take("head", np.array([0.0, 1.0, 0.0]), 10.0, 3), fist, fist, mapping, mapping, FREE
    )
    motion = result.actors[0]
    for finger in ("index", "middle"):
        key = motion.rotations[0, motion.bones.index(mapping.bones_for(f"l_{finger}")[0])]
        assert abs(key[0]) == pytest.approx(1.0, abs=1e-6)


def test_a_takes_own_fingers_are_followed() -> None:
    """Hands in SMPL-X's order: a finger bent by 60 degrees at its middle joint is bent so on the rig."""
    known = known_rig(Build(arms=45, rolls=6))
    rig, mapping = known.rig, map_bones(known.rig)
    frames = rest_frames(target_rest_pose(rig, mapping))
    source_frames = rest_frames(source_rest_pose(SMPL22.offsets))
    turns = np.tile(np.eye(3), (4, 15, 1, 1))
    bend = quat_to_matrix(
        quat_exp(np.array([0.0, 0.0, np.radians(-60.0)]))
    )  # left fingers along +x bend down
    turns[:, 3 * 1 + 1] = bend  # the middle finger's second joint
    wrist = rig.index[mapping.bones_for("l_wrist")[0]]
    rest = np.broadcast_to(rig.rest_rotations[wrist], (4, 3, 3))
    found = finger_targets(
        rig, mapping, frames, {wrist: rest}, HandMotion({"l": turns}), source_frames=source_frames
    )

    def direction_of(bone: str) -> np.ndarray:
        i = rig.index[bone]
        child = rig.children[i][0] if rig.children[i] else None
        at_rest = (
            rig.heads[child] - rig.heads[i] if child is not None else rig.heads[i] - rig.heads[rig.parents[i]]
        )
        return found[i][0] @ rig.rest_rotations[i].T @ at_rest

    first, second, third = (direction_of(b) for b in mapping.bones_for("l_middle"))
    assert angles(first, second) == pytest.approx(60.0, abs=0.5)
    assert angles(second, third) == pytest.approx(0.0, abs=0.5)
    assert second @ palm_normal(frames["l_wrist"], "l") > 0
    one, two, _ = (direction_of(b) for b in mapping.bones_for("l_index"))
    assert angles(one, two) == pytest.approx(0.0, abs=0.5)


def test_mappings_without_the_new_rows_still_work() -> None:
    """A table saved before twist bones and fingers had rows."""
    known = known_rig(Build())
    mapping = map_bones(known.rig)
    old = BoneMapping.from_dict({"schema": 1, "rows": mapping.to_dict()["rows"][:21]})
    take = random_take(1, frames=5)
    result = retarget_pair(take, known.rig, known.rig, old, old, FREE)
    assert not any("thumb" in bone for bone in result.actors[0].bones)
