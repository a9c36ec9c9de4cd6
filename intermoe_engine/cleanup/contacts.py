# SPDX-License-Identifier: GPL-3.0-or-later
"""When feet stand, and how much they slide while they should."""

from __future__ import annotations

import numpy as np

from ..intervals import runs
from ..representation import CONTACT_HEIGHT
from ..rotations import Array
from ..skeleton import CONTACT_JOINTS
from ..take import ActorMotion

# A foot is pinned below a speed between these, in m/s. The published flag allows 0.95, which a walking
# foot passes; how far below it a motion's own standing feet stay decides where between them.
_SURE_SPEED, _FLAG_SPEED = 0.3, 0.95
_STANDING_PERCENTILE, _STANDING_ROOM = 20.0, 1.5
# Room above the published heights for shoes and for what the decoder gets wrong.
_EXTRA_HEIGHT = 0.03
_MIN_SECONDS = 0.1


def planted_feet(actor: ActorMotion, fps: float) -> np.ndarray:
    """Where each foot joint stands, bool (T, 4): ankle, toe, ankle, toe, as CONTACT_JOINTS.

    A joint stands where the model says so, it is slow, and it is near the floor (y = 0). Slow is 0.3 m/s
    for motion whose feet stand well, more where those that should stand glide. Gaps shorter than 0.1 s are
    closed and standing for less than 0.1 s is dropped.
    """
    if actor.frames < 2:
        return actor.foot_contacts > 0.5
    feet = actor.joint_positions[:, CONTACT_JOINTS]
    speed = np.linalg.norm(np.gradient(feet, axis=0), axis=-1) * fps
    low = feet[..., 1] < np.array(CONTACT_HEIGHT) + _EXTRA_HEIGHT
    flagged = (actor.foot_contacts > 0.5) & low
    slow = _SURE_SPEED
    if flagged.any():
        typical = np.percentile(speed[flagged], _STANDING_PERCENTILE)
        slow = float(np.clip(_STANDING_ROOM * typical, _SURE_SPEED, _FLAG_SPEED))
    stands = flagged & (speed < slow)
    shortest = max(int(round(_MIN_SECONDS * fps)), 1)
    # Closed from inside only: a gap at either end of the take is no gap.
    closed = ~_without_short_runs(~stands, shortest, keep_ends=True)
    return _without_short_runs(closed, shortest, keep_ends=False)


def pivot_steps(ankle: Array, toe: Array, toe_stands: np.ndarray) -> Array:
    """Steps (T - 1, 3) of what a foot turns about: the toe if it stands on both frames, else the ankle.

    A heel that rises over a standing toe moves the ankle without any slide.
    """
    on_toe = (toe_stands[1:] & toe_stands[:-1])[:, None]
    return np.where(on_toe, np.diff(toe, axis=0), np.diff(ankle, axis=0))


def foot_slide(positions: Array, planted: np.ndarray, fps: float) -> float:
    """Mean horizontal speed in m/s of standing feet, each at its pivot (0 where none stands).

    positions (T, 22, 3); planted bool (T, 4). A step counts where the foot stands on both its frames.
    """
    speeds = []
    for ankle, toe in ((0, 1), (2, 3)):
        feet = positions[:, (CONTACT_JOINTS[ankle], CONTACT_JOINTS[toe])]
        steps = pivot_steps(feet[:, 0], feet[:, 1], planted[:, toe])
        stands = planted[:, ankle] | planted[:, toe]
        speeds.append(np.linalg.norm(steps[:, [0, 2]], axis=-1)[stands[1:] & stands[:-1]] * fps)
    together = np.concatenate(speeds)
    return float(together.mean()) if len(together) else 0.0


def _without_short_runs(mask: np.ndarray, shortest: int, keep_ends: bool) -> np.ndarray:
    result = mask.copy()
    for column in range(mask.shape[1]):
        starts, ends = runs(mask[:, column])
        short = ends - starts < shortest
        if keep_ends:
            short &= (starts > 0) & (ends < len(mask))
        for start, end in zip(starts[short], ends[short], strict=True):
            result[start:end, column] = False
    return result
