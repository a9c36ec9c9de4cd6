# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations against scipy's, over random rotations and the awkward ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from intermoe_engine import rotations as r

angle = st.floats(-6.3, 6.3, allow_nan=False)


def random_quats(count: int = 200, seed: int = 0) -> np.ndarray:
    q = Rotation.random(count, random_state=seed).as_quat()[:, [3, 0, 1, 2]]
    half_turns = np.eye(4)[[1, 2, 3]]
    return np.concatenate([q, half_turns, np.eye(4)[:1]])


def as_scipy(q: np.ndarray) -> Rotation:
    return Rotation.from_quat(q[..., [1, 2, 3, 0]])


def same_rotation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.min([np.abs(a - b).max(-1), np.abs(a + b).max(-1)], axis=0).max())


def test_matrices_and_back_agree_with_scipy():
    q = random_quats()
    matrices = r.quat_to_matrix(q)
    assert np.allclose(matrices, as_scipy(q).as_matrix(), atol=1e-12)
    assert same_rotation(r.matrix_to_quat(matrices), q) < 1e-7


def test_product_and_turned_vectors_agree_with_scipy():
    a, b = random_quats(seed=1), random_quats(seed=2)
    v = np.random.default_rng(3).standard_normal((len(a), 3))
    assert (
        same_rotation(r.quat_multiply(a, b), (as_scipy(a) * as_scipy(b)).as_quat()[:, [3, 0, 1, 2]]) < 1e-12
    )
    assert np.allclose(r.quat_rotate(a, v), as_scipy(a).apply(v), atol=1e-12)


@given(angle, angle, angle)
def test_log_undoes_exp_up_to_whole_turns(x, y, z):
    v = np.array([x, y, z])
    assert same_rotation(r.quat_exp(r.quat_log(r.quat_exp(v)))[None], r.quat_exp(v)[None]) < 1e-9
    assert np.allclose(r.quat_to_matrix(r.quat_exp(v)), Rotation.from_rotvec(v).as_matrix(), atol=1e-9)


def test_slerp_agrees_with_scipy_and_takes_the_shorter_arc():
    a, b = random_quats(50, 4)[:50], random_quats(50, 5)[:50]
    for t in (0.0, 0.3, 1.0):
        expected = [
            Slerp([0, 1], Rotation.concatenate([as_scipy(p), as_scipy(q)]))(t).as_quat()[[3, 0, 1, 2]]
            for p, q in zip(a, b, strict=True)
        ]
        assert same_rotation(r.quat_slerp(a, -b, np.array(t)), np.array(expected)) < 1e-9


def test_sixd_is_the_first_two_columns_stored_row_by_row():
    m = np.arange(9.0).reshape(3, 3)
    assert r.matrix_to_sixd(m).tolist() == [0, 1, 3, 4, 6, 7]
    rotations = r.quat_to_matrix(random_quats())
    assert np.allclose(r.sixd_to_matrix(r.matrix_to_sixd(rotations)), rotations, atol=1e-12)


@pytest.mark.parametrize("u, v", [([1, 0, 0], [0, 2, 0]), ([0, 0, 3], [0, 0, -1]), ([1, 1, 1], [1, 1, 1])])
def test_quat_between_turns_one_direction_into_the_other(u, v):
    u, v = np.array(u, float), np.array(v, float)
    turned = r.quat_rotate(r.quat_between(u, v), u / np.linalg.norm(u))
    assert np.allclose(turned, v / np.linalg.norm(v), atol=1e-9)


def test_continuous_signs_change_no_rotation():
    q = random_quats(60)[:60] * np.where(np.arange(60) % 3, 1, -1)[:, None]
    smooth = r.quat_continuous(q)
    assert same_rotation(smooth, q) < 1e-12
    assert (np.sum(smooth[1:] * smooth[:-1], -1) >= 0).all()
