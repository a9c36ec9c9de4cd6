# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations in numpy: quaternions are (w, x, y, z), matrices act on columns.

Every function broadcasts over the leading axes of its arguments.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

_EPS = 1e-12


def cross(a: Array, b: Array) -> Array:
    """a × b (..., 3); `numpy.cross` takes more than twice the time."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


def quat_normalize(q: Array) -> Array:
    """Unit quaternions (..., 4); a zero quaternion becomes the identity."""
    q = np.asarray(q)
    norm = np.linalg.norm(q, axis=-1, keepdims=True)
    identity = np.zeros_like(q)
    identity[..., 0] = 1.0
    return np.where(norm > _EPS, q / np.maximum(norm, _EPS), identity)


def quat_conjugate(q: Array) -> Array:
    """The inverse of unit quaternions (..., 4)."""
    return np.asarray(q) * np.array([1, -1, -1, -1], dtype=np.asarray(q).dtype)


def quat_multiply(a: Array, b: Array) -> Array:
    """Hamilton product a ∘ b (..., 4): the rotation b followed by a."""
    a, b = np.asarray(a), np.asarray(b)
    aw, ax, ay, az = np.moveaxis(a, -1, 0)
    bw, bx, by, bz = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def quat_rotate(q: Array, v: Array) -> Array:
    """Vectors v (..., 3) turned by unit quaternions q (..., 4)."""
    w, x, y, z = np.moveaxis(np.asarray(q), -1, 0)
    vx, vy, vz = np.moveaxis(np.asarray(v), -1, 0)
    # v + w t + u × t with t = 2 u × v, written out: np.cross takes twice the time of all this.
    tx, ty, tz = 2 * (y * vz - z * vy), 2 * (z * vx - x * vz), 2 * (x * vy - y * vx)
    return np.stack(
        [vx + w * tx + y * tz - z * ty, vy + w * ty + z * tx - x * tz, vz + w * tz + x * ty - y * tx], axis=-1
    )


def quat_to_matrix(q: Array) -> Array:
    """Rotation matrices (..., 3, 3) of unit quaternions (..., 4)."""
    w, x, y, z = np.moveaxis(np.asarray(q), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_quat(m: Array) -> Array:
    """Unit quaternions (..., 4) with w >= 0 of rotation matrices (..., 3, 3).

    Takes the largest of the four candidate components, so that no case divides by a small number
    (Shepperd 1978).
    """
    m = np.asarray(m)
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = np.stack(
        [1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22], axis=-1
    )
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    candidates = np.stack(
        [
            np.stack([squares[..., 0], wx, wy, wz], axis=-1),
            np.stack([wx, squares[..., 1], xy, xz], axis=-1),
            np.stack([wy, xy, squares[..., 2], yz], axis=-1),
            np.stack([wz, xz, yz, squares[..., 3]], axis=-1),
        ],
        axis=-2,
    )
    best = np.argmax(squares, axis=-1)[..., None, None]
    q = np.take_along_axis(candidates, best, axis=-2)[..., 0, :]
    q = quat_normalize(q)
    return np.where(q[..., :1] < 0, -q, q)


def quat_from_axis_angle(axis: Array, angle: Array) -> Array:
    """Unit quaternions (..., 4) about unit axes (..., 3) by angles (...) in radians."""
    half = np.asarray(angle)[..., None] / 2
    return _join_scalar_vector(np.cos(half), np.sin(half) * np.asarray(axis))


def quat_exp(v: Array) -> Array:
    """Unit quaternions (..., 4) of rotation vectors (..., 3): direction is the axis, length the angle."""
    v = np.asarray(v)
    half = np.linalg.norm(v, axis=-1, keepdims=True) / 2
    # sin(h)/2h through sinc keeps the limit at zero exact.
    return _join_scalar_vector(np.cos(half), v * (0.5 * np.sinc(half / np.pi)))


def quat_log(q: Array) -> Array:
    """Rotation vectors (..., 3), angles in [0, pi], of unit quaternions (..., 4)."""
    q = np.asarray(q)
    q = np.where(q[..., :1] < 0, -q, q)
    s = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    half = np.arctan2(s, q[..., :1])
    return q[..., 1:] * np.where(s > 1e-9, 2 * half / np.maximum(s, 1e-9), 2.0)


def quat_between(u: Array, v: Array) -> Array:
    """The shortest rotation (..., 4) that turns directions u into v (..., 3), of any length."""
    u = np.asarray(u, dtype=float)
    v = np.asarray(v, dtype=float)
    u = u / np.maximum(np.linalg.norm(u, axis=-1, keepdims=True), _EPS)
    v = v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), _EPS)
    dot = np.sum(u * v, axis=-1, keepdims=True)
    q = quat_normalize(_join_scalar_vector(1.0 + dot, cross(u, v)))
    if (dot > -1 + 1e-9).all():
        return q
    # Opposite directions have no shortest arc: any axis at a right angle serves.
    helper = np.where(np.abs(u[..., :1]) < 0.9, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]))
    axis = np.cross(u, helper)
    axis = axis / np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), _EPS)
    half_turn = _join_scalar_vector(np.zeros_like(dot), axis)
    return np.where(dot < -1 + 1e-9, half_turn, q)


def quat_slerp(a: Array, b: Array, t: Array) -> Array:
    """Spherical interpolation (..., 4) from a (t = 0) to b (t = 1) along the shorter arc; t is (...)."""
    a, b = np.asarray(a), np.asarray(b)
    t = np.asarray(t)[..., None]
    dot = np.sum(a * b, axis=-1, keepdims=True)
    b = np.where(dot < 0, -b, b)
    angle = np.arccos(np.clip(np.abs(dot), 0.0, 1.0))
    sin = np.sin(angle)
    close = sin < 1e-6
    safe = np.where(close, 1.0, sin)
    wa = np.where(close, 1 - t, np.sin((1 - t) * angle) / safe)
    wb = np.where(close, t, np.sin(t * angle) / safe)
    return quat_normalize(wa * a + wb * b)


def quat_continuous(q: Array, axis: int = 0) -> Array:
    """The same rotations with signs chosen so that neighbours along `axis` lie on one hemisphere."""
    q = np.moveaxis(np.asarray(q), axis, 0)
    dots = np.sum(q[1:] * q[:-1], axis=-1, keepdims=True)
    signs = np.cumprod(np.where(dots < 0, -1.0, 1.0), axis=0)
    out = np.concatenate([q[:1], q[1:] * signs], axis=0)
    return np.moveaxis(out, 0, axis)


def matrix_to_sixd(m: Array) -> Array:
    """The first two columns of (..., 3, 3), stored row by row: [m00, m01, m10, m11, m20, m21].

    This is InterHuman's order. Zhou et al. 2019 store column after column, which is not the same.
    """
    m = np.asarray(m)
    return m[..., :, :2].reshape(*m.shape[:-2], 6)


def sixd_to_matrix(d: Array) -> Array:
    """Rotation matrices (..., 3, 3) of 6D numbers in InterHuman's order, by Gram–Schmidt."""
    d = np.asarray(d)
    columns = d.reshape(*d.shape[:-1], 3, 2)
    x = columns[..., 0]
    x = x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), _EPS)
    y = columns[..., 1]
    y = y - np.sum(x * y, axis=-1, keepdims=True) * x
    y = y / np.maximum(np.linalg.norm(y, axis=-1, keepdims=True), _EPS)
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def _join_scalar_vector(scalar: Array, vector: Array) -> Array:
    shape = np.broadcast_shapes(scalar.shape[:-1], vector.shape[:-1])
    return np.concatenate(
        [np.broadcast_to(scalar, (*shape, 1)), np.broadcast_to(vector, (*shape, 3))], axis=-1
    )
