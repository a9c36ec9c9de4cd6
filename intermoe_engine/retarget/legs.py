# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the target's ankles go, so that planted feet stay planted and soles stay on the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..intervals import runs
from .smoothing import cover
from .source import SIDE_JOINTS, SourceActor

_STILL = 1e-5  # metres a frame below which no joint moves


@dataclass(frozen=True)
class FootShape:
    """A target foot in canonical metres, flat on the floor and turned as in the source's T-pose.

    toe_offset (3,): from the ankle to the toe joint (or toe tip). ankle_height: above the sole; None
    where the rig does not show it.
    """

    toe_offset: np.ndarray
    ankle_height: float | None


def ankle_goals(
    source: SourceActor, side: str, foot: FootShape, pair_scale: float, leg_ratio: float, carried: np.ndarray
) -> np.ndarray:
    """Ankle positions (T, 3) in canonical metres for one foot.

    On the ground the ankle or the toe joint, whichever is stiller in the source, moves as it does there
    times the pair's scale; the difference that feet of another length make is taken up while the foot is
    in the air. The sole's height above the floor is the source's times the leg ratio. carried (T, 3): how
    far this hip joint is from the source's times the scale (hips of another build); each contact is shifted
    by its mean, so that the leg keeps its direction.
    """
    joints = SIDE_JOINTS[side]
    ankle, toe = source.positions[:, joints["ankle"]], source.positions[:, joints["foot"]]
    turn = source.matrices[:, joints["ankle"]]
    goal = pair_scale * ankle
    offset = turn @ foot.toe_offset
    ankle_down, toe_down = source.foot_contact(side)
    follow_toe = pair_scale * (toe - ankle) - offset
    goal += _keep_planted(ankle, toe, follow_toe, ankle_down, toe_down, carried)
    goal[:, 1] = _ankle_heights(source, side, foot, offset, turn, leg_ratio)
    return goal


def _keep_planted(
    ankle: np.ndarray,
    toe: np.ndarray,
    follow_toe: np.ndarray,
    ankle_down: np.ndarray,
    toe_down: np.ndarray,
    carried: np.ndarray,
) -> np.ndarray:
    """What to add (T, 3) to the scaled ankle path to keep the stillest point of a planted foot still.

    follow_toe (T, 3) would make the toe joint follow its model instead of the ankle.
    """
    first, end = runs(ankle_down | toe_down)
    if len(first) == 0:
        return carried
    # Of the joints that are down, the one that moves less in the source is what the foot stands on: the
    # ankle after a heel strike, the toes once the heel is up and when turning on the ball of the foot.
    speed = [np.sum(np.diff(path[:, [0, 2]], axis=0) ** 2, axis=-1) for path in (ankle, toe)]
    on_toe = speed[0] / (speed[0] + speed[1] + _STILL**2)
    both = ankle_down & toe_down
    grounded = (ankle_down | toe_down)[1:] & (ankle_down | toe_down)[:-1]
    on_toe = np.where(both[1:] & both[:-1], on_toe, np.where(toe_down[1:] & toe_down[:-1], 1.0, 0.0))
    step = np.diff(follow_toe, axis=0) * (on_toe * grounded)[:, None]
    drift = np.concatenate([np.zeros((1, 3)), np.cumsum(step, axis=0)])
    # Each ground contact stands, in the mean, where it should; between contacts the foot is in the air.
    total = np.concatenate([np.zeros((1, 3)), np.cumsum(drift - carried, axis=0)])
    means = (total[end] - total[first]) / (end - first)[:, None]
    knots = np.stack([first, end - 1], axis=1).ravel().astype(float)
    knots[1::2] += 1e-6  # a contact of one frame has two knots
    frames = np.arange(len(drift))
    correction = np.stack([np.interp(frames, knots, np.repeat(means[:, k], 2)) for k in range(3)], axis=-1)
    return drift - correction


def _ankle_heights(
    source: SourceActor, side: str, foot: FootShape, offset: np.ndarray, turn: np.ndarray, leg_ratio: float
) -> np.ndarray:
    joints = SIDE_JOINTS[side]
    source_toe = source.rest_offsets[joints["foot"]]
    if not source.has_floor or foot.ankle_height is None:
        return leg_ratio * source.positions[:, joints["ankle"], 1]

    def lowest(toe: np.ndarray, ankle_height: float) -> np.ndarray:
        # The sole below the ankle and below the toe joint, both at the floor when the foot is flat.
        under_ankle = np.array([0.0, -ankle_height, 0.0])
        under_toe = np.array([toe[0], -ankle_height, toe[2]])
        return np.minimum((turn @ under_ankle)[:, 1], (turn @ under_toe)[:, 1])

    below = lowest(source_toe, source.ankle_height(side))
    clearance = source.positions[:, joints["ankle"], 1] + below
    return leg_ratio * np.maximum(clearance, 0.0) - lowest(foot.toe_offset, foot.ankle_height)


def pelvis_drop(
    hips: list[np.ndarray], goals: list[np.ndarray], reach: list[np.ndarray], fps: float, limit: float
) -> np.ndarray:
    """How far (T,) to lower the pelvis so that both ankles reach their goals, smooth in time.

    hips, goals: (T, 3) for each leg; reach: (T,) the longest hip to ankle distance that is allowed.
    limit: at most this many metres.
    """
    need = np.zeros(len(hips[0]))
    for hip, goal, length in zip(hips, goals, reach, strict=True):
        flat = np.linalg.norm((hip - goal)[:, [0, 2]], axis=-1)
        height = np.sqrt(np.maximum(length**2 - flat**2, 0.0))
        need = np.maximum(need, hip[:, 1] - goal[:, 1] - height)
    need = np.where(need > 1e-6, np.minimum(need, limit), 0.0)
    return cover(need, max(1, round(0.2 * fps))) if need.any() else need
