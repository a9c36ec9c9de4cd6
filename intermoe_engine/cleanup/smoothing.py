# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporal smoothing that takes out frame-to-frame jitter and leaves the movement."""

from __future__ import annotations

import numpy as np

from ..rotations import Array, quat_continuous, quat_normalize
from ..take import ActorMotion

# A cubic over the first of these follows every turn and step of a body and averages out what changes from
# one frame to the next; the longer ones are for motion that still shakes, and cost the sharpest accents.
_WINDOW_SECONDS = (0.23, 0.3, 0.37, 0.43, 0.5)
# Captured salsa, kicks and spins included, has 360 to 370 m/s^3.
_CALM = 450.0
_ORDER = 3


def smooth_actor(actor: ActorMotion, fps: float) -> ActorMotion:
    """The actor smoothed as lightly as makes its jitter human, at most over half a second."""
    smoothed = actor
    for seconds in _WINDOW_SECONDS:
        smoothed = smooth_over(actor, fps, seconds)
        if jitter(smoothed.joint_positions, fps) <= _CALM:
            break
    return smoothed


def smooth_over(actor: ActorMotion, fps: float, seconds: float) -> ActorMotion:
    """The actor with root and rotations smoothed by a Savitzky-Golay filter (Savitzky, Golay 1964).

    Quaternion components are filtered on one hemisphere and normalised again, which within a window
    of a few frames equals filtering rotation vectors up to third order of the angle.
    Motions shorter than the window are returned as they are.
    """
    window = 2 * int(round(seconds * fps / 2)) + 1
    if window <= _ORDER or actor.frames < window:
        return actor
    root = _savitzky_golay(actor.root_translation, window)
    rotations = quat_normalize(_savitzky_golay(quat_continuous(actor.joint_rotations), window))
    return ActorMotion.from_rotations(root, rotations, actor.foot_contacts, actor.rest_offsets)


def jitter(positions: Array, fps: float) -> float:
    """The mean size of the joints' third derivative in m/s^3; positions (T, J, 3)."""
    if len(positions) < 4:
        return 0.0
    return float(np.linalg.norm(np.diff(positions, n=3, axis=0), axis=-1).mean() * fps**3)


def _savitzky_golay(values: Array, window: int) -> Array:
    """`values` (T, ...) smoothed along time; both half windows at the ends lie on the end windows' cubics.

    Equal to `scipy.signal.savgol_filter(..., mode="interp")`. Written out, as it would be the one use of a
    package of 35 MB.
    """
    half = window // 2
    powers = np.vander(np.arange(-half, half + 1), _ORDER + 1, increasing=True).astype(float)
    # (W, W): row i gives the fitted cubic at place i of a window, as weights of the window's samples.
    fit = powers @ np.linalg.pinv(powers)
    flat = values.reshape(len(values), -1)
    middle = np.lib.stride_tricks.sliding_window_view(flat, window, axis=0) @ fit[half]
    smoothed = np.concatenate([fit[:half] @ flat[:window], middle, fit[half + 1 :] @ flat[-window:]])
    return smoothed.reshape(values.shape)
