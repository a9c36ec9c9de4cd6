# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations as channels, against mathutils, which is what Blender itself will use to read them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("bpy")
from mathutils import Euler, Quaternion

from blender_addon import space
from blender_addon.rigs.channels import quat_to_euler, rotation_channels
from intermoe_engine.rotations import quat_from_axis_angle
from tests.blender.synthetic import same_rotation, wandering

ORDERS = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")


@pytest.mark.parametrize("order", ORDERS)
def test_euler_agrees_with_mathutils(order: str) -> None:
    q = wandering(400, seed=ORDERS.index(order))
    angles = quat_to_euler(q, order)
    read = np.array([Euler(a, order).to_quaternion() for a in angles])
    assert same_rotation(q, read) < 2e-3  # arccos near one: float32 in mathutils


@pytest.mark.parametrize("order", ORDERS)
def test_euler_does_not_flip_over_several_turns(order: str) -> None:
    first = "XYZ".index(order[0])
    angle = np.linspace(0.0, 4 * np.pi, 200)
    axis = np.zeros(3)
    axis[first] = 1.0
    angles = quat_to_euler(quat_from_axis_angle(axis, angle), order)
    assert np.allclose(angles[:, first], angle, atol=1e-6)
    assert np.allclose(np.delete(angles, first, axis=1), 0.0, atol=1e-6)


@pytest.mark.parametrize("order", ORDERS)
def test_euler_passes_straight_through_gimbal_lock(order: str) -> None:
    middle = "XYZ".index(order[1])
    angle = np.linspace(0.0, np.pi, 181)  # frame 90 is exactly the lock
    axis = np.zeros(3)
    axis[middle] = 1.0
    angles = quat_to_euler(quat_from_axis_angle(axis, angle), order)
    assert np.abs(np.diff(angles, axis=0)).max() < np.radians(1.5)
    read = np.array([Euler(a, order).to_quaternion() for a in angles])
    assert same_rotation(quat_from_axis_angle(axis, angle), read) < 2e-3


def test_axis_angle_agrees_with_mathutils_and_is_continuous() -> None:
    q = wandering(400, seed=9)
    path, values = rotation_channels("AXIS_ANGLE", q)
    assert path == "rotation_axis_angle"
    read = np.array([Quaternion(v[1:], v[0]) for v in values])
    assert same_rotation(q, read) < 2e-3
    vectors = values[:, :1] * values[:, 1:]
    assert np.abs(np.diff(values[:, 0])).max() < 0.6
    assert np.isfinite(vectors).all()


def test_axis_angle_of_rest_is_zero_about_a_real_axis() -> None:
    _, values = rotation_channels("AXIS_ANGLE", np.tile([1.0, 0, 0, 0], (3, 1)))
    assert np.allclose(values[:, 0], 0.0)
    assert np.allclose(np.linalg.norm(values[:, 1:], axis=-1), 1.0)


def test_quaternions_stay_on_one_hemisphere() -> None:
    q = wandering(200, seed=3)
    flipped = q * np.where(np.arange(200) % 3 == 0, -1.0, 1.0)[:, None]
    path, values = rotation_channels("QUATERNION", flipped)
    assert path == "rotation_quaternion"
    assert ((values[1:] * values[:-1]).sum(-1) > 0).all()
    assert same_rotation(values, q) < 1e-6


def test_space_is_a_proper_rotation_that_keeps_up_front_and_left() -> None:
    m = space.BLENDER_FROM_CANONICAL
    assert np.allclose(m @ m.T, np.eye(3)) and np.isclose(np.linalg.det(m), 1.0)
    assert np.allclose(space.to_blender([0, 1, 0]), [0, 0, 1])  # up
    assert np.allclose(space.to_blender([0, 0, 1]), [0, -1, 0])  # front
    assert np.allclose(space.to_blender([1, 0, 0]), [1, 0, 0])  # left
    points = np.random.default_rng(0).normal(size=(4, 5, 3))
    assert np.allclose(space.to_canonical(space.to_blender(points)), points)
    moved = np.eye(4)
    moved[:3, 3] = (1.0, 2.0, 3.0)
    assert np.allclose(space.canonical_world_matrix(moved)[:3, 3], space.to_canonical([1.0, 2.0, 3.0]))
