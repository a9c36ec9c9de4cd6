# SPDX-License-Identifier: GPL-3.0-or-later
"""Arms that reach as people's do: elbows down and a little out, the forearm's turn shared with the wrist."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from intermoe_engine.rotations import (
    Array,
    cross,
    matrix_to_quat,
    quat_conjugate,
    quat_exp,
    quat_from_axis_angle,
    quat_log,
    quat_multiply,
    quat_rotate,
    quat_slerp,
)
from intermoe_engine.two_bone import solve_two_bone, trusted_bend_axis

from .feet import limb_turns
from .figure import Figure, J
from .segment import yaw_quat

SIDES = {"right": "r", "left": "l"}
HAND = 0.7 * 0.255
"""Metres from wrist to finger tips of a relaxed hand."""
_POLE = np.array([0.45, -1.0, -0.35])
"""Where a left elbow hangs, in the frame of the heading: out, down and a little behind."""
_FOREARM_SHARE = 0.75
_MOST_BEND = np.radians(70.0)
_STRAIGHTEST = 0.985
_WAYS = {
    "forward": (0.0, 0.0, 1.0),
    "back": (0.0, 0.0, -1.0),
    "left": (1.0, 0.0, 0.0),
    "right": (-1.0, 0.0, 0.0),
    "up": (0.0, 1.0, 0.0),
    "down": (0.0, -1.0, 0.0),
}


def reached(
    figure: Figure,
    side: str,
    wrist: Array,
    weight: Array,
    palm: Array | None = None,
    fingers: Array | None = None,
    elbow: float = 0.0,
) -> Figure:
    """The figure with the wrist of an arm ("l" or "r") at points (T, 3) where weight (T,) is 1.

    palm, fingers: directions (T, 3) of the stage in which the palm faces and the fingers point; None for as
    the forearm lies. elbow: degrees by which it is raised outwards. In between, the arm's rotations are
    mixed, so that the hand comes along an arc.
    """
    arm = tuple(J[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist"))
    positions, rotations = figure.pose()
    start, middle, end = (positions[:, joint] for joint in arm)
    inner = np.array([0.0, -1.0, 0.0]) if side == "l" else np.array([0.0, 1.0, 0.0])
    hinge = quat_rotate(rotations[:, arm[0]], inner)
    wrist = np.where(weight[:, None] > 0, wrist, end)
    axis = trusted_bend_axis(start, middle, end, hinge)
    upper, lower = solve_two_bone(start, middle, end, wrist, axis, _STRAIGHTEST)
    swivel = _swivel(start, start + quat_rotate(upper, middle - start), wrist, _pole(figure, side, elbow))
    solved = quat_multiply(swivel, upper), quat_multiply(swivel, lower)
    hand = None
    if palm is not None or fingers is not None:
        forearm = quat_multiply(solved[1], rotations[:, arm[1]])
        hand, twist = _hand(side, forearm, rotations[:, arm[2]], solved[1], palm, fingers)
        solved = solved[0], quat_multiply(quat_multiply(forearm, twist), quat_conjugate(rotations[:, arm[1]]))
    reaching = figure.turned(limb_turns(rotations, (arm[0], arm[1], arm[2]), solved, hand))
    local = np.array(figure.local)
    local[:, arm] = quat_slerp(local[:, arm], reaching.local[:, arm], weight[:, None])
    return replace(figure, local=local)


def way(name: str, side: str, heading: Array) -> Array | None:
    """Directions (T, 3) of the stage for a word of a person's own frame; "in" is towards the other side."""
    if not name:
        return None
    word = {"in": "right" if side == "l" else "left"}.get(name, name)
    return quat_rotate(yaw_quat(heading), np.array(_WAYS[word]))


def _pole(figure: Figure, side: str, elbow: float) -> Array:
    pole = np.array(_POLE)
    if elbow:
        angle = np.radians(elbow)
        pole[:2] = [
            np.cos(angle) * pole[0] - np.sin(angle) * pole[1],
            np.cos(angle) * pole[1] + np.sin(angle) * pole[0],
        ]
    if side == "r":
        pole = pole * [-1.0, 1.0, 1.0]
    return quat_rotate(yaw_quat(figure.base[:, 2]), pole)


def _swivel(start: Array, middle: Array, end: Array, pole: Array) -> Array:
    """Rotations (T, 4) about the line from start to end that bring the middle joint to the pole's side."""
    line = end - start
    line = line / np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-9)
    flat = lambda v: v - np.sum(v * line, axis=-1, keepdims=True) * line
    a, b = flat(middle - start), flat(pole)
    sine = np.sum(cross(a, b) * line, axis=-1)
    angle = np.arctan2(sine, np.sum(a * b, axis=-1))
    # A hand right at the pole leaves the plane open; unwrapped, it goes through without a jump.
    return quat_from_axis_angle(line, np.unwrap(angle))


def _hand(
    side: str, forearm: Array, before: Array, carried: Array, palm: Array | None, fingers: Array | None
) -> tuple[Array, Array]:
    """The hand's rotation (T, 4) in the stage's frame and how far the forearm turns along (T, 4)."""
    along = np.array([1.0, 0.0, 0.0]) if side == "l" else np.array([-1.0, 0.0, 0.0])
    f = quat_rotate(forearm, along) if fingers is None else fingers
    p = quat_rotate(quat_multiply(carried, before), np.array([0.0, -1.0, 0.0])) if palm is None else palm
    if fingers is None or palm is not None:
        main, other = (f, p) if fingers is not None else (p, f)
    else:
        main, other = f, p
    main = main / np.maximum(np.linalg.norm(main, axis=-1, keepdims=True), 1e-9)
    other = other - np.sum(other * main, axis=-1, keepdims=True) * main
    other = other / np.maximum(np.linalg.norm(other, axis=-1, keepdims=True), 1e-9)
    f, p = (main, other) if fingers is not None else (other, main)
    rest = np.stack([along, [0.0, -1.0, 0.0], np.cross(along, [0.0, -1.0, 0.0])], axis=-1)
    wanted = matrix_to_quat(np.stack([f, p, cross(f, p)], axis=-1) @ rest.T)
    local = quat_multiply(quat_conjugate(forearm), wanted)
    turn = 2 * np.arctan2(np.sum(local[:, 1:] * along, axis=-1), local[:, 0])
    turn = np.unwrap((turn + np.pi) % (2 * np.pi) - np.pi)
    twist = quat_from_axis_angle(along, _FOREARM_SHARE * turn)
    # What is left is a turn about the forearm, which is small, and a bend of the wrist, which has its limit.
    left = quat_from_axis_angle(along, (1.0 - _FOREARM_SHARE) * turn)
    whole = quat_from_axis_angle(along, turn)
    vector = quat_log(quat_multiply(local, quat_conjugate(whole)))
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    bend = quat_exp(vector * np.minimum(1.0, _MOST_BEND / np.maximum(angle, 1e-9)))
    # The forearm's share goes before the bend, so the bend is seen from the turned forearm.
    bend = quat_multiply(quat_multiply(quat_conjugate(twist), bend), twist)
    bent = quat_multiply(bend, left)
    return quat_multiply(quat_multiply(forearm, twist), bent), twist
