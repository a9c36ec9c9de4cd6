# SPDX-License-Identifier: GPL-3.0-or-later
"""A body as capsules about SMPL's 22 joints: distances between surfaces and volumes that two bodies share.

Everything is vectorised over frames; positions are (T, 22, 3) metres of one person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from intermoe_engine.skeleton import SMPL22

# name, joints it runs between, radius in metres, and for the far end how far beyond it goes: a share of the
# bone (given by its joints) that is added. Radii are of an adult of 1.75 m.
_BODY: tuple[tuple[str, str, str, float, tuple[float, str, str] | None], ...] = (
    ("hips", "l_hip", "r_hip", 0.105, None),
    ("belly", "pelvis", "spine2", 0.115, None),
    ("chest", "spine2", "neck", 0.120, None),
    ("shoulders", "l_shoulder", "r_shoulder", 0.065, None),
    ("head", "head", "head", 0.090, (0.8, "neck", "head")),
    ("l_thigh", "l_hip", "l_knee", 0.070, None),
    ("r_thigh", "r_hip", "r_knee", 0.070, None),
    ("l_shin", "l_knee", "l_ankle", 0.050, None),
    ("r_shin", "r_knee", "r_ankle", 0.050, None),
    ("l_foot", "l_ankle", "l_foot", 0.040, None),
    ("r_foot", "r_ankle", "r_foot", 0.040, None),
    ("l_upper_arm", "l_shoulder", "l_elbow", 0.045, None),
    ("r_upper_arm", "r_shoulder", "r_elbow", 0.045, None),
    ("l_forearm", "l_elbow", "l_wrist", 0.038, None),
    ("r_forearm", "r_elbow", "r_wrist", 0.038, None),
    ("l_hand", "l_wrist", "l_wrist", 0.032, (0.4, "l_elbow", "l_wrist")),
    ("r_hand", "r_wrist", "r_wrist", 0.032, (0.4, "r_elbow", "r_wrist")),
)

NAMES = tuple(row[0] for row in _BODY)
RADII = np.array([row[3] for row in _BODY])
HANDS = (NAMES.index("l_hand"), NAMES.index("r_hand"))

_POINTS = 96
_FRAMES_AT_ONCE = 16


def _weights() -> tuple[np.ndarray, np.ndarray]:
    starts, ends = np.zeros((len(_BODY), 22)), np.zeros((len(_BODY), 22))
    for row, (_, start, end, _, beyond) in enumerate(_BODY):
        starts[row, SMPL22.index(start)] += 1.0
        ends[row, SMPL22.index(end)] += 1.0
        if beyond is not None:
            share, base, tip = beyond
            ends[row, SMPL22.index(tip)] += share
            ends[row, SMPL22.index(base)] -= share
    return starts, ends


_STARTS, _ENDS = _weights()


@dataclass(frozen=True)
class Capsules:
    """C capsules on T frames: start (T, C, 3), end (T, C, 3), radius (C,), metres."""

    start: np.ndarray
    end: np.ndarray
    radius: np.ndarray

    def frames(self, which: np.ndarray | slice) -> Capsules:
        """Some of the frames."""
        return Capsules(self.start[which], self.end[which], self.radius)


def body_capsules(positions: np.ndarray) -> Capsules:
    """The 17 capsules (`NAMES`) of a person with joints (T, 22, 3)."""
    place = lambda weights: np.einsum("cj,tjk->tck", weights, positions)
    return Capsules(place(_STARTS), place(_ENDS), RADII)


def segment_distance(p: np.ndarray, q: np.ndarray, r: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Distances (...) between segments p–q and r–s, each (..., 3) and broadcast (Ericson 2005, 5.1.9)."""
    d1, d2, between = q - p, s - r, p - r
    a, e = (d1 * d1).sum(-1), (d2 * d2).sum(-1)
    b, c, f = (d1 * d2).sum(-1), (d1 * between).sum(-1), (d2 * between).sum(-1)
    tiny = 1e-12
    safe_a, safe_e = np.maximum(a, tiny), np.maximum(e, tiny)
    # On p–q the point nearest to the other line; parallel segments may take any, here p's end.
    spread = a * e - b * b
    t1 = np.where(spread > tiny, (b * f - c * e) / np.maximum(spread, tiny), 0.0).clip(0.0, 1.0)
    t2 = np.where(e > tiny, (b * t1 + f) / safe_e, 0.0)
    # Where that lies beyond r–s, clamp there and look back.
    clamped = t2.clip(0.0, 1.0)
    t1 = np.where(a > tiny, ((b * clamped - c) / safe_a).clip(0.0, 1.0), 0.0)
    gap = between + d1 * t1[..., None] - d2 * clamped[..., None]
    return np.linalg.norm(gap, axis=-1)


