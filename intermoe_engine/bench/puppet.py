# SPDX-License-Identifier: GPL-3.0-or-later
"""A person who stands, steps, leans and reaches by closed formulas: motion with every contact known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..kinematics import forward_kinematics, local_from_global
from ..retarget.source import SIDE_JOINTS, SourceActor
from ..retarget.touch.body import Body
from ..retarget.touch.finding import PALM
from ..retarget.touch.parts import HAND_TO_FOREARM, INDEX
from ..rotations import quat_between, quat_from_axis_angle, quat_multiply, quat_rotate, quat_slerp
from ..skeleton import SMPL22
from ..take import ActorMotion
from ..two_bone import solve_two_bone, trusted_bend_axis

TOE_HEIGHT = 0.02
_UP = np.array([0.0, 1.0, 0.0])
_STILL = np.array([1.0, 0.0, 0.0, 0.0])


def ease(times: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 before `start`, 1 after `end` seconds, in between with no jump in speed or acceleration."""
    t = np.clip((times - start) / max(end - start, 1e-9), 0.0, 1.0)
    return t**3 * (10 - 15 * t + 6 * t**2)


@dataclass(frozen=True)
class Step:
    """One foot's step: side "l" or "r", in the air from start to end seconds, by (x, z) metres."""

    side: str
    start: float
    end: float
    by: tuple[float, float]


