# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion that the tests know to the last digit, to be written in every published layout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from intermoe_engine.rotations import quat_exp, quat_from_axis_angle, quat_multiply
from intermoe_engine.skeleton import SMPL22
from training.data.pair_clip import PairClip


def smooth_rotations(
    rng: np.random.Generator, frames: int, fps: float, joints: int, size: float
) -> np.ndarray:
    """Rotations (2, T, joints, 4): slow waves, up to about `size` radians, another for every joint."""
    t = np.arange(frames) / fps
    phase = rng.uniform(0, 2 * np.pi, (2, 1, joints, 3))
    pace = rng.uniform(1.0, 3.0, (2, 1, joints, 3))
    return quat_exp(size * rng.uniform(0.3, 1.0, (2, 1, joints, 3)) * np.sin(pace * t[:, None, None] + phase))


def known_pair(name: str = "known", frames: int = 90, fps: float = 30.0, seed: int = 0) -> PairClip:
    """Two people of different builds, turned and apart, on the floor; B is lifted by 0.4 m for a while.

    A's lowest joint touches y = 0. The same seed gives the same motion at every frame rate.
    """
    rng = np.random.default_rng(seed)
    rotations = smooth_rotations(rng, frames, fps, 22, 0.35)
    headings = quat_from_axis_angle(np.array([0.0, 1.0, 0.0]), np.array([0.7, 0.7 + np.pi]))
    rotations[:, :, 0] = quat_multiply(headings[:, None], rotations[:, :, 0])
    builds = 1.0 + 0.1 * rng.standard_normal((2, 22, 3))
    builds = (builds + builds[:, SMPL22.mirror]) / 2
    offsets = SMPL22.offsets * builds + 0.01 * rng.standard_normal((2, 1, 3))
    offsets[:, 0] = 0.0
    t = np.arange(frames) / fps
    wander = 0.2 * np.sin(np.stack([t + 0.3, 0.0 * t, 1.3 * t], axis=-1))
    root = np.stack([wander, wander[:, [2, 1, 0]] + [0.5, 0.0, 0.8]]) + [1.5, 0.95, -2.0]
    clip = PairClip(name, fps, root, rotations, offsets, ("", ""), captions=("one person waves",))
    # Each person's lowest joint glides along the floor, but for the lift.
    lowest = clip.positions()[..., 1].min(axis=2)
    lift = np.stack([0.0 * t, 0.4 * np.clip(2.0 * np.sin(2.0 * t), 0.0, 1.0)])
    root[..., 1] += lift - lowest
    return replace(clip, root_translation=root)
