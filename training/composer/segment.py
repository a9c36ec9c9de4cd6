# SPDX-License-Identifier: GPL-3.0-or-later
"""A piece of one person's motion, ready to be played anywhere: on the neutral body, apart from its path.

A segment's base is where the person is on the ground and which way they head: still for clips that stay in
place, followed for clips that travel. Everything else is stated in the base's frame, so that a score can lead
the base along another path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.representation import CONTACT_HEIGHT
from intermoe_engine.rotations import (
    Array,
    quat_conjugate,
    quat_continuous,
    quat_exp,
    quat_from_axis_angle,
    quat_log,
    quat_multiply,
    quat_rotate,
    quat_slerp,
)
from intermoe_engine.skeleton import CONTACT_JOINTS, SMPL22

from ..data.single_clip import SingleClip

UP = np.array([0.0, 1.0, 0.0])
_MIRRORED_QUAT = np.array([1.0, 1.0, -1.0, -1.0])
_PATH_SECONDS = 0.25
"""What a body does more slowly than this is travel, the rest is sway."""
_STANDING_SPEED, _FASTER = 0.45, 0.2
"""m/s below which a low foot stands, and how much more for each m/s of a walk's pace."""
FLAT = (0.08, 0.02)
"""Heights of ankle and toe joint of a foot flat on the floor, SMPL's."""
_BACKWARDS = 0.3
"""Share of a way that goes back, from which on it is walked backwards."""
_LOW_PERCENT = 10.0
_MOST_OFF = 0.12
_ROOM = 0.04
_RESTING = 0.25
"""Metres a second below which a loop counts as staying in place."""


@dataclass(frozen=True)
class Segment:
    """A piece of motion at `fps` on SMPL22's own offsets.

    rotations (T, 22, 4): local, joint 0 in the base's frame; pelvis (T, 3): in the base's frame, its height
    above the floor; base (T, 3): x, z and heading (radians) of the base, zero at the first frame; stands (T,
    2): whether the left and right foot stand; pace: metres a second at which a clip that walks on the spot
    has to be led so that its feet stand still, 0 for others. loop: it goes on from its start.
    """

    name: str
    fps: float
    rotations: Array
    pelvis: Array
    base: Array
    stands: np.ndarray
    pace: float = 0.0
    loop: bool = False
    held_out: bool = False

    @property
    def seconds(self) -> float:
        """How long it plays, or a loop's period."""
        return (len(self.pelvis) - 1) / self.fps

    def mirrored(self) -> Segment:
        """Left and right change places."""
        return replace(
            self,
            rotations=self.rotations[:, SMPL22.mirror] * _MIRRORED_QUAT,
            pelvis=self.pelvis * [-1.0, 1.0, 1.0],
            base=self.base * [-1.0, 1.0, -1.0],
            stands=self.stands[:, ::-1],
        )

    def at(self, seconds: Array) -> tuple[Array, Array, Array, Array]:
        """Rotations (N, 22, 4), pelvis (N, 3), base (N, 3) and standing 0..1 (N, 2) at times (N,).

        A loop is played round and round; another clip's first and last frame are held.
        """
        last = len(self.pelvis) - 1
        frames = seconds * self.fps
        rounds = np.floor(frames / last) if self.loop else np.zeros_like(frames)
        frames = np.clip(frames - rounds * last, 0.0, last)
        low = np.minimum(frames.astype(int), last - 1)
        t = frames - low
        mix = lambda a: a[low] + (a[low + 1] - a[low]) * t[:, None]
        rotations = quat_slerp(self.rotations[low], self.rotations[low + 1], t[:, None])
        base = mix(self.base) + rounds[:, None] * self.base[-1]
        return rotations, mix(self.pelvis), base, mix(self.stands.astype(float))


