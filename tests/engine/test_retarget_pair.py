# SPDX-License-Identifier: GPL-3.0-or-later
"""The retarget as a whole, against closed forms and independent forward kinematics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.retarget import (
    RetargetSettings,
    RigDescription,
    RigError,
    RigMotion,
    map_bones,
    retarget_pair,
)
from intermoe_engine.rotations import quat_exp, quat_rotate, quat_to_matrix
from intermoe_engine.skeleton import SMPL22
from intermoe_engine.take import ActorMotion, Take
from tests.engine.retarget_rigs import (
    MIXAMO,
    Z_UP_TO_Y_UP,
    arms_lowered,
    dancing_take,
    joint_heads,
    random_take,
    smpl_rig,
)

TALL, SHORT = SMPL22.offsets * 1.15, SMPL22.offsets * 0.9


def object_matrix(scale: float, seed: int = 5) -> np.ndarray:
    """A turned, moved and scaled armature object, already in canonical space."""
    rng = np.random.default_rng(seed)
    m = np.eye(4)
    m[:3, :3] = scale * quat_to_matrix(quat_exp(rng.normal(size=3)))
    m[:3, 3] = rng.normal(size=3) * 3
    return Z_UP_TO_Y_UP @ m


def compose_heads(rig: RigDescription, motion: RigMotion) -> np.ndarray:
    """Blender's rule written out with 4 × 4 matrices, frame by frame: the oracle for heads_world."""
    keyed = {name: k for k, name in enumerate(motion.bones)}
    out = np.zeros((motion.frames, len(rig.bone_names), 3))
    for t in range(motion.frames):
        pose: dict[int, np.ndarray] = {}
        for i, name in enumerate(rig.bone_names):
            basis = np.eye(4)
            if name in keyed:
                basis[:3, :3] = quat_to_matrix(motion.rotations[t, keyed[name]])
            if name == motion.root_bone:
                basis[:3, 3] = motion.root_locations[t]
            p = int(rig.parents[i])
            rest = rig.rest_matrices[i]
            pose[i] = rest @ basis if p < 0 else pose[p] @ np.linalg.inv(rig.rest_matrices[p]) @ rest @ basis
            out[t, i] = (rig.world_matrix @ pose[i])[:3, 3]
    return out


@pytest.mark.parametrize("take", [random_take(1), dancing_take(40)], ids=["random", "dance"])
def test_same_proportions_reproduce_the_take(take: Take) -> None:
    rig = smpl_rig(floor=0.02)
    result = retarget_pair(take, rig, rig)
    assert result.pair_scale == pytest.approx(1.0, abs=1e-9)
    for motion, actor in zip(result.actors, take.actors, strict=True):
        np.testing.assert_allclose(joint_heads(rig, motion.heads_world), actor.joint_positions, atol=1e-4)


@pytest.mark.parametrize("take", [random_take(2), dancing_take(40)], ids=["random", "dance"])
def test_rest_pose_rolls_and_object_transform_do_not_matter(take: Take) -> None:
    """T-pose, A-pose and arms down, any roll, bones pointing anywhere, object turned and scaled by 0.01."""
    rng = np.random.default_rng(0)
    partner = smpl_rig(SHORT)
    reference = None
    for degrees in (0, 45, 80):
        for world in (Z_UP_TO_Y_UP, object_matrix(0.01)):
            for wild in (False, True):
                rig = smpl_rig(TALL, arms_lowered(degrees), world=world, rolls=rng, wild_axes=wild)
                heads = joint_heads(rig, retarget_pair(take, rig, partner).actors[0].heads_world)
                reference = heads if reference is None else reference
                np.testing.assert_allclose(heads, reference, atol=1e-4)


def test_bent_elbows_at_rest_give_the_bend_plane() -> None:
    """A rest pose with elbows bent forward and the upper arm rolled: rest pose and motion come out alike."""
    bent = arms_lowered(30) | {
        "l_elbow": (np.array([0.0, 1.0, 0.0]), -40.0),
        "r_elbow": (np.array([0.0, 1.0, 0.0]), 40.0),
    }
    straight, curled = (
        smpl_rig(SMPL22.offsets),
        smpl_rig(SMPL22.offsets, bent, rolls=np.random.default_rng(1)),
    )
    take = random_take(3)
    a = joint_heads(straight, retarget_pair(take, straight, straight).actors[0].heads_world)
    b = joint_heads(curled, retarget_pair(take, curled, straight).actors[0].heads_world)
    # SMPL's own T-pose bends its elbows by 5 degrees off the forward plane, which is left unexplained.
    assert np.linalg.norm(a - b, axis=-1).max() < 0.06
    ids = [SMPL22.index(j) for j in ("l_elbow", "r_elbow", "l_wrist", "r_wrist")]
    np.testing.assert_allclose(a[:, ids], b[:, ids], atol=1e-4)


