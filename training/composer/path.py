# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways over the ground: where a person is and which way they head during one phase.

A path is (N, 3): x, z and heading in radians (0 along +z, positive to the left), in one frame for all phases.
"""

from __future__ import annotations

import numpy as np

from .segment import turned

_EASE_SECONDS = 0.4
_TURN_ARM = 0.15
"""Metres: feet that turn on the spot walk as far as points so far from the middle."""
_BACKWARDS = 0.3
_CURVE_POINTS = 96


def eased(t: np.ndarray) -> np.ndarray:
    """0 to 1 over t from 0 to 1, with rest and no jerk at both ends (Perlin 2002)."""
    t = np.clip(t, 0.0, 1.0)
    return t * t * t * (t * (6.0 * t - 15.0) + 10.0)


def progress(frames: int, fps: float, ease: tuple[bool, bool] = (True, True)) -> np.ndarray:
    """How much of a way is done (N,), 0 to 1, speeding up at its start and slowing down at its end."""
    seconds = max(frames - 1, 1) / fps
    ramp = min(_EASE_SECONDS, seconds / 3)
    t = np.arange(frames) / fps
    rise = eased(t / ramp) if ease[0] else np.ones(frames)
    fall = eased((seconds - t) / ramp) if ease[1] else np.ones(frames)
    speed = rise * fall
    done = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2)])
    return done / done[-1] if done[-1] > 0 else np.linspace(0.0, 1.0, frames)


def along_arc(start: np.ndarray, step: np.ndarray, turn: float, done: np.ndarray) -> np.ndarray:
    """A path (N, 3) that begins at start (3,) and goes `step` (left, forward) in the walker's own frame.

    With a turn (radians) the way is the circular arc on which the walker keeps going the same own way. done
    (N,): share of the way.
    """
    angle = turn * done
    # The integral of a constant own velocity under a constant turn rate.
    along = done * np.sinc(angle / np.pi)
    aside = angle / 2
    aside = done * np.sin(aside) * np.sinc(aside / np.pi)
    x = step[0] * along + step[1] * aside
    z = step[1] * along - step[0] * aside
    ground = start[:2] + turned(np.stack([x, z], axis=-1), start[2])
    return np.concatenate([ground, (start[2] + angle)[:, None]], axis=-1)


def to_point(
    start: np.ndarray, goal: np.ndarray, done: np.ndarray, face: str, other: np.ndarray
) -> np.ndarray:
    """A path (N, 3) from start (3,) to a point on the ground (2,), a curve that leaves as the walker heads.

    face: "path" heads along it, "keep" as before, "other" towards other (2,) all the time.
    """
    way = goal - start[:2]
    length = float(np.linalg.norm(way))
    ahead = turned(np.array([0.0, 1.0]), start[2])
    if face != "path" or length < 1e-6:
        ground = start[:2] + way * done[:, None]
        if face == "other":
            heading = facing(ground, other, start[2])
            heading = start[2] + _unwrapped(heading - start[2]) * eased(done / 0.35)
        else:
            heading = np.full(len(done), start[2])
        return np.concatenate([ground, heading[:, None]], axis=-1)
    t = np.linspace(0.0, 1.0, _CURVE_POINTS)[:, None]
    # Hermite's curve; turned away, the walker makes a short turn before the straight way.
    agree = max(float(ahead @ way) / length, 0.0)
    leave, arrive = ahead * length * (0.3 + 0.7 * agree), way
    curve = start[:2] + (t**3 - 2 * t**2 + t) * leave + (3 * t**2 - 2 * t**3) * way + (t**3 - t**2) * arrive
    steps = np.linalg.norm(np.diff(curve, axis=0), axis=-1)
    at = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    ground = np.stack([np.interp(done, at, curve[:, k]) for k in (0, 1)], axis=-1)
    tangent = np.gradient(curve, axis=0)
    heading = np.unwrap(np.concatenate([[start[2]], np.arctan2(tangent[1:, 0], tangent[1:, 1])]))
    return np.concatenate([ground, np.interp(done, at, heading)[:, None]], axis=-1)


def around(start: np.ndarray, centre: np.ndarray, angle: float, done: np.ndarray) -> np.ndarray:
    """A path (N, 3) on the circle about centre (2,) by `angle` radians, counterclockwise seen from above,
    facing the centre."""
    turn = angle * done
    ground = centre + turned(np.broadcast_to(start[:2] - centre, (len(done), 2)), turn)
    inwards = facing(ground, centre, start[2])
    off = _unwrapped(inwards[:1] - start[2])[0]
    heading = start[2] + turn + off * eased(done / 0.25)
    return np.concatenate([ground, heading[:, None]], axis=-1)


def facing(ground: np.ndarray, target: np.ndarray, near: float) -> np.ndarray:
    """Headings (N,) from points (N, 2) to target (2,) or (N, 2), continuous, the first within π of `near`."""
    to = target - ground
    heading = np.unwrap(np.arctan2(to[..., 0], to[..., 1]))
    return heading - 2 * np.pi * np.round((heading[0] - near) / (2 * np.pi))


def walked(path: np.ndarray) -> np.ndarray:
    """Metres (N,) that feet have gone along a path (N, 3), turning on the spot included; a way that mostly
    goes
    backwards counts down."""
    way = np.diff(path[:, :2], axis=0)
    ground = np.linalg.norm(way, axis=-1)
    forward = turned(way, -path[:-1, 2])[:, 1]
    steps = np.hypot(ground, _TURN_ARM * np.diff(path[:, 2]))
    sign = -1.0 if forward.sum() < -_BACKWARDS * ground.sum() else 1.0
    return sign * np.concatenate([[0.0], np.cumsum(steps)])


def moved(path: np.ndarray, place: np.ndarray) -> np.ndarray:
    """A path (N, 3) given in the frame of a place (3,), in the frame in which that place is given."""
    ground = place[:2] + turned(path[:, :2], place[2])
    return np.concatenate([ground, path[:, 2:] + place[2]], axis=-1)


def seen_from(points: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The inverse of `moved`: paths (N, 3) as they are in the frame of a place (3,)."""
    ground = turned(points[:, :2] - place[:2], -place[2])
    return np.concatenate([ground, points[:, 2:] - place[2]], axis=-1)


def _unwrapped(angle: np.ndarray) -> np.ndarray:
    """Angles shifted by whole turns, together, so that the first lies within half a turn."""
    return angle - 2 * np.pi * np.round(angle[:1] / (2 * np.pi))
