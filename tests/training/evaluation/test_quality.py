# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator sees, on motions whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from intermoe_engine.kinematics import rest_positions
from intermoe_engine.measures import bone_drift
from intermoe_engine.rotations import quat_from_axis_angle
from intermoe_engine.skeleton import SMPL22
from training.evaluation.motion import PairMotion
from training.evaluation.proximity import (
    asks_for_contact,
    asks_for_hands,
    distribution_distance,
    hand_distances,
    proximity_figures,
)
from training.evaluation.quality import (
    body_speeds,
    contact_slide,
    floating,
    foot_slide,
    jerk,
    joint_speeds,
    penetration,
    person_figures,
    skating_ratio,
)

FPS = 30.0


def standing(frames: int = 60, apart: float = 1.0) -> np.ndarray:
    """Two people in T-pose whose toes lie 2 cm above the floor, `apart` metres along z."""
    rest = rest_positions(SMPL22.parents, SMPL22.offsets)
    rest[:, 1] -= rest[[10, 11], 1].min() - 0.02
    positions = np.repeat(np.stack([rest, rest])[:, None], frames, axis=1)
    positions[1, ..., 2] += apart
    return positions


def pair(positions: np.ndarray) -> PairMotion:
    """Joints as a motion whose hands lie along the T-pose's forearms."""
    return PairMotion(positions, np.tile([1.0, 0.0, 0.0, 0.0], (*positions.shape[:3], 1)), FPS)


def moving(velocity: tuple[float, float, float], frames: int = 60) -> np.ndarray:
    """As `standing`, with person A carried along at a velocity in m/s."""
    positions = standing(frames)
    positions[0] += (np.arange(frames) / FPS)[:, None, None] * np.array(velocity)
    return positions


def test_people_who_stand_still_show_nothing() -> None:
    figures = person_figures(standing(), FPS)
    assert figures == {key: pytest.approx(0, abs=1e-9) for key in figures}


def test_a_carried_person_slides_at_their_speed() -> None:
    glide = moving((0.3, 0, 0.4))
    assert foot_slide(glide, FPS) == pytest.approx(250)  # one of two people at 500 mm/s
    assert contact_slide(glide, FPS) == pytest.approx(250)
    assert joint_speeds(glide, FPS) == pytest.approx([0.5, 0])
    assert body_speeds(glide, FPS) == pytest.approx([0, 0])
    assert skating_ratio(moving((0.6, 0, 0)), FPS) == 0.5
    assert skating_ratio(moving((0.4, 0, 0)), FPS) == 0


def test_a_lifted_foot_may_move() -> None:
    positions = standing()
    positions[0, 20:40, [7, 10], 1] += 0.3
    positions[0, 20:40, [7, 10], 2] += np.linspace(0, 1, 20)
    assert foot_slide(positions, FPS) == 0
    # The two frames where it lifts off and lands are low on one side only.
    assert contact_slide(positions, FPS) == 0
    assert skating_ratio(positions, FPS) == 0


def test_floating_and_penetration_are_heights() -> None:
    up, down = standing(), standing()
    up[0, ..., 1] += 0.13  # toes at 15 cm, 10 cm above where a toe counts as on the floor
    down[1, :30, :, 1] -= 0.06  # toes 4 cm under the floor, half of one person's time
    assert floating(up) == pytest.approx(50) and penetration(up) == 0
    assert penetration(down) == pytest.approx(10) and floating(down) == 0
    shallow = standing()
    shallow[..., 1] -= 0.024  # 4 mm: within the tolerance
    assert penetration(shallow) == 0


def test_jerk_of_a_cubic() -> None:
    positions = standing()
    positions[0, ..., 2] += ((np.arange(60) / FPS) ** 3)[:, None]
    assert jerk(positions, FPS) == pytest.approx(3.0, rel=1e-6)  # 6 m/s³ for one of two
    assert math.isnan(jerk(positions[:, :3], FPS))


