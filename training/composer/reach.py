# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands and feet on their way to a touch: limbs brought to where the score says that the two meet.

The pair solver then does the last centimetres, with both bodies in view; see `touches.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intermoe_engine.retarget.touch.body import Body
from intermoe_engine.retarget.touch.parts import FEET, HANDS, INDEX
from intermoe_engine.rotations import Array, quat_rotate
from intermoe_engine.two_bone import bend_axis_for_goal, solve_two_bone

from .arms import HAND, reached, way
from .draw import Draw
from .feet import limb_turns
from .figure import Figure, J, mixed
from .score import Touch
from .segment import yaw_quat
from .timeline import people, window

Pair = tuple[Figure, Figure]
_PALM = 0.024
_GRIP = 0.55
"""Where on the hand the palm touches: share of the way from wrist to finger tips."""
_PAT_METRES = 0.09
_HIGH = 0.12
"""Hands that meet higher than this above the shoulders point up."""
OUTWARD = {
    "front": (0.0, 0.0, 1.0),
    "back": (0.0, 0.0, -1.0),
    "left": (1.0, 0.0, 0.0),
    "right": (-1.0, 0.0, 0.0),
    "up": (0.0, 1.0, 0.0),
    "down": (0.0, -1.0, 0.0),
}


@dataclass(frozen=True)
class Meeting:
    """One touch on the frames of a clip.

    who: 0 the actor, 1 the other; part, on: the touching parts, who's and the other's; weight (T,): how far
    the reach is, 1 while they touch; touching (T,): whether they do (a pat lifts off in between).
    """

    row: Touch
    who: int
    part: str
    on: str
    weight: Array
    touching: np.ndarray
    lifted: Array


def meetings(plan: Draw, frames: int, fps: float) -> list[Meeting]:
    """All touches of a score, one for each who does it."""
    times = np.arange(frames) / fps
    found = []
    for row in plan.score.touches:
        start, end = plan.number(row.start), plan.optional(row.end, float(plan.values["end"]))
        come, go = plan.number(row.reach), plan.number(row.release)
        weight = (
            window(times, start - come, end, come, go) if start > 0 else window(times, 0.0, end, come, go)
        )
        held = (times >= start - 1e-6) & (times <= end + 1e-6)
        pats = plan.number(row.pats)
        done = np.clip((times - start) / max(end - start, 1e-6), 0.0, 1.0)
        lifted = np.abs(np.sin(np.pi * pats * done)) * held
        touching = held & (lifted < 0.2)
        part, on = plan.word(row.part), plan.word(row.on)
        for who in people(row.who):
            found.append(Meeting(row, who, part, on, weight, touching, lifted))
    return found


def brought_near(figures: Pair, plan: Draw, found: list[Meeting]) -> Pair:
    """Both figures with their limbs where the touches want them, as far as each limb reaches."""
    out = list(figures)
    for meeting in found:
        if meeting.part in HANDS and meeting.on in HANDS:
            out = list(_hands_meet((out[0], out[1]), plan, meeting))
        elif meeting.part in (*HANDS, *FEET):
            out[meeting.who] = _limb_on_body((out[0], out[1]), plan, meeting)
    return out[0], out[1]


def surface(body: Body, plan: Draw, row: Touch, part: str, from_point: Array) -> tuple[Array, Array, float]:
    """Points (T, 3) of a part's surface where it is touched, the normals (T, 3) there, and the place
    along."""
    side, frames = plan.word(row.side), body.frames
    start, end = (ends[:, INDEX[part]] for ends in body.ends())
    if row.along is None and side == "near":
        axis = end - start
        near = np.sum((from_point - start) * axis, axis=-1) / np.maximum(np.sum(axis**2, axis=-1), 1e-9)
        along = float(np.clip(np.median(near), 0.05, 0.95))
    else:
        along = plan.optional(row.along, 0.5)
    centre = start + along * (end - start)
    if side == "near":
        outward = from_point - centre
        outward = outward / np.maximum(np.linalg.norm(outward, axis=-1, keepdims=True), 1e-9)
    else:
        outward = (body.matrix(part) @ np.broadcast_to(OUTWARD[side], (frames, 3))[..., None])[..., 0]
    return centre + body.radii[INDEX[part]] * outward, outward, along


def _limb_on_body(figures: Pair, plan: Draw, meeting: Meeting) -> Figure:
    figure, row = figures[meeting.who], meeting.row
    positions, rotations = figure.pose()
    side = meeting.part[0]
    root = positions[:, J[f"{side}_shoulder" if meeting.part in HANDS else f"{side}_hip"]]
    point, normal, _ = surface(figures[1 - meeting.who].body, plan, row, meeting.on, root)
    gap = plan.number(row.gap) + _PAT_METRES * meeting.lifted[:, None]
    point = point + normal * gap + _swung(figure, plan, row, meeting)
    if meeting.part in FEET:
        return _foot_at(figure, side, point + 0.036 * normal, meeting.weight, positions, rotations)
    if (row.own or "palm") == "tip":
        reach = point - root
        reach = reach / np.maximum(np.linalg.norm(reach, axis=-1, keepdims=True), 1e-9)
        return reached(figure, side, point - 0.6 * HAND * reach, meeting.weight)
    # The hand lies flat, pointing on as the arm does.
    along = point - root
    along = along - np.sum(along * normal, axis=-1, keepdims=True) * normal + np.array([0.0, 0.12, 0.0])
    along = along - np.sum(along * normal, axis=-1, keepdims=True) * normal
    along = along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
    wrist = point + _PALM * normal - _GRIP * HAND * along
    return reached(figure, side, wrist, meeting.weight, palm=-normal, fingers=along)


def _foot_at(
    figure: Figure, side: str, point: Array, weight: Array, positions: Array, rotations: Array
) -> Figure:
    leg = (J[f"{side}_hip"], J[f"{side}_knee"], J[f"{side}_ankle"])
    start, middle, end = (positions[:, joint] for joint in leg)
    foot = positions[:, J[f"{side}_foot"]] - end
    goal = mixed(end, point - 0.8 * foot, weight)
    hinge = quat_rotate(rotations[:, leg[0]], np.array([1.0, 0.0, 0.0]))
    axis = bend_axis_for_goal(start, middle, end, goal, hinge)
    return figure.turned(limb_turns(rotations, leg, solve_two_bone(start, middle, end, goal, axis), None))


def _hands_meet(figures: Pair, plan: Draw, meeting: Meeting) -> Pair:
    """Both hands at one point, palm to palm: high with fingers up, else as hands are shaken."""
    row, who = meeting.row, meeting.who
    near, far = figures[who], figures[1 - who]
    shoulders = [
        f.pose()[0][:, J[f"{part[0]}_shoulder"]] for f, part in ((near, meeting.part), (far, meeting.on))
    ]
    between = plan.number(row.between)
    point = mixed(shoulders[0], shoulders[1], np.full(near.frames, between))
    if row.height is not None:
        point[:, 1] = plan.number(row.height)
    else:
        point[:, 1] -= 0.35
    line = (shoulders[1] - shoulders[0]) * [1.0, 0.0, 1.0]
    line = line / np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-6)
    left = np.stack([line[:, 2], np.zeros(near.frames), -line[:, 0]], axis=-1)
    point = point + plan.number(row.aside) * left + _swung(near, plan, row, meeting)
    high = point[:, 1] > shoulders[0][:, 1] + _HIGH
    share = 0.5 if row.share is None else plan.number(row.share)
    out = [near, far]
    towards = [line, -line]
    palms = []
    for n in (0, 1):
        side = (meeting.part, meeting.on)[n][0]
        heading = out[n].base[:, 2]
        across = way("in", side, heading)
        assert across is not None
        up = np.broadcast_to([0.0, 1.0, 0.0], towards[n].shape)
        palms.append((np.where(high[:, None], towards[n], across), np.where(high[:, None], up, towards[n])))
    # The two palms face each other: what one faces, the other turns its back to.
    facing = palms[0][0] - palms[1][0]
    facing = facing / np.maximum(np.linalg.norm(facing, axis=-1, keepdims=True), 1e-6)
    gap = plan.number(row.gap) / 2 + _PAT_METRES * meeting.lifted[:, None]
    for n in (0, 1):
        palm, fingers = (1 - 2 * n) * facing, palms[n][1]
        wrist = point - (_PALM + gap) * palm - _GRIP * HAND * fingers
        weight = meeting.weight * (1.0 if n == 0 or share > 0 else 0.0)
        side = (meeting.part, meeting.on)[n][0]
        out[n] = reached(out[n], side, wrist, weight, palm, fingers)
    return (out[0], out[1]) if who == 0 else (out[1], out[0])


def _swung(figure: Figure, plan: Draw, row: Touch, meeting: Meeting) -> Array:
    """How far the touch is swung (T, 3), in the frame of who does it."""
    if row.swing is None:
        return np.zeros((figure.frames, 3))
    held = np.flatnonzero(meeting.weight > 0.999)
    if not len(held):
        return np.zeros((figure.frames, 3))
    done = np.clip((np.arange(figure.frames) - held[0]) / max(held[-1] - held[0], 1), 0.0, 1.0)
    swing = np.sin(2 * np.pi * plan.number(row.swings) * done)[:, None] * plan.point(row.swing)
    return quat_rotate(yaw_quat(figure.base[:, 2]), swing)


def touched_frames(found: list[Meeting]) -> list[np.ndarray]:
    """For each touch the frames (N,) on which its surfaces are to meet."""
    return [np.flatnonzero(meeting.touching) for meeting in found]