def test_keys_composed_as_blender_does_give_the_predicted_heads() -> None:
    rig = smpl_rig(TALL, arms_lowered(45), world=object_matrix(0.01), rolls=np.random.default_rng(2))
    result = retarget_pair(random_take(4, frames=12), rig, smpl_rig())
    np.testing.assert_allclose(compose_heads(rig, result.actors[0]), result.actors[0].heads_world, atol=1e-6)


def test_rotations_are_continuous_unit_quaternions() -> None:
    result = retarget_pair(random_take(5), smpl_rig(rolls=np.random.default_rng(3)), smpl_rig())
    for motion in result.actors:
        np.testing.assert_allclose(np.linalg.norm(motion.rotations, axis=-1), 1, atol=1e-9)
        assert (np.sum(motion.rotations[1:] * motion.rotations[:-1], axis=-1) > 0).all()


def test_pair_scale_and_hip_distance() -> None:
    take = dancing_take(60)
    tall, short = smpl_rig(TALL), smpl_rig(SHORT)
    # Placement alone: where hands are held, either pelvis may give way by some centimetres.
    result = retarget_pair(take, tall, short, settings=RetargetSettings(keep_contacts=False))
    assert result.pair_scale == pytest.approx(np.sqrt(1.15 * 0.9), rel=1e-9)
    hips = [joint_heads(r, m.heads_world)[:, 0] for r, m in zip((tall, short), result.actors, strict=True)]
    taken = [a.joint_positions[:, 0] for a in take.actors]
    distance = np.linalg.norm((hips[0] - hips[1])[:, [0, 2]], axis=-1)
    wanted = result.pair_scale * np.linalg.norm((taken[0] - taken[1])[:, [0, 2]], axis=-1)
    np.testing.assert_allclose(distance, wanted, atol=1e-3)
    for r, h, p in zip((1.15, 0.9), hips, taken, strict=True):
        assert h[:, 1].mean() == pytest.approx(r * p[:, 1].mean(), rel=0.03)


def test_planted_feet_do_not_slide_and_soles_stay_on_the_floor() -> None:
    take = dancing_take(120)
    rigs = (smpl_rig(TALL), smpl_rig(SHORT))
    for keep, most in ((True, 0.1), (False, None)):
        result = retarget_pair(take, *rigs, settings=RetargetSettings(keep_feet=keep, keep_contacts=False))
        slides = []
        for rig, motion, actor in zip(rigs, result.actors, take.actors, strict=True):
            heads = joint_heads(rig, motion.heads_world)
            for flag, joint in enumerate((7, 10, 8, 11)):
                down = actor.foot_contacts[:, flag] > 0.5
                both = down[1:] & down[:-1]
                slides.append(
                    np.linalg.norm(np.diff(heads[:, joint], axis=0), axis=-1)[both].max() * take.fps * 1000
                )
                if keep and joint in (10, 11):
                    np.testing.assert_allclose(heads[down, joint, 1], 0.025, atol=1e-3)
        if most is None:
            assert max(slides) > 5  # the test motion does slide without the feet's IK
        else:
            assert max(slides) < most  # mm/s; the source's feet stand still
    assert all(a["floor_penetration_mm"] == 0 for a in retarget_pair(take, *rigs).report["actors"])


def test_knees_bend_forward() -> None:
    take = dancing_take(120)
    rig = smpl_rig(TALL)
    heads = joint_heads(rig, retarget_pair(take, rig, smpl_rig(SHORT)).actors[0].heads_world)
    for hip, knee, ankle in ((1, 4, 7), (2, 5, 8)):
        line = heads[:, ankle] - heads[:, hip]
        along = np.sum((heads[:, knee] - heads[:, hip]) * line, axis=-1, keepdims=True) / np.sum(
            line**2, axis=-1, keepdims=True
        )
        assert ((heads[:, knee] - heads[:, hip] - along * line)[:, 2] > -1e-3).all()  # A faces +z


def palms(wrists: np.ndarray, actor: ActorMotion, side: str, forearm: float) -> np.ndarray:
    """The middles of the hands (T, 3) by the convention of touch: 0.45 along a hand of 0.7 forearms."""
    _, turns = forward_kinematics(
        actor.root_translation, actor.joint_rotations, SMPL22.parents, actor.rest_offsets
    )
    arm = actor.rest_offsets[SMPL22.index(f"{side}_wrist")]
    hand = 0.45 * 0.7 * forearm * arm / np.linalg.norm(arm)
    return wrists + quat_rotate(turns[:, SMPL22.index(f"{side}_wrist")], hand)