def test_bone_drift_of_one_bone() -> None:
    positions = standing()
    assert bone_drift(moving((1, 2, 3))) == pytest.approx(0, abs=1e-9)
    # The left hand, at the arm's end, is off by 10 mm along the forearm every third frame.
    forearm = positions[0, 0, 20] - positions[0, 0, 18]
    positions[0, ::3, 20] += 0.01 * forearm / np.linalg.norm(forearm)
    assert bone_drift(positions) == pytest.approx(0.01 / 3 / 21 / 2, rel=1e-6)
    assert person_figures(positions, FPS)["bone_drift_mm"] == pytest.approx(10 / 3 / 21 / 2, rel=1e-6)


def test_people_apart_share_nothing() -> None:
    figures = proximity_figures(pair(standing(apart=2.0)), "two people wave")
    assert figures["interpenetration_ml"] == figures["overlap_depth_mm"] == figures["touch_ratio"] == 0
    assert figures["distance_m"] == pytest.approx(2.0)
    assert math.isnan(figures["asked_contact"]) and math.isnan(figures["asked_hands_mm"])


def test_one_inside_the_other_shares_the_whole_body() -> None:
    figures = proximity_figures(pair(standing(frames=4, apart=0.0)), "they hug")
    assert 55_000 < figures["interpenetration_ml"] < 85_000
    assert figures["overlap_depth_mm"] == pytest.approx(220, rel=1e-3)  # chest in chest: twice its radius
    assert figures["asked_contact"] == figures["asked_touch_ratio"] == 1


def test_touch_and_hands() -> None:
    positions = standing(frames=40, apart=1.0)
    # B's left wrist lies 8 cm beside A's left wrist on the first ten frames, 1 m away on the others.
    positions[1, :10, 20] = positions[0, :10, 20] + np.array([0.0, 0.0, 0.08])
    positions[1, :10, 18] = positions[1, :10, 20] + np.array([0.0, 0.0, 0.26])
    motion = pair(positions)
    motion.rotations[1, :10, 20] = quat_from_axis_angle(np.array([0.0, 1.0, 0.0]), np.array(np.pi / 2))
    figures = proximity_figures(motion, "two people shake hands", stride=1)
    assert figures["asked_contact"] == 1
    assert figures["asked_touch_ratio"] == figures["touch_ratio"] == 0.25
    assert figures["asked_hands_least_mm"] == pytest.approx(80)
    assert figures["asked_hands_mm"] == pytest.approx(1000)
    assert figures["interpenetration_ml"] > 0  # the hand reaches beyond B's wrist, into A's
    assert hand_distances(positions)[[0, 20]] == pytest.approx([0.08, 1.0])


def test_distribution_distance_is_the_shift() -> None:
    sample = np.random.default_rng(0).uniform(0.5, 2, 400)
    assert distribution_distance(sample, sample[::-1]) == pytest.approx(0, abs=1e-12)
    assert distribution_distance(sample, sample + 0.25) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("caption", "contact", "hands"),
    [
        ("Two people shake hands.", True, True),
        ("they are dancing salsa, holding hands", True, True),
        ("one person holds the other's hand", True, True),
        ("a couple dances hand in hand", True, True),
        ("one person pushes the other away", True, False),
        ("the first person pats the second on the back", True, False),
        ("the two wave at each other", False, False),
        ("one person walks along a path", False, False),
        ("both hold still", False, False),
        ("one person lifts their leg while the other watches", False, False),
        ("one throws a punch at the other", False, False),
        ("the attacker kicks the opponent", True, False),
        ("one person grabs the left arm of the other person", True, False),
        ("they give each other a hug", True, False),
        ("he carries the woman", True, False),
    ],
)
def test_captions_that_ask(caption: str, contact: bool, hands: bool) -> None:
    assert (asks_for_contact(caption), asks_for_hands(caption)) == (contact, hands)
