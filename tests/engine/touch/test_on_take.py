# SPDX-License-Identifier: GPL-3.0-or-later
"""Touches brought about, and bodies parted, in takes themselves; measured on the joints that come out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from intermoe_engine.bench.puppet import Puppet
from intermoe_engine.bench.takes import FPS, SCRIPTED
from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.retarget.source import SourceActor
from intermoe_engine.retarget.touch import Contact, ContactList, SurfacePoint
from intermoe_engine.retarget.touch.body import Body
from intermoe_engine.retarget.touch.clearance import PartPairs, clearance
from intermoe_engine.retarget.touch.on_take import touch_take
from intermoe_engine.retarget.touch.parts import INDEX
from intermoe_engine.skeleton import CONTACT_JOINTS, SMPL22
from intermoe_engine.take import ActorMotion, Take

ONSET, RELEASE = 2.0, 3.5


def standing(distance: float, seconds: float = 5.0, lean: float = 0.0) -> Take:
    """Two people who stand still and face each other, arms hanging, bent forward by `lean` degrees."""
    times = np.arange(round(seconds * FPS)) / FPS
    people = Puppet(times, (0.0, 0.0), 0.0), Puppet(times, (0.0, distance), np.pi)
    for person in people:
        person.lean(np.full(len(times), np.radians(lean)))
        person.plant()
    return Take("standing", 0, FPS, (people[0].motion(), people[1].motion()))


def bodies(take: Take) -> tuple[Body, Body]:
    a, b = (Body.of_source(SourceActor.from_motion(motion)) for motion in take.actors)
    return a, b


def palm_gaps(take: Take, hand: str, part: str) -> np.ndarray:
    """Distance (T,) of A's palm's surface from the surface of a part of B, by sampling its axis."""
    a, b = bodies(take)
    palm = a.axis_point(hand, np.full(a.frames, 0.45))
    starts, ends = (side[:, INDEX[part]] for side in b.ends())
    samples = starts + np.linspace(0, 1, 401)[:, None, None] * (ends - starts)
    distance = np.linalg.norm(samples - palm, axis=-1).min(axis=0)
    return distance - a.radii[INDEX[hand]] - b.radii[INDEX[part]]


def deepest(take: Take) -> float:
    """Metres by which any two parts of the two people overlap."""
    pairs = PartPairs.all_pairs()
    pairs = pairs.kept(pairs.across)
    return float(np.maximum(-clearance(pairs, bodies(take)).distance, 0.0).max())


def assert_only_solved(before: Take, after: Take, moved: bool = False) -> None:
    """Bones, contacts and all else are as they were, positions agree with the rotations, and feet, which
    stand all the time, stay where they were or have `moved` once."""
    assert (after.fps, after.prompt, after.seed, after.meta) == (
        before.fps, before.prompt, before.seed, before.meta,
    )  # fmt: skip
    for was, now in zip(before.actors, after.actors, strict=True):
        feet = now.joint_positions[:, CONTACT_JOINTS] - was.joint_positions[:, CONTACT_JOINTS]
        slid = np.ptp(feet, axis=0) if moved else np.linalg.norm(feet, axis=-1)
        assert slid.max() < 1e-3
        np.testing.assert_array_equal(now.foot_contacts, was.foot_contacts)
        np.testing.assert_array_equal(now.rest_offsets, was.rest_offsets)
        positions, _ = forward_kinematics(
            now.root_translation, now.joint_rotations, SMPL22.parents, now.rest_offsets
        )
        np.testing.assert_allclose(now.joint_positions, positions, atol=1e-9)


@pytest.mark.parametrize(
    ("part", "place"),
    [("l_upper_arm", None), ("chest", SurfacePoint(0.4, (0.0, 0.0, 1.0))), ("r_hand", None), ("head", None)],
    ids=str,
)
def test_a_goal_is_reached(part: str, place: SurfacePoint | None) -> None:
    """The palm meets the surface from onset to release, and hangs as before well outside of that."""
    take = standing(0.6)
    goal = Contact("A", "r_hand", "B", part, ONSET, RELEASE, second_place=place)
    out, touch = touch_take(take, ContactList.of([goal]))
    held = slice(round(ONSET * FPS), round(RELEASE * FPS))
    before, after = (palm_gaps(t, "r_hand", part) for t in (take, out))
    assert before[held].min() > 0.15
    assert np.abs(after[held]).max() < 0.02
    assert touch.report()["gap_error_mm"]["p95"] < 20
    assert_only_solved(take, out)
    wrist = SMPL22.index("r_wrist")
    moved = out.actors[0].joint_positions[:, wrist] - take.actors[0].joint_positions[:, wrist]
    away = np.abs(np.arange(take.frames) / FPS - (ONSET + RELEASE) / 2) > (RELEASE - ONSET) / 2 + 1.0
    assert np.linalg.norm(moved[away], axis=-1).max() < 0.03


def test_a_reach_is_smooth_and_its_wrist_is_an_arms() -> None:
    """No joint moves faster than people reach, no jump at onset or release, no wrist bent beyond range."""
    take = standing(0.7)
    goal = Contact("A", "r_hand", "B", "l_upper_arm", ONSET, RELEASE)
    out, _ = touch_take(take, ContactList.of([goal]))
    positions = out.actors[0].joint_positions
    assert np.linalg.norm(np.diff(positions, axis=0), axis=-1).max() * FPS < 3.0
    assert np.linalg.norm(np.diff(positions, n=2, axis=0), axis=-1).max() * FPS**2 < 40.0
    wrist = np.abs(out.actors[0].joint_rotations[:, SMPL22.index("r_wrist"), 0])
    assert np.degrees(2 * np.arccos(np.clip(wrist, 0, 1))).max() < 95.0
    # The palm faces the shoulder's surface: SMPL's palms look down in the T-pose.
    source = SourceActor.from_motion(out.actors[0])
    frame = round((ONSET + RELEASE) / 2 * FPS)
    palm = -source.matrices[frame, SMPL22.index("r_wrist"), :, 1]
    assert palm @ np.array([0.0, -1.0, 0.0]) > 0.7


def test_overlap_is_removed_whatever_the_take_does() -> None:
    take = standing(0.36, lean=20.0)
    assert deepest(take) > 0.05
    out, _ = touch_take(take, ContactList(), allowance=0.01)
    assert deepest(out) < 0.015
    assert_only_solved(take, out, moved=True)
    same, _ = touch_take(take, ContactList(), keep_apart=False)
    assert same is take


def test_people_in_each_other_are_moved_apart() -> None:
    """Two who stand 12 cm from each other, toes in heels: whole people move, once."""
    take = standing(0.12)
    assert deepest(take) > 0.08
    out, _ = touch_take(take, ContactList())
    assert deepest(out) < 0.02
    assert_only_solved(take, out, moved=True)
    a, b = (
        now.joint_positions - was.joint_positions for was, now in zip(take.actors, out.actors, strict=True)
    )
    left_ankle = CONTACT_JOINTS[0]
    assert a[0, left_ankle, 2] < -0.03 and b[0, left_ankle, 2] > 0.03


def test_who_walks_through_the_other_walks_past() -> None:
    """A's whole body glides through B, 2 cm beside the middle: it is led past, without a jump."""
    take = standing(0.0, 4.0)
    a, b = take.actors
    ahead = np.linspace(-1.2, 1.2, take.frames)
    root = a.root_translation + np.stack([np.full(take.frames, 0.02), np.zeros(take.frames), ahead], axis=-1)
    gliding = ActorMotion.from_rotations(
        root, a.joint_rotations, np.zeros_like(a.foot_contacts), a.rest_offsets
    )
    take = replace(take, actors=(gliding, b))
    trunks = [INDEX[part] for part in ("hips", "belly", "chest", "head")]
    pairs = PartPairs.all_pairs()
    pairs = pairs.kept(pairs.across & np.isin(pairs.first, trunks) & np.isin(pairs.second, trunks))
    assert clearance(pairs, bodies(take)).distance.min() < -0.15
    out, _ = touch_take(take, ContactList())
    assert clearance(pairs, bodies(out)).distance.min() > -0.03
    nearest = np.argmin(np.abs(ahead))
    hips = [motion.joint_positions[nearest, 0] for motion in out.actors]
    assert hips[0][0] - hips[1][0] > 0.2
    step = np.diff(out.actors[0].joint_positions[:, 0], axis=0)
    assert np.linalg.norm(step, axis=-1).max() * FPS < 1.5


