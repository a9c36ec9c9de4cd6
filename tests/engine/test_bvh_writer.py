# SPDX-License-Identifier: GPL-3.0-or-later
"""A take written as BVH and read back is the same motion."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from intermoe_engine.formats.bvh_reader import read_bvh
from intermoe_engine.formats.bvh_writer import UNITS_PER_METRE, euler_zyx, write_bvh
from intermoe_engine.rotations import quat_exp, quat_from_axis_angle, quat_multiply, quat_normalize
from intermoe_engine.skeleton import SMPL22
from intermoe_engine.take import ActorMotion, Take


def random_take(fps: float = 30.0) -> Take:
    rng = np.random.default_rng(0)
    actors = []
    for size in (0.9, 1.1):
        rotations = quat_normalize(rng.standard_normal((25, 22, 4)))
        root = rng.normal(0, 1, (25, 3))
        actors.append(ActorMotion.from_rotations(root, rotations, np.zeros((25, 4)), SMPL22.offsets * size))
    return Take("two people", 0, fps, (actors[0], actors[1]))


def test_round_trip(tmp_path: Path) -> None:
    take = random_take(fps=29.97)
    paths = write_bvh(take, tmp_path / "sub" / "dance.bvh")
    assert [p.name for p in paths] == ["dance_a.bvh", "dance_b.bvh"]
    assert sorted(p.name for p in (tmp_path / "sub").iterdir()) == ["dance_a.bvh", "dance_b.bvh"]
    for path, actor in zip(paths, take.actors, strict=True):
        motion = read_bvh(path)
        assert abs(motion.fps - 29.97) < 1e-4
        assert len(motion.end_sites) == 5
        positions, _ = motion.global_pose()
        order = [motion.names.index(name) for name in SMPL22.names]
        np.testing.assert_allclose(positions[:, order] / UNITS_PER_METRE, actor.joint_positions, atol=1e-6)


def test_euler_angles_give_the_rotation_back_even_at_the_pole() -> None:
    rng = np.random.default_rng(1)
    pole = quat_multiply(
        quat_from_axis_angle(np.array([0.0, 0, 1]), np.array(0.4)),
        quat_from_axis_angle(np.array([0.0, 1, 0]), np.array(np.pi / 2)),
    )
    rotations = np.concatenate([quat_normalize(rng.standard_normal((200, 4))), pole[None], -pole[None]])[
        :, None
    ]
    z, y, x = np.moveaxis(euler_zyx(rotations), -1, 0)
    axis = np.eye(3)
    again = quat_multiply(
        quat_multiply(quat_from_axis_angle(axis[2], z), quat_from_axis_angle(axis[1], y)),
        quat_from_axis_angle(axis[0], x),
    )
    np.testing.assert_allclose(np.abs(np.sum(again * rotations, axis=-1)), 1, atol=1e-9)


def test_angles_do_not_jump_by_full_turns() -> None:
    turn = np.linspace(0, 6 * np.pi, 200)
    rotations = quat_exp(np.stack([0 * turn, 0 * turn, turn], axis=-1))[:, None]
    assert np.abs(np.diff(euler_zyx(rotations)[:, 0, 0])).max() < 0.2
