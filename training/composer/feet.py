# SPDX-License-Identifier: GPL-3.0-or-later
"""Feet that stand stay where they are, and between two places they take a step.

When one clip fades into another whose feet stand elsewhere, both feet would glide across. Here each stand of
a foot gets one place; from one place to the next the foot is lifted, one foot after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from intermoe_engine.cleanup.contacts import pivot_steps
from intermoe_engine.intervals import runs
from intermoe_engine.representation import CONTACT_HEIGHT
from intermoe_engine.rotations import Array, quat_multiply, quat_rotate
from intermoe_engine.skeleton import SMPL22
from intermoe_engine.two_bone import bend_axis_for_goal, solve_two_bone

from .figure import Figure, J
from .path import eased
from .segment import sole_height, yaw_quat

_STILL = 0.35
_SHORT_SECONDS = 0.1
_STEP_SECONDS = 0.26
_STEP_METRES = 0.035
"""A stand that is nearer than this to the one before goes on there."""
_LIFT = (0.025, 0.22, 0.09)
"""Metres that a foot is lifted: at least, as a share of the step, at most."""
_MOST_SHIFT = 0.3
_MOST_DOWN = 0.1
_STRAIGHTEST = 0.997
_SOLE = np.array([0.055, 0.012])
"""Lowest heights of ankle and toe."""
_LEGS = tuple(tuple(J[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "foot")) for side in "lr")
_LEG = float(np.linalg.norm(SMPL22.offsets[[J["l_knee"], J["l_ankle"]]], axis=-1).sum())


@dataclass(frozen=True)
class FootGoals:
    """Where both feet are to be: ankle (T, 2, 3) and the foot's rotation in the stage's frame (T, 2, 4).

    standing (T, 2): whether the foot is held there."""

    ankle: Array
    rotation: Array
    standing: np.ndarray


def foot_goals(figure: Figure) -> FootGoals:
    """Feet of a figure without slide, with a step from each place to the next."""
    positions, rotations = figure.pose()
    tracks = [_Foot(figure, positions, rotations, n) for n in (0, 1)]
    for track in tracks:
        track.join_near_stands()
    _one_after_the_other(tracks[0], tracks[1])
    goals = [track.goals() for track in tracks]
    return FootGoals(
        np.stack([g[0] for g in goals], axis=1),
        np.stack([g[1] for g in goals], axis=1),
        np.stack([track.standing() for track in tracks], axis=1),
    )


def on_feet(figure: Figure, goals: FootGoals) -> Figure:
    """The figure with its feet at their goals: the pelvis comes down where a leg is too short, knees bend."""
    positions, rotations = figure.pose()
    hips = positions[:, [leg[0] for leg in _LEGS]]
    across = np.linalg.norm((goals.ankle - hips)[..., [0, 2]], axis=-1)
    longest = _STRAIGHTEST * _LEG
    highest = goals.ankle[..., 1] + np.sqrt(np.maximum(longest**2 - across**2, 0.1))
    down = np.maximum(hips[..., 1] - highest, 0.0).max(axis=1)
    if down.max() > 0:
        around = round(0.1 * figure.fps)
        down = gaussian_filter1d(maximum_filter1d(down, 2 * around + 1), around / 2, mode="nearest")
        figure = replace(figure, root=figure.root - down[:, None] * [0.0, 1.0, 0.0])
        positions = positions - down[:, None, None] * [0.0, 1.0, 0.0]
    turns: dict[int, Array] = {}
    for n, (hip, knee, ankle, _) in enumerate(_LEGS):
        hinge = quat_rotate(rotations[:, hip], np.array([1.0, 0.0, 0.0]))
        start, middle, end = (positions[:, j] for j in (hip, knee, ankle))
        goal = goals.ankle[:, n]
        axis = bend_axis_for_goal(start, middle, end, goal, hinge)
        upper, lower = solve_two_bone(start, middle, end, goal, axis, _STRAIGHTEST)
        turns |= limb_turns(rotations, (hip, knee, ankle), (upper, lower), goals.rotation[:, n])
    return figure.turned(turns)


def limb_turns(
    rotations: Array, joints: tuple[int, int, int], solved: tuple[Array, Array], last: Array | None
) -> dict[int, Array]:
    """Turns for `Figure.turned` that set a limb's two bones as solved and its end to the rotation `last`.

    rotations (T, 22, 4) global, before; solved: rotations (T, 4) to put before both bones' global ones; last
    (T, 4): the global rotation of the limb's end, None to let it go along with the lower bone.
    """
    conj = np.array([1.0, -1.0, -1.0, -1.0])
    upper, lower = solved
    turns = {joints[0]: upper, joints[1]: quat_multiply(lower, upper * conj)}
    if last is not None:
        turns[joints[2]] = quat_multiply(last, quat_multiply(lower, rotations[:, joints[2]]) * conj)
    return turns


class _Foot:
    """One foot's stands: places on the ground between first and last frames."""

    def __init__(self, figure: Figure, positions: Array, rotations: Array, side: int) -> None:
        self.fps, self.side = figure.fps, side
        _, _, ankle, toe = _LEGS[side]
        self.ankle, self.toe, self.rotation = positions[:, ankle], positions[:, toe], rotations[:, ankle]
        self.low = self.toe[:, 1] < CONTACT_HEIGHT[1] + 0.03
        speed = np.linalg.norm(np.gradient(self._pivot(), axis=0), axis=-1) * self.fps
        going = np.linalg.norm(np.gradient(figure.base[:, :2], axis=0), axis=-1) * self.fps
        stands = (figure.stands[:, side] > 0.5) & (speed < _STILL * (1.0 + going))
        self.first, self.end = _long_runs(stands, max(round(_SHORT_SECONDS * self.fps), 2))

    def _pivot(self) -> Array:
        """What the foot turns about (T, 3): the toe while it is low, moved along as if it were one point."""
        steps = pivot_steps(self.ankle, self.toe, self.low)
        return np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)]) * [1.0, 0.0, 1.0]

    def places(self) -> Array:
        """Where the toe is, on average, in each stand (R, 3)."""
        return np.array([self.toe[a:b].mean(axis=0) for a, b in zip(self.first, self.end, strict=True)])

    def join_near_stands(self) -> None:
        """A short gap between two stands in nearly the same place is none."""
        if len(self.first) < 2:
            return
        apart = np.linalg.norm(np.diff(self.places(), axis=0)[:, [0, 2]], axis=-1)
        short = self.first[1:] - self.end[:-1] < 1.2 * self.fps
        low = np.array(
            [self.toe[a:b, 1].max() < 0.07 for a, b in zip(self.end[:-1], self.first[1:], strict=True)]
        )
        joined = (apart < _STEP_METRES) & short & low
        self.first, self.end = self.first[np.append(True, ~joined)], self.end[np.append(~joined, True)]

    def glides(self) -> np.ndarray:
        """For each gap between stands whether the clip does not lift the foot (R - 1,)."""
        spans = zip(self.end[:-1], self.first[1:], strict=True)
        return np.array([self.toe[a : max(b, a + 1), 1].max() < 0.06 for a, b in spans], dtype=bool)

    def standing(self) -> np.ndarray:
        out = np.zeros(len(self.ankle), dtype=bool)
        for a, b in zip(self.first, self.end, strict=True):
            out[a:b] = True
        return out

    def goals(self) -> tuple[Array, Array]:
        """The ankle (T, 3) and the foot's rotation (T, 4)."""
        frames = len(self.ankle)
        foot = self.toe - self.ankle
        heading = np.unwrap(np.arctan2(foot[:, 0], foot[:, 2]))
        turn = self._held(heading[:, None], 0.6)[:, 0]
        foot = quat_rotate(yaw_quat(turn), foot)
        toe = self.ankle + foot
        steps = pivot_steps(self.ankle, toe, self.low)
        gone = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
        shift = self._held(gone[:, [0, 2]], _MOST_SHIFT)
        ankle = self.ankle + np.stack([shift[:, 0], np.zeros(frames), shift[:, 1]], axis=-1)
        # What stands is on the floor, whatever the fade did to the height of the pelvis.
        height = sole_height(ankle, ankle + foot)
        ankle[:, 1] += self._eased(-np.clip(height, -_MOST_DOWN, _MOST_DOWN)[:, None])[:, 0]
        ankle[:, 1] += self._lift(ankle[:, 1] + foot[:, 1], ankle)
        toe = ankle + foot
        below = np.maximum(_SOLE[0] - ankle[:, 1], _SOLE[1] - toe[:, 1])
        ankle[:, 1] += np.maximum(below, 0.0)
        return ankle, quat_multiply(yaw_quat(turn), self.rotation)

    def _held(self, values: Array, most: float) -> Array:
        """Corrections (T, D) that keep values (T, D) constant in each stand, eased from one to the next."""
        out = np.zeros_like(values)
        for a, b in zip(self.first, self.end, strict=True):
            held = values[a:b].mean(axis=0) - values[a:b]
            out[a:b] = held * min(1.0, most / max(float(np.linalg.norm(held, axis=-1).max()), 1e-9))
        return self._eased(out)

    def _eased(self, values: Array) -> Array:
        """Values (T, D) of the stands, eased from one to the next in between."""
        out = np.zeros_like(values)
        if not len(self.first):
            return out
        frames = np.arange(len(values))
        for a, b in zip(self.first, self.end, strict=True):
            out[a:b] = values[a:b]
        for a, b in zip(self.end[:-1], self.first[1:], strict=True):
            t = eased((frames[a:b] - (a - 1)) / (b - a + 1))[:, None]
            out[a:b] = out[a - 1] + (out[b] - out[a - 1]) * t
        out[: self.first[0]] = out[self.first[0]]
        out[self.end[-1] :] = out[self.end[-1] - 1]
        return out

    def _lift(self, toe: Array, ankle: Array) -> Array:
        """How much higher the foot goes (T,) on steps that no clip lifts it for."""
        lift = np.zeros(len(toe))
        for a, b in zip(self.end[:-1], self.first[1:], strict=True):
            step = float(np.linalg.norm((ankle[b] - ankle[a - 1])[[0, 2]]))
            if step > 0.02 and b > a:
                wanted = min(_LIFT[0] + _LIFT[1] * step, _LIFT[2])
                arc = np.sin(np.pi * (np.arange(a, b) - (a - 1)) / (b - a + 1)) ** 2
                floor = min(toe[a - 1], toe[b])
                lift[a:b] = np.maximum(wanted * arc - np.maximum(toe[a:b] - floor, 0.0), 0.0)
        return lift


