# SPDX-License-Identifier: GPL-3.0-or-later
"""Touches on the frames of a clip: when they hold, and where wrists and ankles have to be for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intermoe_engine.retarget.touch.body import Body
from intermoe_engine.retarget.touch.parts import FEET, HANDS, INDEX
from intermoe_engine.rotations import Array, quat_rotate

from .arms import HAND, way
from .draw import Draw
from .figure import Figure, J, mixed
from .segment import yaw_quat
from .tables import Touch
from .timeline import people, window

Pair = tuple[Figure, Figure]
OUTWARD = {
    "front": (0.0, 0.0, 1.0),
    "back": (0.0, 0.0, -1.0),
    "left": (1.0, 0.0, 0.0),
    "right": (-1.0, 0.0, 0.0),
    "up": (0.0, 1.0, 0.0),
    "down": (0.0, -1.0, 0.0),
}
_PALM, _FOOT = 0.024, 0.036
"""Half the thickness of a hand and a foot."""
_GRIP, _KNUCKLES, _BALL = 0.55, 0.6, 0.8
"""Where on its length a palm, a fist and a foot touch."""
_PAT_METRES, _LIFTED = 0.09, 0.2
_HIGH = 0.12
"""Hands that meet so far above the shoulders point up."""
_BELOW_SHOULDERS = 0.35


@dataclass(frozen=True)
class Meeting:
    """One touch on the frames of a clip.

    who: 0 the actor, 1 the other; part, on: the touching parts, who's and the other's; weight (T,): how far
    the reach is, 1 while they touch; lifted (T,): 0 to 1, how far a pat has lifted off.
    """

    row: Touch
    who: int
    part: str
    on: str
    weight: Array
    held: np.ndarray
    lifted: Array

    @property
    def touching(self) -> np.ndarray:
        """The frames on which the surfaces meet (T,)."""
        return self.held & (self.lifted < _LIFTED)

    @property
    def of_hands(self) -> bool:
        """Whether two hands come to meet each other."""
        return self.part in HANDS and self.on in HANDS and self.row.share != 0.0


@dataclass(frozen=True)
class LimbGoal:
    """Where one limb's end is to be.

    who: 0 the actor, 1 the other; limb: "l_hand", "r_foot" …; end (T, 3): of wrist or ankle; weight (T,);
    palm, fingers: directions (T, 3) of a hand, None for any.
    """

    who: int
    limb: str
    end: Array
    weight: Array
    palm: Array | None = None
    fingers: Array | None = None


def meetings(plan: Draw, frames: int, fps: float) -> list[Meeting]:
    """All touches of a score, one for each person who does it."""
    times = np.arange(frames) / fps
    found = []
    for row in plan.score.touches:
        start, end = plan.number(row.start), plan.optional(row.end, float(plan.values["end"]))
        come, go = plan.number(row.reach), plan.number(row.release)
        weight = window(times, start - come if start > 0 else 0.0, end, come, go)
        held = (times >= start - 1e-6) & (times <= end + 1e-6)
        done = np.clip((times - start) / max(end - start, 1e-6), 0.0, 1.0)
        lifted = np.where(held, np.abs(np.sin(np.pi * plan.number(row.pats) * done)), 0.0)
        part, on = plan.word(row.part), plan.word(row.on)
        found += [Meeting(row, who, part, on, weight, held, lifted) for who in people(row.who)]
    return found


def limb_goals(figures: Pair, plan: Draw, meeting: Meeting) -> list[LimbGoal]:
    """Where a touch wants its limbs; none for parts that are no hand or foot."""
    if meeting.of_hands:
        return _hands_meet(figures, plan, meeting)
    if meeting.part in (*HANDS, *FEET):
        return [_limb_on_body(figures, plan, meeting)]
    return []


def _surface(body: Body, plan: Draw, row: Touch, part: str, seen_from: Array) -> tuple[Array, Array]:
    """Points (T, 3) of a part's surface where it is touched, and the normals (T, 3) there."""
    side, frames = plan.word(row.side), body.frames
    start, end = (ends[:, INDEX[part]] for ends in body.ends())
    if row.along is None and side == "near":
        axis = end - start
        near = np.sum((seen_from - start) * axis, axis=-1) / np.maximum(np.sum(axis**2, axis=-1), 1e-9)
        along = float(np.clip(np.median(near), 0.05, 0.95))
    else:
        along = plan.optional(row.along, 0.5)
    centre = start + along * (end - start)
    if side == "near":
        outward = _unit(seen_from - centre)
    else:
        outward = (body.matrix(part) @ np.broadcast_to(OUTWARD[side], (frames, 3))[..., None])[..., 0]
    return centre + body.radii[INDEX[part]] * outward, outward