def segment_of(
    clip: SingleClip,
    name: str,
    *,
    start: float = 0.0,
    end: float | None = None,
    travel: str = "",
    loop: bool = False,
    stands: str = "",
    held_out: bool = False,
) -> Segment:
    """The part of a clip from `start` to `end` seconds.

    travel: "" for a clip whose person stays where they are, "root" for one that moves over the ground, "feet"
    for one that walks on the spot. stands: the feet that stand all the time, "both", "left" or "right", where
    the clip itself does not hold them still. Raises ValueError where there are fewer than two frames.
    """
    stop = clip.frames if end is None else min(round(end * clip.fps) + 1, clip.frames)
    span = slice(round(start * clip.fps), stop)
    rotations, root = quat_continuous(clip.joint_rotations), clip.root_translation
    if len(root[span]) < 2:
        raise ValueError(
            f"{clip.name} has {len(root[span])} frames between {start:g} s and its end; give more"
        )
    root = _on_neutral_body(root, rotations, clip.rest_offsets)
    root = _on_floor(root, rotations, span)
    # What animators key stands at the scene's origin and faces +z.
    path = np.zeros((len(root), 3)) if travel != "root" else _path(rotations, root, clip.fps)
    rotations, root, path = rotations[span], root[span], path[span]
    if loop and travel == "root":
        path = _straight(root, path, clip.fps)
    rotations, pelvis, base = _from_base(rotations, root, path)
    if loop:
        rotations, pelvis = _closed(rotations, pelvis)
    velocity = base[-1, :2] / ((len(base) - 1) / clip.fps) if loop else np.zeros(2)
    positions = forward_kinematics(pelvis, rotations, SMPL22.parents, SMPL22.offsets)[0]
    positions = _led(positions, base)
    ground = _pace(positions, clip.fps) if travel == "feet" else np.zeros(2)
    velocity = velocity + ground
    speed = float(np.linalg.norm(velocity))
    standing = _stands(positions, ground, clip.fps, _STANDING_SPEED + _FASTER * speed)
    pace = -speed if velocity[1] < -_BACKWARDS * speed else speed
    if stands:
        standing[:, [side for side, name in enumerate(("left", "right")) if stands in ("both", name)]] = True
    return Segment(name, clip.fps, rotations, pelvis, base, standing, pace, loop, held_out)


def turned(points: Array, yaw: Array) -> Array:
    """Ground points (..., 2) as x, z turned about the vertical by (...) radians, to the left if positive."""
    c, s = np.cos(yaw), np.sin(yaw)
    x, z = points[..., 0], points[..., 1]
    return np.stack([c * x + s * z, c * z - s * x], axis=-1)


def yaw_quat(yaw: Array) -> Array:
    """The rotation (..., 4) about the vertical by (...) radians."""
    return quat_from_axis_angle(UP, yaw)


def _on_neutral_body(root: Array, rotations: Array, offsets: Array) -> Array:
    """The pelvis (T, 3) of the same motion on SMPL22's offsets: steps in proportion to the legs, feet at the
    same height above the ground."""
    leg = lambda o: float(np.linalg.norm(o[[4, 5, 7, 8]], axis=-1).sum() / 2)
    pelvis = root * (leg(SMPL22.offsets) / leg(offsets))
    low = lambda p, o: forward_kinematics(p, rotations, SMPL22.parents, o)[0][:, [7, 8, 10, 11]]
    before, after = low(root, offsets), low(pelvis, SMPL22.offsets)
    # A flat foot's ankle is as high above its toes as the rest pose says, on either body.
    flat = lambda o: np.array([-o[10, 1], -o[11, 1], 0.0, 0.0])
    rise = (before[..., 1] - flat(offsets)).min(axis=1) - (after[..., 1] - flat(SMPL22.offsets)).min(axis=1)
    pelvis[:, 1] += rise
    return pelvis


def _path(rotations: Array, root: Array, fps: float) -> Array:
    """Where a person goes and heads (T, 3), without the sway of the steps."""
    across = quat_rotate(rotations[:, 0], SMPL22.offsets[1] - SMPL22.offsets[2])
    forward = np.cross(across, UP)
    heading = np.unwrap(np.arctan2(forward[:, 0], forward[:, 2]))
    path = np.concatenate([root[:, [0, 2]], heading[:, None]], axis=-1)
    return gaussian_filter1d(path, _PATH_SECONDS * fps, axis=0, mode="nearest")


