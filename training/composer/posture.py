# SPDX-License-Identifier: GPL-3.0-or-later
"""Trunk, pelvis and head bent from what the clips give; feet are put back afterwards (`feet.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from intermoe_engine.rotations import Array, quat_exp, quat_rotate

from .draw import Draw
from .figure import Figure, J
from .segment import turned, yaw_quat
from .tables import Posture
from .timeline import blends, people, window

_SPINE = ("spine1", "spine2", "spine3")
_HIP_SHARE = 0.35
"""Share of a bend that the hips take; the rest is spread over the spine."""
_BACKWARDS = 0.16
"""Metres by which the pelvis goes back for a right angle of bend, so that the weight stays over the feet."""


def with_postures(figure: Figure, plan: Draw, rows: Sequence[Posture], person: int) -> Figure:
    """The figure with all postures of a person (0 actor, 1 other) added up."""
    times = np.arange(figure.frames) / figure.fps
    trunk, head = np.zeros((figure.frames, 3)), np.zeros((figure.frames, 3))
    shift = np.zeros((figure.frames, 3))
    for row in rows:
        if person not in people(row.who):
            continue
        start, end = plan.number(row.start), plan.optional(row.end, float(plan.values["end"]))
        weight = window(times, start, end, *blends(plan, row.blend))
        done = np.clip((times - start) / max(end - start, 1e-6), 0.0, 1.0)
        angle = lambda v, weight=weight: np.radians(plan.number(v)) * weight
        # Own axes: x left, y up, z forward; a lean to the left turns the other way about z.
        trunk += np.stack([angle(row.bend), angle(row.twist), -angle(row.lean)], axis=-1)
        nods, shakes = plan.number(row.nods), plan.number(row.shakes)
        nodding = angle(row.nod) * (np.sin(np.pi * nods * done) ** 2 if nods else 1.0)
        shaking = angle(row.shake) * np.sin(2 * np.pi * shakes * done)
        head += np.stack([nodding, angle(row.turn) + shaking, -angle(row.tilt)], axis=-1)
        left, forward = plan.point(row.shift, 2)
        shift += weight[:, None] * np.array([left, -plan.number(row.crouch), forward])
    if not (trunk.any() or head.any() or shift.any()):
        return figure
    return _bent(figure, trunk, head, shift)


def _bent(figure: Figure, trunk: Array, head: Array, shift: Array) -> Figure:
    shift = shift - np.sin(trunk[:, :1]) * [0.0, 0.0, _BACKWARDS]
    ground = turned(shift[:, [0, 2]], figure.base[:, 2])
    root = figure.root + np.stack([ground[:, 0], shift[:, 1], ground[:, 1]], axis=-1)
    heading = yaw_quat(figure.base[:, 2])
    own = lambda v: quat_exp(quat_rotate(heading, v))
    hips = trunk * [_HIP_SHARE, 0.0, _HIP_SHARE / 2]
    turns = {J["pelvis"]: own(hips)}
    turns |= {J[name]: own((trunk - hips) / len(_SPINE)) for name in _SPINE}
    turns |= {J["neck"]: own(head * 0.4), J["head"]: own(head * 0.6)}
    return replace(figure, root=root).turned(turns)
