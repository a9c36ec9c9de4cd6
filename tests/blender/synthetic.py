# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooth motion for the tests, without a model."""

from __future__ import annotations

import numpy as np

from intermoe_engine.rotations import quat_exp, quat_from_axis_angle, quat_multiply, quat_normalize
from intermoe_engine.skeleton import SMPL22
from intermoe_engine.take import ActorMotion, Take


def swaying_take(frames: int = 30, fps: float = 30.0, seed: int = 0) -> Take:
    """Every joint swings by its own slow sine; the two stand 0.8 m apart and look at each other."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None] / fps

    def person(x: float, turn: float) -> ActorMotion:
        phase, size = rng.uniform(0, 6, (22, 3)), rng.uniform(0.1, 0.3, (22, 1))
        rotations = quat_exp(size * np.sin(3.0 * time[:, None] + phase))
        heading = quat_from_axis_angle(np.array([0.0, 1.0, 0.0]), np.array(turn))
        rotations[:, 0] = quat_multiply(heading, rotations[:, 0])
        sway = 0.1 * np.sin(2.0 * time)
        root = np.concatenate([x + sway, 0.93 + 0 * sway, 0.5 * sway], axis=1)
        return ActorMotion.from_rotations(root, rotations, np.zeros((frames, 4)), SMPL22.offsets)

    return Take("sway", seed, fps, (person(-0.4, np.pi / 2), person(0.4, -np.pi / 2)))


def wandering(frames: int, seed: int, step: float = 0.15) -> np.ndarray:
    """A random walk over all rotations (T, 4), at most `step` radians a frame in each axis."""
    rng = np.random.default_rng(seed)
    q = np.empty((frames, 4))
    q[0] = quat_normalize(rng.normal(size=4))
    turns = quat_exp(rng.uniform(-step, step, (frames, 3)))
    for i in range(1, frames):
        q[i] = quat_multiply(q[i - 1], turns[i])
    return q


def same_rotation(a: np.ndarray, b: np.ndarray) -> float:
    """The largest angle between the rotations of (T, 4) and (T, 4), radians."""
    return float(2 * np.arccos(np.clip(np.abs((a * b).sum(-1)), 0, 1)).max())