@pytest.mark.parametrize(("name", "apart"), [("handshake", True), ("high five", False), ("hug", False)])
def test_nothing_changes_where_nothing_has_to(name: str, apart: bool) -> None:
    """Contacts hold in their own take; the takes that are asked to keep apart do so already."""
    take = SCRIPTED[name]().take
    out, touch = touch_take(take, keep_apart=apart)
    assert out is take
    assert touch.gap_errors(touch.after) and max(e.max() for e in touch.gap_errors(touch.after)) < 1e-9


def test_found_contacts_are_kept_when_bodies_part() -> None:
    """B's whole body is moved into A's: bodies part, and the hand that rested on the shoulder still does."""
    take = SCRIPTED["hand on shoulder"]().take
    b = take.actors[1]
    nearer = ActorMotion.from_rotations(
        b.root_translation - [0.0, 0.0, 0.06], b.joint_rotations, b.foot_contacts, b.rest_offsets
    )
    take = replace(take, actors=(take.actors[0], nearer))
    out, touch = touch_take(take)
    assert deepest(out) < max(0.02, 0.5 * deepest(take))
    assert touch.report()["gap_error_mm"]["median"] < 15
    assert_only_solved(take, out)


def test_the_same_again() -> None:
    take = standing(0.6, 3.0)
    goals = ContactList.of([Contact("A", "r_hand", "B", "l_upper_arm", 1.2, 2.0)])
    first, second = (touch_take(take, goals)[0] for _ in range(2))
    for a, b in zip(first.actors, second.actors, strict=True):
        np.testing.assert_array_equal(a.joint_positions, b.joint_positions)
        np.testing.assert_array_equal(a.joint_rotations, b.joint_rotations)
