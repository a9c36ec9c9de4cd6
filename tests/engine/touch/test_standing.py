# SPDX-License-Identifier: GPL-3.0-or-later
"""Contacts of feet with the floor can be edited, and the edit is what the feet do."""

from __future__ import annotations

import numpy as np
import pytest

from intermoe_engine.bench.rigs import humanoid, proportions
from intermoe_engine.retarget import retarget_pair
from intermoe_engine.retarget.touch import Contact, ContactList, contacts_of, with_contacts
from intermoe_engine.retarget.touch.standing import standing_as_listed
from intermoe_engine.skeleton import SMPL22
from intermoe_engine.take import ActorMotion, Take

T, FPS = 60, 30.0
ANKLE = SMPL22.index("l_ankle")


def gliding_take(speed: float = 0.1) -> Take:
    """Two people in a T-pose: A's right foot is said to stand, its left not; both glide at `speed` m/s."""
    rotations = np.zeros((T, 22, 4))
    rotations[..., 0] = 1.0

    def person(x: float, glide: float, flags: tuple[int, ...]) -> ActorMotion:
        root = np.zeros((T, 3))
        root[:, 0], root[:, 1], root[:, 2] = x, 0.93, glide * np.arange(T) / FPS
        contacts = np.tile(np.array(flags, dtype=float), (T, 1))
        return ActorMotion.from_rotations(root, rotations.copy(), contacts, SMPL22.offsets)

    people = (person(-0.5, speed, (0, 0, 1, 1)), person(0.5, 0.0, (1, 1, 1, 1)))
    return Take("glide", 0, FPS, people)


def test_what_is_not_edited_comes_back_unchanged() -> None:
    take = gliding_take()
    found = contacts_of(take)
    assert any(contact.on_floor for contact in found)
    people = standing_as_listed(take.actors, found, FPS)
    assert all(now is was for now, was in zip(people, take.actors, strict=True))
    bodies = ContactList.of(found.between_people())
    assert standing_as_listed(take.actors, bodies, FPS) is take.actors


def test_a_locked_foot_stands_still_and_the_other_goes_on() -> None:
    take = gliding_take()
    locked = contacts_of(take).added(Contact("A", "l_foot", "floor", "floor", 0.5, 1.2))
    a, b = standing_as_listed(take.actors, locked, FPS)
    stand = a.joint_positions[16:35, ANKLE]
    assert np.abs(stand - stand.mean(axis=0)).max() < 2e-3, "0.1 m/s before, still now"
    assert np.ptp(take.actors[0].joint_positions[16:35, ANKLE, 2]) > 0.05
    right = SMPL22.index("r_ankle")
    assert np.allclose(a.joint_positions[:, right], take.actors[0].joint_positions[:, right], atol=1e-6)
    assert a.foot_contacts[[20, 50]].tolist() == [[1, 1, 1, 1], [0, 0, 1, 1]]
    steps = np.linalg.norm(np.diff(a.joint_positions[:, ANKLE], axis=0), axis=-1)
    assert steps.max() < 5 * 0.1 / FPS, "it eases in and out"
    assert b is take.actors[1]


@pytest.mark.parametrize("release", ["removed", "strength"])
def test_a_foot_that_is_let_go_is_not_planted(release: str) -> None:
    take = gliding_take()
    found = contacts_of(take)
    index = next(i for i, c in enumerate(found) if (c.first, c.first_part) == ("A", "r_foot"))
    edited = found.removed(index) if release == "removed" else found.edited(index, strength=0.0)
    a, _ = standing_as_listed(take.actors, edited, FPS)
    assert not a.foot_contacts.any()
    assert np.array_equal(a.joint_rotations, take.actors[0].joint_rotations)


def test_an_edit_reaches_the_rig() -> None:
    take = gliding_take()
    rigs = humanoid("A", proportions(1.1), 45.0), humanoid("B", proportions(0.9))
    bone = rigs[0].index["LeftFoot"]
    free = retarget_pair(with_contacts(take, contacts_of(take)), *rigs).actors[0].heads_world
    edited = contacts_of(take).added(Contact("A", "l_foot", "floor", "floor", 0.5, 1.2))
    locked = retarget_pair(with_contacts(take, edited), *rigs).actors[0].heads_world
    assert np.ptp(free[17:34, bone, 2]) > 0.04
    assert np.ptp(locked[17:34, bone, 2]) < 0.004