class Puppet:
    """One person of T frames; `place` (x, z) and `heading` (radians about y, 0 faces +z) at the start."""

    def __init__(
        self,
        times: np.ndarray,
        place: tuple[float, float],
        heading: float,
        offsets: np.ndarray = SMPL22.offsets,
    ) -> None:
        self.times, self.offsets = times, offsets
        frames = len(times)
        self.yaw = np.broadcast_to(quat_from_axis_angle(_UP, np.asarray(heading)), (frames, 4))
        self.turns = np.tile(self.yaw[:, None], (1, 22, 1))
        self.contacts = np.ones((frames, 4))
        self.ankle_height = TOE_HEIGHT - float(offsets[10, 1])
        legs = -float(offsets[[1, 4, 7], 1].sum())
        self.root = np.zeros((frames, 3))
        self.root[:, 1] = self.ankle_height + 0.985 * legs
        self.root[:, [0, 2]] = place
        self.feet = {}
        for side in ("l", "r"):
            hip = self._in_world(self.offsets[SIDE_JOINTS[side]["hip"]] * [1.15, 0.0, 0.0])
            self.feet[side] = (self.root + hip) * [1.0, 0.0, 1.0] + [0.0, self.ankle_height, 0.0]
        for side, sign in (("l", -1.0), ("r", 1.0)):
            self.turn(f"{side}_shoulder", (0.0, 0.0, 1.0), np.radians(72.0) * sign)
            self.turn(f"{side}_elbow", (0.0, 0.0, 1.0), np.radians(72.0) * sign)
            for joint in ("elbow", "wrist"):
                self.turns[:, SMPL22.index(f"{side}_{joint}")] = quat_multiply(
                    self.turns[:, SMPL22.index(f"{side}_shoulder")],
                    quat_from_axis_angle(_UP, np.asarray(np.radians(18.0) * sign)),
                )

    def _in_world(self, v: np.ndarray) -> np.ndarray:
        return quat_rotate(self.yaw, np.asarray(v, dtype=float))

    def turn(self, joint: str, axis: tuple[float, float, float], angle: np.ndarray | float) -> None:
        """Set a joint's rotation: the heading after `angle` (T,) radians about an axis of the T-pose."""
        angle = np.broadcast_to(np.asarray(angle, dtype=float), self.times.shape)
        self.turns[:, SMPL22.index(joint)] = quat_multiply(
            self.yaw, quat_from_axis_angle(np.asarray(axis), angle)
        )

    def lean(self, angle: np.ndarray, axis: tuple[float, float, float] = (1.0, 0.0, 0.0)) -> None:
        """Bend the trunk by `angle` (T,) radians about an axis of the T-pose (x: forward)."""
        for joint, share in (("spine1", 0.4), ("spine2", 0.7), ("spine3", 1.0), ("neck", 0.6), ("head", 0.3)):
            self.turn(joint, axis, share * angle)
        for side in ("l", "r"):
            self.turn(f"{side}_collar", axis, angle)

    def walk(self, steps: list[Step]) -> None:
        """Take steps; the pelvis goes along with the mean of both feet."""
        moved = np.zeros_like(self.root)
        for step in steps:
            part = ease(self.times, step.start, step.end)
            by = part[:, None] * np.array([step.by[0], 0.0, step.by[1]])
            lift = 0.07 * np.sin(np.pi * part) ** 2
            self.feet[step.side] = self.feet[step.side] + by + lift[:, None] * _UP
            in_air = (self.times > step.start) & (self.times < step.end)
            first = 0 if step.side == "l" else 2
            self.contacts[in_air, first : first + 2] = 0.0
            # The pelvis begins before the foot does and arrives after it.
            slow = ease(self.times, step.start - 0.25, step.end + 0.25)
            moved = moved + 0.5 * slow[:, None] * np.array([step.by[0], 0.0, step.by[1]])
        self.root = self.root + moved

    def plant(self) -> None:
        """Bring the legs to the feet's places. Call after `walk`."""
        for side in ("l", "r"):
            self._reach(("hip", "knee", "ankle"), side, self.feet[side], np.array([1.0, 0.0, 0.0]))

    def reach_palm(
        self,
        side: str,
        goal: np.ndarray,
        share: np.ndarray,
        fingers: tuple[float, float, float] | None = None,
        elbow: tuple[float, float, float] | None = None,
        arc: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> None:
        """Bring the middle of a hand from where it hangs to `goal` (T, 3) as share (T,) goes from 0 to 1.

        fingers: direction in the world that the hand comes to point in, None: in line with the forearm.
        elbow: where the elbow comes to point, None: as it hangs. arc: metres off the straight way, halfway.
        """
        ids = SIDE_JOINTS[side]
        arm = self.offsets[ids["wrist"]]
        upper_turn, lower_turn = (self.turns[:, ids[n]].copy() for n in ("shoulder", "elbow"))
        hanging = self.positions()[:, ids["wrist"]]
        hinge = np.array([0.0, -1.0 if side == "l" else 1.0, 0.0])
        bump = (4 * share * (1 - share))[:, None] * np.asarray(arc)
        for _ in range(20):  # the hand's direction depends on the arm's: a contraction by about a third
            palm = quat_rotate(self.turns[:, ids["wrist"]], PALM * HAND_TO_FOREARM * arm)
            wrist = hanging + share[:, None] * (goal - palm - hanging) + bump
            self.turns[:, ids["shoulder"]], self.turns[:, ids["elbow"]] = upper_turn, lower_turn
            self._reach(("shoulder", "elbow", "wrist"), side, wrist, hinge, elbow, share)
            turn = self.turns[:, ids["elbow"]]
            if fingers is not None:
                bend = quat_between(quat_rotate(turn, arm), np.broadcast_to(fingers, goal.shape))
                turn = quat_multiply(quat_slerp(np.broadcast_to(_STILL, bend.shape), bend, share), turn)
            self.turns[:, ids["wrist"]] = turn

    def _reach(
        self,
        chain: tuple[str, str, str],
        side: str,
        goal: np.ndarray,
        hinge: np.ndarray,
        pole: tuple[float, float, float] | None = None,
        share: np.ndarray | None = None,
    ) -> None:
        ids = [SIDE_JOINTS[side][name] for name in chain]
        positions = self.positions()
        start, middle, end = (positions[:, i] for i in ids)
        axis = trusted_bend_axis(start, middle, end, quat_rotate(self.turns[:, ids[0]], hinge))
        if pole is not None and share is not None:
            # The axis that sends the middle joint to the pole, brought back to where the limb is now.
            wanted = np.cross(np.asarray(pole, dtype=float), goal - start)
            wanted = quat_rotate(quat_between(goal - start, end - start), wanted)
            wanted /= np.maximum(np.linalg.norm(wanted, axis=-1, keepdims=True), 1e-9)
            axis = (1 - share)[:, None] * axis + share[:, None] * wanted
        turns = solve_two_bone(start, middle, end, goal, axis)
        for i, turn in zip(ids[:2], turns, strict=True):
            self.turns[:, i] = quat_multiply(turn, self.turns[:, i])

    def positions(self) -> np.ndarray:
        """Joint positions (T, 22, 3)."""
        local = local_from_global(self.turns, SMPL22.parents)
        return forward_kinematics(self.root, local, SMPL22.parents, self.offsets)[0]

    def motion(self) -> ActorMotion:
        """The motion as part of a take."""
        local = local_from_global(self.turns, SMPL22.parents)
        return ActorMotion.from_rotations(self.root, local, self.contacts, self.offsets)

    def body(self) -> Body:
        """Its capsules."""
        return Body.of_source(SourceActor.from_motion(self.motion()))

    def palm_on(
        self, other: Body, part: str, along: float, outward: tuple[float, float, float], side: str
    ) -> np.ndarray:
        """Where this person's palm (T, 3) is when it lies on a place of another body."""
        direction = np.asarray(outward, dtype=float) / np.linalg.norm(outward)
        frames = len(self.times)
        out = np.broadcast_to(direction, (frames, 3))
        surface = other.surface_point(part, np.full(frames, along), out)
        thick = self.body().radii[INDEX[f"{side}_hand"]]
        return surface + thick * (other.matrix(part) @ direction)