def _one_after_the_other(left: _Foot, right: _Foot) -> None:
    """Steps that no clip lifts a foot for get time enough, and do not lift both feet at once."""
    step = max(round(_STEP_SECONDS * left.fps), 4)
    taken: list[tuple[int, int]] = []
    for foot, other in ((left, right), (right, left)):
        glides = foot.glides() if len(foot.first) > 1 else np.zeros(0, dtype=bool)
        for gap in np.flatnonzero(glides):
            middle = (foot.end[gap] + foot.first[gap + 1]) // 2
            half = max((foot.first[gap + 1] - foot.end[gap]) // 2, step // 2)
            start, end = middle - half, middle + half
            if foot is left and _overlaps(other, start, end):
                start, end = middle - 2 * half, middle
            for a, b in taken:
                if start < b and a < end:
                    start, end = b, b + 2 * half
            earliest = foot.first[gap] + 2
            latest = foot.end[gap + 1] - 2
            start, end = max(start, earliest), min(end, latest)
            if end - start >= 4:
                foot.end[gap], foot.first[gap + 1] = start, end
                taken.append((start, end))


def _overlaps(foot: _Foot, start: int, end: int) -> bool:
    return bool(((foot.end[:-1] < end) & (foot.first[1:] > start)).any())


def _long_runs(mask: np.ndarray, shortest: int) -> tuple[np.ndarray, np.ndarray]:
    first, end = runs(mask)
    keep = end - first >= shortest
    return first[keep], end[keep]
