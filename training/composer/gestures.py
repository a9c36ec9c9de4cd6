# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands that go to points of one's own frame: waving, pointing, raised or crossed arms."""

from __future__ import annotations

import numpy as np

from intermoe_engine.rotations import quat_rotate

from .arms import SIDES, reached, way
from .draw import Draw
from .figure import Figure, J
from .segment import yaw_quat
from .tables import Gesture
from .timeline import blends, people, window

_FRAMES = {"chest": "spine3", "head": "head", "pelvis": "pelvis"}


def with_gestures(figure: Figure, plan: Draw, rows: tuple[Gesture, ...], person: int) -> Figure:
    """The figure with all gestures of a person (0 actor, 1 other), one after the other."""
    times = np.arange(figure.frames) / figure.fps
    for row in rows:
        if person not in people(row.who):
            continue
        start, end = plan.number(row.start), plan.optional(row.end, float(plan.values["end"]))
        weight = window(times, start, end, *blends(plan, row.blend))
        word = plan.word(row.hand)
        for name in ("right", "left") if word == "both" else (word,):
            flip = np.array([-1.0, 1.0, 1.0]) if word == "both" and name == "left" else np.ones(3)
            done = np.clip((times - start) / max(end - start, 1e-6), 0.0, 1.0)
            swing = np.sin(2 * np.pi * plan.number(row.swings) * done)[:, None] * plan.point(row.swing)
            point = (plan.point(row.at) + swing) * flip
            side, heading = SIDES[name], figure.base[:, 2]
            palm, fingers = (
                way(_flipped(plan.word(w)) if flip[0] < 0 else plan.word(w), side, heading)
                for w in (row.palm, row.fingers)
            )
            goal = _origin(figure, row.frame) + quat_rotate(yaw_quat(heading), point)
            figure = reached(figure, side, goal, weight, palm, fingers, plan.number(row.elbow))
    return figure


def _origin(figure: Figure, frame: str) -> np.ndarray:
    positions = figure.pose()[0]
    if frame == "floor":
        return positions[:, 0] * [1.0, 0.0, 1.0]
    return positions[:, J[_FRAMES[frame]]]


def _flipped(word: str) -> str:
    return {"left": "right", "right": "left"}.get(word, word)
