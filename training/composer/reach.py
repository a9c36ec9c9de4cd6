# SPDX-License-Identifier: GPL-3.0-or-later
"""People near enough to touch, and their limbs on the way to it.

The pair solver then does the last centimetres, with both bodies in view; see `touches.py`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from intermoe_engine.retarget.touch.parts import HANDS
from intermoe_engine.rotations import Array, quat_rotate
from intermoe_engine.skeleton import SMPL22
from intermoe_engine.two_bone import bend_axis_for_goal, solve_two_bone

from .arms import reached
from .draw import Draw
from .feet import limb_turns
from .figure import Figure, J, mixed
from .meeting import LimbGoal, Meeting, Pair, limb_goals

_MOST_NEARER = 0.4
_COMFORT = {"hand": 0.96, "foot": 0.98}
"""Share of its length that a limb is stretched to at most."""
_ROUNDS = 3


def within_reach(figures: Pair, plan: Draw, found: list[Meeting]) -> Pair:
    """Both figures, one of them shifted as a whole along the ground where a touch would be out of reach.

    Who touches comes nearer by what is lacking at worst, at most 0.4 m; where two touches pull different
    ways, half of each is done.
    """
    out = list(figures)
    for _ in range(_ROUNDS):
        lacking = []
        for meeting in found:
            frames = np.flatnonzero(meeting.touching)
            for goal in limb_goals((out[0], out[1]), plan, meeting) if len(frames) else []:
                away = _lacking(out[goal.who], goal)[frames]
                worst = away[np.argmax(np.linalg.norm(away, axis=-1))]
                lacking.append(worst if goal.who == 0 else -worst)
        if not lacking or max(np.linalg.norm(v) for v in lacking) < 0.005:
            break
        step = (np.max(lacking, axis=0) + np.min(lacking, axis=0)) / 2
        if len(lacking) == 1 or float(np.linalg.norm(step)) < 1e-6:
            step = lacking[0]
        gone = out[0].root[0] - figures[0].root[0] + step
        gone *= min(1.0, _MOST_NEARER / max(float(np.linalg.norm(gone)), 1e-9))
        out[0] = shifted(figures[0], gone)
    return out[0], out[1]


def brought_near(figures: Pair, plan: Draw, found: list[Meeting]) -> Pair:
    """Both figures with their limbs where the touches want them, as far as each limb reaches."""
    out = list(figures)
    for meeting in found:
        for goal in limb_goals((out[0], out[1]), plan, meeting):
            figure, side = out[goal.who], goal.limb[0]
            if goal.limb in HANDS:
                out[goal.who] = reached(figure, side, goal.end, goal.weight, goal.palm, goal.fingers)
            else:
                out[goal.who] = _foot_at(figure, side, goal)
    return out[0], out[1]


def shifted(figure: Figure, shift: Array) -> Figure:
    """The figure moved by (3,) metres."""
    base = figure.base + np.array([shift[0], shift[2], 0.0])
    return replace(figure, root=figure.root + shift, base=base)


def _lacking(figure: Figure, goal: LimbGoal) -> Array:
    """Ground vectors (T, 3) by which the person is too far away for a goal, zero where they are not."""
    names = ("shoulder", "elbow", "wrist") if goal.limb in HANDS else ("hip", "knee", "ankle")
    joints = [J[f"{goal.limb[0]}_{name}"] for name in names]
    length = float(np.linalg.norm(SMPL22.offsets[joints[1:]], axis=-1).sum()) * _COMFORT[goal.limb[2:]]
    to = goal.end - figure.pose()[0][:, joints[0]]
    across = np.linalg.norm(to[:, [0, 2]], axis=-1)
    reach = np.sqrt(np.maximum(length**2 - to[:, 1] ** 2, 0.01))
    share = np.maximum(across - reach, 0.0) / np.maximum(across, 1e-9)
    return to * share[:, None] * np.array([1.0, 0.0, 1.0])


def _foot_at(figure: Figure, side: str, goal: LimbGoal) -> Figure:
    positions, rotations = figure.pose()
    leg = (J[f"{side}_hip"], J[f"{side}_knee"], J[f"{side}_ankle"])
    start, middle, end = (positions[:, joint] for joint in leg)
    ankle = mixed(end, goal.end, goal.weight)
    hinge = quat_rotate(rotations[:, leg[0]], np.array([1.0, 0.0, 0.0]))
    axis = bend_axis_for_goal(start, middle, end, ankle, hinge)
    return figure.turned(limb_turns(rotations, leg, solve_two_bone(start, middle, end, ankle, axis), None))
