# SPDX-License-Identifier: GPL-3.0-or-later
"""How a reaching hand is turned: it goes along with its forearm and lays its palm on what it touches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...intervals import runs
from ...rotations import (
    quat_conjugate,
    quat_exp,
    quat_from_axis_angle,
    quat_log,
    quat_multiply,
    quat_rotate,
)
from ..source import SIDE_JOINTS, SourceActor
from .goals import PALM_SIDE
from .tracks import unit

_MOST_BEND, _MOST_TWIST = np.radians(60.0), np.radians(90.0)
_FOREARM_SHARE = 0.7
"""Of a hand's twist, what the forearm takes: its two bones cross, while a wrist hardly twists."""


Surface = tuple[np.ndarray, np.ndarray]
"""Frames (T,) bool in which a hand lies on something, and the direction (T, 3) out of that surface."""


@dataclass(frozen=True)
class HandTurn:
    """rotation (T, 4): of a hand since the T-pose, in the world. twist (T,): radians by which its forearm
    turns about itself."""

    rotation: np.ndarray
    twist: np.ndarray


def lay_hand(
    source: SourceActor,
    rotations: np.ndarray,
    side: str,
    touches: list[Surface],
    lead: int,
) -> HandTurn:
    """How a reaching hand is turned.

    rotations (T, 22, 4): of all joints, arms already where they reach. touches: what the hand comes to lie
    on. The hand keeps its own bend on the forearm, and over `lead` frames before a touch comes to lie with
    its fingers along the surface and the palm on it; it turns in one way for the whole touch.
    """
    ids = SIDE_JOINTS[side]
    elbow, wrist = ids["elbow"], ids["wrist"]
    swing = quat_multiply(rotations[:, elbow], quat_conjugate(source.quaternions[:, elbow]))
    follow = quat_multiply(swing, source.quaternions[:, wrist])
    fingers = unit(source.rest_offsets[wrist])
    shares = [_ramped(flags, lead) for flags, _ in touches]
    total = np.maximum(np.sum(shares, axis=0), 1.0) if shares else 1.0
    vector, twist = np.zeros((source.frames, 3)), np.zeros(source.frames)
    for share, (flags, outward) in zip(shares, touches, strict=True):
        normal = quat_rotate(quat_conjugate(follow[flags]), outward[flags]).mean(axis=0)
        turn, angle = _onto(unit(normal), fingers)
        vector += (share / total)[:, None] * quat_log(turn)
        twist += share / total * angle
    return HandTurn(quat_multiply(follow, quat_exp(vector)), _FOREARM_SHARE * twist)


def _onto(normal: np.ndarray, fingers: np.ndarray) -> tuple[np.ndarray, float]:
    """The rotation (4,) in the hand's frame that lays it on a surface, and its twist about the fingers.

    normal (3,): out of the surface, fingers (3,): the hand's direction; both in the hand's frame.
    """
    tilt = float(np.clip(fingers @ normal, -1.0, 1.0))
    bend = float(np.clip(np.arcsin(tilt), -_MOST_BEND, _MOST_BEND))
    across = np.cross(normal, fingers)
    size = float(np.linalg.norm(across))
    across = across / size if size > 1e-3 else np.array([0.0, 0.0, 1.0])
    # About `across`, the fingers turn away from the normal.
    swing = quat_from_axis_angle(across, np.asarray(bend))
    line = quat_rotate(swing, fingers)
    palm = _flat(quat_rotate(swing, PALM_SIDE), line)
    wanted = _flat(-normal, line)
    angle = np.arctan2(np.cross(palm, wanted) @ line, palm @ wanted)
    angle = float(np.clip(angle, -_MOST_TWIST, _MOST_TWIST))
    return quat_multiply(quat_from_axis_angle(line, np.asarray(angle)), swing), angle


def _flat(v: np.ndarray, axis: np.ndarray) -> np.ndarray:
    return unit(v - (v @ axis) * axis)


def _ramped(flags: np.ndarray, lead: int) -> np.ndarray:
    """1 where flags (T,) are set, easing from and to 0 over `lead` frames before and after."""
    frames = np.arange(len(flags))
    out = np.zeros(len(flags))
    for start, end in zip(*runs(flags), strict=True):
        away = np.maximum(np.maximum(start - frames, frames - (end - 1)), 0)
        s = np.clip(1 - away / max(lead, 1), 0.0, 1.0)
        out = np.maximum(out, s * s * (3 - 2 * s))
    return out