def test_joined_hands_stay_joined() -> None:
    """Palm to palm, on people of 1.15 and 0.9: as far apart as in the take, but for how thick hands are."""
    take = dancing_take(90)
    sizes = (1.15, 0.9)
    rigs = (smpl_rig(TALL), smpl_rig(SHORT))
    joints = ("l_wrist", "r_wrist")
    forearm = float(np.linalg.norm(SMPL22.offsets[SMPL22.index("l_wrist")]))

    def between(heads: list[np.ndarray], sizes: tuple[float, float]) -> np.ndarray:
        a, b = (
            palms(p[:, SMPL22.index(joint)], actor, joint[0], size * forearm)
            for p, joint, actor, size in zip(heads, joints, take.actors, sizes, strict=True)
        )
        return np.linalg.norm(b - a, axis=-1)

    taken = between([actor.joint_positions for actor in take.actors], (1.0, 1.0))
    gap, thick = {}, 2 * 0.024
    for keep in (True, False):
        result = retarget_pair(take, *rigs, settings=RetargetSettings(keep_contacts=keep))
        heads = [joint_heads(r, m.heads_world) for r, m in zip(rigs, result.actors, strict=True)]
        gap[keep] = between(heads, sizes)
    held = [c for c in result.contacts.between_people() if c.first_part == "l_hand"]
    assert [(c.first, c.second, c.second_part) for c in held] == [("A", "B", "r_hand")]
    wanted = result.pair_scale * (taken - thick) + thick * sum(sizes) / 2
    np.testing.assert_allclose(gap[True], wanted, atol=2e-3)
    assert np.abs(gap[False] - wanted).mean() > 0.05


def test_scene_matrix_moves_the_pair_as_one() -> None:
    take = dancing_take(30)
    rigs = (smpl_rig(TALL), smpl_rig(SHORT, world=object_matrix(0.01)))
    scene = np.eye(4)
    scene[:3, :3] = quat_to_matrix(quat_exp(np.array([0.0, 0.8, 0.0])))
    scene[:3, 3] = [2.0, 0.3, -1.0]
    at_origin = retarget_pair(take, *rigs)
    placed = retarget_pair(take, *rigs, settings=RetargetSettings(scene_matrix=tuple(map(tuple, scene))))
    for rig, a, b in zip(rigs, at_origin.actors, placed.actors, strict=True):
        np.testing.assert_allclose(
            joint_heads(rig, b.heads_world),
            joint_heads(rig, a.heads_world) @ scene[:3, :3].T + scene[:3, 3],
            atol=1e-6,
        )
    assert placed.report["actors"][0]["floor_penetration_mm"] == 0


def test_location_goes_to_a_free_bone_above_connected_hips() -> None:
    rig = smpl_rig()
    matrices = np.concatenate([np.eye(4)[None], rig.rest_matrices])
    connected = np.zeros(23, dtype=bool)
    connected[1] = True
    rooted = RigDescription(
        "rooted", ["root", *rig.bone_names], np.concatenate([[-1], rig.parents + 1]), matrices,
        np.concatenate([[1.0], rig.lengths]), rig.world_matrix, connected,
    )  # fmt: skip
    take = random_take(6, frames=10)
    motion = retarget_pair(take, rooted, rig).actors[0]
    assert motion.root_bone == "root" and "root" not in motion.bones
    np.testing.assert_allclose(
        joint_heads(rooted, motion.heads_world), take.actors[0].joint_positions, atol=1e-4
    )
    np.testing.assert_allclose(compose_heads(rooted, motion), motion.heads_world, atol=1e-6)


def test_spine_of_any_number_carries_the_chest() -> None:
    """One to five spine bones: the last one turns as the take's chest, so arms and head do not change."""
    base = smpl_rig()
    take = random_take(7, frames=20)
    spine = [base.index["mixamorig:" + MIXAMO[j]] for j in ("spine1", "spine2", "spine3")]
    mapping = map_bones(base)
    chest = []
    for used in (spine, spine[1:], spine[2:]):
        bones = tuple(base.bone_names[i] for i in used)
        rows = tuple(replace(r, bones=bones) if r.joint == "spine" else r for r in mapping.rows)
        motion = retarget_pair(take, base, base, replace(mapping, rows=rows)).actors[0]
        heads = joint_heads(base, motion.heads_world)
        chest.append(heads[:, SMPL22.index("neck")] - heads[:, SMPL22.index("spine3")])
    np.testing.assert_allclose(chest[1], chest[0], atol=1e-6)
    np.testing.assert_allclose(chest[2], chest[0], atol=1e-6)


