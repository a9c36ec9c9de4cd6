# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads and chests that turn to what a person attends to, as far as necks turn."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from intermoe_engine.retarget.touch.parts import INDEX
from intermoe_engine.rotations import (
    quat_conjugate,
    quat_exp,
    quat_log,
    quat_multiply,
    quat_rotate,
)

from .draw import Draw
from .figure import Figure, J
from .segment import UP, yaw_quat
from .tables import Look
from .timeline import blends, people, window

_SMOOTH_SECONDS = 0.12
_MOST_YAW, _MOST_UP, _MOST_DOWN = np.radians([75.0, 40.0, 55.0])
_MOST_CHEST = np.radians(40.0)
_BEHIND = np.radians([110.0, 150.0])
"""Between these angles off the chest's front a target is let go of."""
_NECK_SHARE = 0.4
_AHEAD = np.array([0.0, 0.0, 1.0])


def with_looks(figures: tuple[Figure, Figure], plan: Draw) -> tuple[Figure, Figure]:
    """Both figures looking where the score says, one row after the other."""
    out = list(figures)
    for row in plan.score.looks:
        before = out[0], out[1]
        for person in people(row.who):
            out[person] = _looking(before, person, plan, row)
    return out[0], out[1]


def _looking(figures: tuple[Figure, Figure], person: int, plan: Draw, row: Look) -> Figure:
    figure = figures[person]
    times = np.arange(figure.frames) / figure.fps
    start, end = plan.number(row.start), plan.optional(row.end, float(plan.values["end"]))
    weight = plan.number(row.strength) * window(times, start, end, *blends(plan, row.blend))
    positions, rotations = figure.pose()
    eyes = positions[:, J["head"]]
    to = _target(figures, person, plan, row, eyes) - eyes
    chest = quat_rotate(rotations[:, J["spine3"]], _AHEAD)
    chest_yaw = np.arctan2(chest[:, 0], chest[:, 2])
    yaw = np.arctan2(to[:, 0], to[:, 2]) + np.radians(plan.number(row.direction)) - chest_yaw
    yaw = (yaw + np.pi) % (2 * np.pi) - np.pi
    weight = weight * (1.0 - np.clip((np.abs(yaw) - _BEHIND[0]) / (_BEHIND[1] - _BEHIND[0]), 0.0, 1.0))
    pitch = np.arctan2(to[:, 1], np.hypot(to[:, 0], to[:, 2]))
    aim = np.stack([np.clip(yaw, -_MOST_YAW, _MOST_YAW), np.clip(pitch, -_MOST_DOWN, _MOST_UP)])
    aim = np.asarray(gaussian_filter1d(aim, _SMOOTH_SECONDS * figure.fps, axis=1, mode="nearest"), float)
    yaw, pitch = aim[0], aim[1]
    share = plan.number(row.chest) * np.clip(yaw, -_MOST_CHEST, _MOST_CHEST) * weight
    twist = {J[name]: quat_exp(share[:, None] / 2 * UP) for name in ("spine2", "spine3")}
    figure = figure.turned(twist)
    head = figure.pose()[1][:, J["head"]]
    # Level but for the pitch, facing the target; a head that is tilted stays so by what is left of it.
    wanted = quat_multiply(yaw_quat(chest_yaw + yaw), quat_exp(-pitch[:, None] * np.array([1.0, 0.0, 0.0])))
    turn = quat_log(quat_multiply(wanted, quat_conjugate(head))) * weight[:, None]
    return figure.turned(
        {J["neck"]: quat_exp(turn * _NECK_SHARE), J["head"]: quat_exp(turn * (1 - _NECK_SHARE))}
    )


def _target(
    figures: tuple[Figure, Figure], person: int, plan: Draw, row: Look, eyes: np.ndarray
) -> np.ndarray:
    """Points (T, 3) that are looked at."""
    figure = figures[person]
    own = lambda v: eyes + quat_rotate(yaw_quat(figure.base[:, 2]), np.array(v))
    if not isinstance(row.at, str):
        return own(plan.point(row.at))
    word = plan.word(row.at)
    fixed = {"down": (0.0, -0.7, 1.0), "up": (0.0, 0.6, 1.0), "ahead": (0.0, 0.0, 2.0)}
    if word in fixed:
        return own(fixed[word])
    whose, _, part = word.partition(".")
    if whose not in ("other", "own") or part not in INDEX:
        raise ValueError(f"[[look]] at = {word!r}: say other.PART, own.PART, up, down, ahead or a point")
    body = (figure if whose == "own" else figures[1 - person]).body
    return body.axis_point(part, np.full(figure.frames, 0.5))