def _straight(root: Array, path: Array, fps: float) -> Array:
    """A loop's path: an even way from its first to its last frame, or none where it hardly moves."""
    way = root[-1, [0, 2]] - root[0, [0, 2]]
    heading = float(path[:, 2].mean())
    still = np.linalg.norm(way) < _RESTING * (len(root) - 1) / fps
    if still:
        ground = np.broadcast_to(root[:, [0, 2]].mean(axis=0), (len(root), 2))
    else:
        # Who walks backwards or sideways heads another way than they go.
        direct = np.arctan2(way[0], way[1])
        heading = float(direct + np.pi * np.round((heading - direct) / np.pi))
        ground = root[0, [0, 2]] + way * np.linspace(0.0, 1.0, len(root))[:, None]
        ground = ground + (root[:, [0, 2]] - ground).mean(axis=0)
    return np.concatenate([ground, np.full((len(root), 1), heading)], axis=-1)


def _closed(rotations: Array, pelvis: Array) -> tuple[Array, Array]:
    """A loop whose last frame is its first: what they differ by is spread over all frames."""
    part = np.linspace(-0.5, 0.5, len(pelvis))
    away = quat_log(quat_multiply(quat_conjugate(rotations[-1]), rotations[0]))
    rotations = quat_multiply(rotations, quat_exp(part[:, None, None] * away))
    return quat_continuous(rotations), pelvis + part[:, None] * (pelvis[0] - pelvis[-1])


def _from_base(rotations: Array, root: Array, path: Array) -> tuple[Array, Array, Array]:
    """Rotations and pelvis in the frame of the base (T, 3), which begins at zero."""
    ground, origin, yaw = root[:, [0, 2]], path[:, :2], path[:, 2]
    local = np.array(rotations)
    local[:, 0] = quat_multiply(yaw_quat(-yaw), rotations[:, 0])
    sway = turned(ground - origin, -yaw)
    pelvis = np.stack([sway[:, 0], root[:, 1], sway[:, 1]], axis=-1)
    base = np.concatenate([turned(origin - origin[0], -yaw[:1]), (yaw - yaw[0])[:, None]], axis=-1)
    return quat_continuous(local), pelvis, base


def _led(positions: Array, base: Array) -> Array:
    """Joints (T, J, 3) of the base's frame on the ground that the base moves over."""
    out = quat_rotate(yaw_quat(base[:, 2])[:, None], positions)
    return out + np.stack([base[:, 0], np.zeros(len(base)), base[:, 1]], axis=-1)[:, None]


def _pace(positions: Array, fps: float) -> Array:
    """Ground velocity (2,) of x, z that keeps the lower foot of a clip on the spot still."""
    feet = positions[:, [10, 11]]
    velocity = np.gradient(feet, axis=0)[..., [0, 2]] * fps
    down = feet[..., 1] < feet[..., 1].min(axis=0) + 0.025
    return -np.median(velocity[down], axis=0)


def _on_floor(root: Array, rotations: Array, span: slice) -> Array:
    """The pelvis (T, 3) lowered or raised so that the feet of the span, where they are lowest, are on the
    floor.

    People whose feet are nowhere near it, lying or in the air, stay as they are.
    """
    positions = forward_kinematics(root[span], rotations[span], SMPL22.parents, SMPL22.offsets)[0]
    lowest = sole_height(positions[:, [7, 8]], positions[:, [10, 11]]).min(axis=1)
    off = float(np.percentile(lowest, _LOW_PERCENT))
    return root - [0.0, off if abs(off) < _MOST_OFF else 0.0, 0.0]


def sole_height(ankle: Array, toe: Array) -> Array:
    """Metres (...) from the floor to the lowest of a foot's heel and ball; joints (..., 3)."""
    return np.minimum(ankle[..., 1] - FLAT[0], toe[..., 1] - FLAT[1])


def _stands(positions: Array, pace: Array, fps: float, slower: float) -> np.ndarray:
    """Whether each foot stands (T, 2): low and, led at `pace`, slower than that at the toe or at the
    ankle."""
    feet = positions[:, CONTACT_JOINTS]
    velocity = np.gradient(feet, axis=0) * fps
    velocity[..., [0, 2]] += pace
    slow = np.linalg.norm(velocity, axis=-1) < slower
    stands = slow & (feet[..., 1] < np.array(CONTACT_HEIGHT) + _ROOM)
    return np.stack([stands[:, :2].any(axis=1), stands[:, 2:].any(axis=1)], axis=-1)
