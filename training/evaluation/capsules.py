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

POINTS = 256
_ROWS_AT_ONCE = 128


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


def shared_volume(a: Capsules, b: Capsules, points: int = POINTS) -> np.ndarray:
    """Volume (T,) in m³ of what lies inside both bodies, each the union of its capsules.

    Integrated over quasi-random points in those of a's capsules that meet one of b's, `points` in the
    cylinder and as many in the two half balls of each; a point that several of a's capsules hold counts
    for each in part. With 256 points the error of a body's volume is a few percent of one capsule's.
    """
    volume = np.zeros(len(a.start))
    gaps = surface_distances(a, b)
    frame, own = np.nonzero((gaps < 0).any(axis=2))
    for first in range(0, len(frame), _ROWS_AT_ONCE):
        t, c = frame[first : first + _ROWS_AT_ONCE], own[first : first + _ROWS_AT_ONCE]
        where, weight = _interior_points(a.start[t, c], a.end[t, c], a.radius[c], points)
        inside = _holders(b, t, gaps[t, c], where) > 0
        shared = inside.any(axis=1)
        if not shared.any():
            continue
        t, c, where, inside = t[shared], c[shared], where[shared], inside[shared]
        siblings = surface_distances(a.frames(t), a.frames(t))[np.arange(len(t)), c]
        counts = np.maximum(_holders(a, t, siblings, where), 1)
        volume += np.bincount(t, (inside * weight[shared] / counts).sum(axis=1), len(volume))
    return volume


def body_volume(capsules: Capsules, points: int = POINTS) -> np.ndarray:
    """Volume (T,) in m³ of the union of a body's capsules."""
    return shared_volume(capsules, capsules, points)


def _interior_points(
    start: np.ndarray, end: np.ndarray, radius: np.ndarray, points: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points (R, 2 * points, 3) uniform inside the two parts of R capsules, and the volume of each.

    start, end (R, 3), radius (R,). The parts are the cylinder and the ball that its two caps make.
    """
    length = np.linalg.norm(end - start, axis=-1)[:, None]
    up = np.where(length > 1e-9, (end - start) / np.maximum(length, 1e-9), np.array([0.0, 0.0, 1.0]))
    right, front = _perpendiculars(up)
    unit = qmc.Halton(3, scramble=False).random(points + 1)[1:]  # the first point is a corner
    height, angle = 2.0 * unit[:, 0] - 1.0, 2.0 * np.pi * unit[:, 2]
    shell = np.cbrt(unit[:, 1])
    # Metres along the axis from the start, and in units of the radius away from it.
    along = np.concatenate(
        # The upper half of the ball sits on the end, the lower one on the start.
        [length * unit[:, 0], radius[:, None] * shell * height + length * (height > 0)],
        axis=1,
    )
    out = np.concatenate([np.sqrt(unit[:, 1]), shell * np.sqrt(1.0 - height**2)])
    x, y = out * np.tile(np.cos(angle), 2), out * np.tile(np.sin(angle), 2)
    where = start[:, None] + along[..., None] * up[:, None]
    where += radius[:, None, None] * (x[:, None] * right[:, None] + y[:, None] * front[:, None])
    volumes = np.stack([np.pi * radius**2 * length[:, 0], 4.0 / 3.0 * np.pi * radius**3], axis=-1)
    return where, np.repeat(volumes / points, points, axis=-1)


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


def _holders(capsules: Capsules, frame: np.ndarray, gaps: np.ndarray, where: np.ndarray) -> np.ndarray:
    """How many capsules hold each point: int (R, P).

    frame (R,): whose capsules are asked, for points where (R, P, 3). gaps (R, C): distance of each capsule's
    surface from the one that row's points lie in, so that only those that it meets are looked at.
    """
    most = int((gaps < 0).sum(axis=1).max())
    near = np.argsort(gaps, axis=1)[:, :most]
    start, end = capsules.start[frame[:, None], near], capsules.end[frame[:, None], near]
    axis, radius = end - start, capsules.radius[near]
    length2 = (axis * axis).sum(-1)[:, None]
    onto = where @ axis.swapaxes(1, 2) - (start * axis).sum(-1)[:, None]
    along = (onto / np.maximum(length2, 1e-12)).clip(0.0, 1.0)
    to_start = (where * where).sum(-1)[..., None] - 2.0 * where @ start.swapaxes(1, 2)
    to_start += (start * start).sum(-1)[:, None]
    squared = to_start + along * (along * length2 - 2.0 * onto)
    return (squared <= (radius**2)[:, None] + 1e-12).sum(axis=-1)
