# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies of a generated pair are parted after the cleanup, and only where they overlap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from intermoe_engine.bench.takes import SCRIPTED
from intermoe_engine.cleanup import part_pair
from intermoe_engine.take import ActorMotion


def test_overlapping_people_are_parted_and_others_left() -> None:
    """B of a handshake stands 30 cm nearer, trunk in trunk; then 1 m farther, touching nothing."""
    take = SCRIPTED["handshake"]().take
    a, b = take.actors

    def nearer(by: float) -> tuple[ActorMotion, ActorMotion]:
        root = b.root_translation - [0.0, 0.0, by]
        return a, ActorMotion.from_rotations(root, b.joint_rotations, b.foot_contacts, b.rest_offsets)

    overlapping = nearer(0.78)
    parted, report = part_pair(overlapping, take.fps)
    assert report.overlap_before > 0.05 and report.overlap_after < 0.5 * report.overlap_before
    assert report.hips_moved > 0.01
    hips = [
        np.linalg.norm(one.joint_positions[:, 0] - two.joint_positions[:, 0], axis=-1)
        for one, two in (overlapping, parted)
    ]
    assert hips[1].min() > hips[0].min() + 0.03
    apart = nearer(-1.0)
    same, nothing = part_pair(apart, take.fps)
    assert same is apart
    assert nothing == replace(nothing, overlap_before=0.0, overlap_after=0.0, hips_moved=0.0)