def test_motion_file_round_trip(tmp_path: Path) -> None:
    motion = retarget_pair(random_take(8, frames=5), smpl_rig(), smpl_rig()).actors[0]
    motion = replace(motion, properties=(("torso", "head_follow", 1.0),))
    loaded = RigMotion.load(motion.save(tmp_path / "a.npz"))
    assert loaded.bones == motion.bones and loaded.properties == motion.properties
    assert loaded.root_bone == motion.root_bone and loaded.fps == motion.fps
    for key in ("rotations", "root_locations", "heads_world"):
        np.testing.assert_array_equal(getattr(loaded, key), getattr(motion, key))
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:300])
    with pytest.raises(RigError, match="not a retargeted motion"):
        RigMotion.load(tmp_path / "b.npz")


def test_settings_and_warnings() -> None:
    settings = RetargetSettings(keep_contacts=False, scene_matrix=tuple(map(tuple, np.eye(4))))
    assert RetargetSettings.from_dict(settings.to_dict()) == settings
    with pytest.raises(RigError, match="Unknown retarget settings feet"):
        RetargetSettings.from_dict({"feet": True})
    with pytest.raises(RigError, match="take its scale out"):
        RetargetSettings(scene_matrix=tuple(map(tuple, np.diag([2.0, 2, 2, 1]))))
    skewed = smpl_rig(world=Z_UP_TO_Y_UP @ np.diag([1.0, 1.0, 1.3, 1.0]))
    report = retarget_pair(random_take(9, frames=4), skewed, smpl_rig()).report
    assert any("scale uniform" in w for w in report["actors"][0]["warnings"])


def test_flat_feet_stay_flat_on_a_foot_of_another_slope() -> None:
    """High heels: the ankle sits 9 cm above the toe joint instead of 6, and the sole stays on the floor."""
    offsets = SMPL22.offsets.copy()
    for joint in ("l_foot", "r_foot"):
        offsets[SMPL22.index(joint), 1:] = [-0.09, 0.10]
    take = dancing_take(60)
    rig = smpl_rig(offsets, rolls=np.random.default_rng(4))
    heads = joint_heads(rig, retarget_pair(take, rig, rig).actors[0].heads_world)
    for ankle, toe in ((7, 10), (8, 11)):
        foot = heads[:, toe] - heads[:, ankle]
        np.testing.assert_allclose(foot[:, 1], -0.09, atol=1e-4)  # the take's feet are level throughout
        flat = take.actors[0].joint_positions[:, toe] - take.actors[0].joint_positions[:, ankle]
        cross = foot[:, 0] * flat[:, 2] - foot[:, 2] * flat[:, 0]
        np.testing.assert_allclose(cross, 0, atol=1e-5)  # and point where the take's feet point


def test_hands_follow_fingers_not_the_hand_bone() -> None:
    """A hand that hangs 30 degrees at rest is straight in the take's T-pose, whatever its bone's axis."""
    base = smpl_rig()
    bent = smpl_rig(pose={"l_wrist": (np.array([0.0, 0.0, 1.0]), -30.0)})
    hand = bent.index["mixamorig:LeftHand"]
    wrist = bent.heads[hand]
    forearm = wrist - bent.heads[bent.index["mixamorig:LeftForeArm"]]
    forearm = forearm / np.linalg.norm(forearm)
    down = np.array([0.0, 0.0, -1.0])
    direction = np.cos(np.radians(30)) * forearm + np.sin(np.radians(30)) * down
    finger = np.eye(4)
    finger[:3, 3] = wrist + 0.09 * direction
    rig = RigDescription(
        "hand", [*bent.bone_names, "mixamorig:LeftHandMiddle1"], np.append(bent.parents, hand),
        np.concatenate([bent.rest_matrices, finger[None]]), np.append(bent.lengths, 0.03), bent.world_matrix,
    )  # fmt: skip
    take = random_take(10, frames=3)
    for actor in take.actors:
        actor.joint_rotations[:] = np.array([1.0, 0, 0, 0])
    still = Take("still", 0, 30.0, (retyped(take.actors[0]), retyped(take.actors[1])))
    heads = retarget_pair(still, rig, base).actors[0].heads_world[0]
    fingers = heads[-1] - heads[hand]
    arm = heads[hand] - heads[rig.index["mixamorig:LeftForeArm"]]
    cosine = fingers @ arm / np.linalg.norm(fingers) / np.linalg.norm(arm)
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))) < 0.1


def retyped(actor: ActorMotion) -> ActorMotion:
    """The actor with positions computed again from its rotations."""
    return ActorMotion.from_rotations(
        actor.root_translation, actor.joint_rotations, actor.foot_contacts, actor.rest_offsets
    )
