# SPDX-License-Identifier: GPL-3.0-or-later
"""The retargeter's capsules of a body, measured: distances of surfaces and volumes that two bodies share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.retarget.source import SourceActor
from intermoe_engine.retarget.touch import parts
from intermoe_engine.retarget.touch.body import Body
from intermoe_engine.retarget.touch.closest import closest_of_segments, mix
from intermoe_engine.retarget.touch.parts import INDEX
from intermoe_engine.rotations import quat_to_matrix
from intermoe_engine.skeleton import SMPL22

HANDS = tuple(INDEX[name] for name in parts.HANDS)

POINTS = 256
_ROWS_AT_ONCE = 128


@dataclass(frozen=True)
class Capsules:
    """C capsules on T frames: start (T, C, 3), end (T, C, 3), radius (C,), metres."""

    start: np.ndarray
    end: np.ndarray
    radius: np.ndarray

    def frames(self, which: np.ndarray | slice) -> Capsules:
        """Some of the frames."""
        return Capsules(self.start[which], self.end[which], self.radius)


def body_capsules(positions: np.ndarray, rotations: np.ndarray) -> Capsules:
    """The capsules (`parts.PARTS`) of a person with joints (T, 22, 3) and local rotations (T, 22, 4).

    They are those that the retargeter keeps apart: as thick as the person's lengths suggest, with hands that
    follow the wrists.
    """
    _, world = forward_kinematics(positions[:, 0], rotations, SMPL22.parents, SMPL22.offsets)
    bones = np.linalg.norm(positions[:, 1:] - positions[:, SMPL22.parents[1:]], axis=-1)
    offsets = SMPL22.offsets.copy()
    offsets[1:] *= (np.median(bones, axis=0) / np.linalg.norm(offsets[1:], axis=-1))[:, None]
    nowhere = np.zeros((len(positions), 4), dtype=bool)
    body = Body.of_source(SourceActor(positions, world, quat_to_matrix(world), nowhere, offsets))
    return Capsules(*body.ends(), body.radii)


def segment_distance(p: np.ndarray, q: np.ndarray, r: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Distances (...) between segments p–q and r–s, each (..., 3) and broadcast."""
    along, across = closest_of_segments(p, q, r, s)
    return np.linalg.norm(mix(p, q, along) - mix(r, s, across), axis=-1)


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