def _limb_on_body(figures: Pair, plan: Draw, meeting: Meeting) -> LimbGoal:
    figure, row = figures[meeting.who], meeting.row
    positions = figure.pose()[0]
    side = meeting.part[0]
    root = positions[:, J[f"{side}_shoulder" if meeting.part in HANDS else f"{side}_hip"]]
    point, normal = _surface(figures[1 - meeting.who].body, plan, row, meeting.on, root)
    point = point + normal * (plan.number(row.gap) + _PAT_METRES * meeting.lifted[:, None])
    point = point + _swung(figure, plan, row, meeting)
    if meeting.part in FEET:
        foot = positions[:, J[f"{side}_foot"]] - positions[:, J[f"{side}_ankle"]]
        return LimbGoal(meeting.who, meeting.part, point + _FOOT * normal - _BALL * foot, meeting.weight)
    if (row.own or "palm") == "tip":
        end = point - _KNUCKLES * HAND * _unit(point - root)
        return LimbGoal(meeting.who, meeting.part, end, meeting.weight)
    # The hand lies flat, pointing on as the arm does, and a little upwards.
    flat = lambda v: v - np.sum(v * normal, axis=-1, keepdims=True) * normal
    along = _unit(flat(flat(point - root) + np.array([0.0, 0.12, 0.0])))
    end = point + _PALM * normal - _GRIP * HAND * along
    return LimbGoal(meeting.who, meeting.part, end, meeting.weight, -normal, along)


def _hands_meet(figures: Pair, plan: Draw, meeting: Meeting) -> list[LimbGoal]:
    """Both hands at one point, palm to palm: high with fingers up, else as hands are shaken or held."""
    row, people_ = meeting.row, (meeting.who, 1 - meeting.who)
    parts = (meeting.part, meeting.on)
    shoulders = [
        figures[who].pose()[0][:, J[f"{part[0]}_shoulder"]] for who, part in zip(people_, parts, strict=True)
    ]
    frames = len(shoulders[0])
    point = mixed(shoulders[0], shoulders[1], np.full(frames, plan.number(row.between)))
    point[:, 1] -= _BELOW_SHOULDERS
    if row.height is not None:
        point[:, 1] = plan.number(row.height)
    line = _unit((shoulders[1] - shoulders[0]) * [1.0, 0.0, 1.0])
    left = np.stack([line[:, 2], np.zeros(frames), -line[:, 0]], axis=-1)
    point = point + plan.number(row.aside) * left + _swung(figures[meeting.who], plan, row, meeting)
    palm, fingers = _palms(figures, meeting, line, point[:, 1] > shoulders[0][:, 1] + _HIGH)
    gap = plan.number(row.gap) / 2 + _PAT_METRES * meeting.lifted[:, None]
    goals = []
    for n, (who, part) in enumerate(zip(people_, parts, strict=True)):
        facing = palm if n == 0 else -palm
        end = point - (_PALM + gap) * facing - _GRIP * HAND * fingers[n]
        goals.append(LimbGoal(who, part, end, meeting.weight, facing, fingers[n]))
    return goals


def _palms(
    figures: Pair, meeting: Meeting, line: Array, high: np.ndarray
) -> tuple[Array, tuple[Array, Array]]:
    """The way that the first palm faces (T, 3), the second facing it, and both hands' fingers (T, 3)."""
    up = np.broadcast_to(np.array([0.0, 1.0, 0.0]), line.shape)
    headings = [figures[who].base[:, 2] for who in (meeting.who, 1 - meeting.who)]
    across = [way("in", part[0], yaw) for part, yaw in zip((meeting.part, meeting.on), headings, strict=True)]
    assert across[0] is not None and across[1] is not None
    held = np.flatnonzero(meeting.held)
    held = held if len(held) else np.arange(len(line))
    if float(np.cos(headings[0] - headings[1])[held].mean()) > 0.3:  # side by side: hand in hand, hanging
        return line, (-up, -up)
    if float(np.sum(across[0] * across[1], axis=-1)[held].mean()) > -0.3:  # a left and a right hand: pressed
        return line, (up, up)
    shaken = _unit(across[0] - across[1])
    palm = np.where(high[:, None], line, shaken)
    return palm, (np.where(high[:, None], up, line), np.where(high[:, None], up, -line))


def _swung(figure: Figure, plan: Draw, row: Touch, meeting: Meeting) -> Array:
    """How far the touch is swung (T, 3), in the frame of who does it."""
    held = np.flatnonzero(meeting.weight > 0.999)
    if row.swing is None or not len(held):
        return np.zeros((figure.frames, 3))
    done = np.clip((np.arange(figure.frames) - held[0]) / max(held[-1] - held[0], 1), 0.0, 1.0)
    swing = np.sin(2 * np.pi * plan.number(row.swings) * done)[:, None] * plan.point(row.swing)
    return quat_rotate(yaw_quat(figure.base[:, 2]), swing)


def _unit(v: Array) -> Array:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-6)