def surface_distances(a: Capsules, b: Capsules) -> np.ndarray:
    """Metres (T, Ca, Cb) between the surfaces of a's and b's capsules; negative where they overlap."""
    axes = segment_distance(a.start[:, :, None], a.end[:, :, None], b.start[:, None], b.end[:, None])
    return axes - a.radius[:, None] - b.radius


def shared_volume(a: Capsules, b: Capsules, points: int = _POINTS) -> np.ndarray:
    """Volume (T,) in m³ of what lies inside both bodies, each the union of its capsules.

    Integrated over quasi-random points in a's capsules, `points` in the cylinder and as many in the two
    half balls of each; a point that several of a's capsules hold counts for each in part.
    """
    volume = np.zeros(len(a.start))
    near = np.flatnonzero((surface_distances(a, b) < 0).any(axis=(1, 2)))
    for first in range(0, len(near), _FRAMES_AT_ONCE):
        frames = near[first : first + _FRAMES_AT_ONCE]
        own, other = a.frames(frames), b.frames(frames)
        where, weight = _interior_points(own, points)
        inside = _holds(other, where).any(axis=-1)
        # Only what is shared needs to know in how many capsules of its own body it lies.
        t, n = np.nonzero(inside)
        holders = _count_holders(own, t, where[t, n])
        volume[frames] = np.bincount(t, weight[t, n] / np.maximum(holders, 1), len(frames))
    return volume


def body_volume(capsules: Capsules, points: int = _POINTS) -> np.ndarray:
    """Volume (T,) in m³ of the union of a body's capsules."""
    return shared_volume(capsules, capsules, points)


def _interior_points(capsules: Capsules, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (T, C * 2 * points, 3) uniform inside each capsule's parts, and the volume (T, …) of each."""
    axis = capsules.end - capsules.start
    length = np.linalg.norm(axis, axis=-1, keepdims=True)
    up = np.where(length > 1e-9, axis / np.maximum(length, 1e-9), np.array([0.0, 0.0, 1.0]))
    right, front = _perpendiculars(up)
    radius = capsules.radius[:, None]
    unit = qmc.Halton(3, scramble=False).random(points + 1)[1:]  # the first point is a corner
    disc = np.sqrt(unit[:, 1]) * radius
    ball = np.cbrt(unit[:, 1]) * radius
    height = 2.0 * unit[:, 0] - 1.0
    around, ring = 2.0 * np.pi * unit[:, 2], np.sqrt(1.0 - height**2)
    cos, sin = np.cos(around), np.sin(around)

    def placed(along: np.ndarray, out: np.ndarray) -> np.ndarray:
        # along (T, C, n) metres from the start on the axis; out (C, n) metres from the axis.
        sideways = (out * cos)[..., None] * right[:, :, None] + (out * sin)[..., None] * front[:, :, None]
        return capsules.start[:, :, None] + along[..., None] * up[:, :, None] + sideways

    cylinder = placed(length * unit[:, 0], disc)
    # The upper half of the ball sits on the end, the lower one on the start.
    caps = placed((ball * height) + length * (height > 0), ball * ring)
    where = np.concatenate([cylinder, caps], axis=2)
    volumes = np.stack(
        [
            np.pi * capsules.radius**2 * length[..., 0],
            np.broadcast_to(4.0 / 3.0 * np.pi * capsules.radius**3, length.shape[:2]),
        ],
        axis=-1,
    )
    weight = np.repeat(volumes / points, points, axis=-1)
    frames = len(where)
    return where.reshape(frames, -1, 3), weight.reshape(frames, -1)


def _perpendiculars(up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors at right angles to unit vectors (..., 3) (Duff et al. 2017)."""
    x, y, z = up[..., 0], up[..., 1], up[..., 2]
    sign = np.copysign(1.0, z)
    a = -1.0 / (sign + z)
    b = x * y * a
    return (
        np.stack([1.0 + sign * x * x * a, sign * b, -sign * x], axis=-1),
        np.stack([b, sign + y * y * a, -y], axis=-1),
    )


def _holds(capsules: Capsules, where: np.ndarray) -> np.ndarray:
    """Whether points (T, N, 3) lie inside each capsule: bool (T, N, C)."""
    return _within(capsules.start[:, None], capsules.end[:, None], capsules.radius, where[:, :, None])


def _count_holders(capsules: Capsules, frame: np.ndarray, where: np.ndarray) -> np.ndarray:
    """In how many capsules of frame `frame` (N,) each point (N, 3) lies."""
    start, end = capsules.start[frame], capsules.end[frame]
    return _within(start, end, capsules.radius, where[:, None]).sum(axis=-1)


def _within(start: np.ndarray, end: np.ndarray, radius: np.ndarray, point: np.ndarray) -> np.ndarray:
    axis, offset = end - start, point - start
    along = (axis * offset).sum(-1) / np.maximum((axis * axis).sum(-1), 1e-12)
    gap = offset - along.clip(0.0, 1.0)[..., None] * axis
    return (gap * gap).sum(-1) <= (radius * (1.0 + 1e-9)) ** 2
