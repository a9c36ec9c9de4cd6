# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pair solver may change of one target, and where the body's points are then.

18 numbers a frame, all zero for the pose as it was transferred: where the pelvis goes, how the trunk leans,
where the shoulders go on their clavicles and where the wrists go from their shoulders. Arms and legs follow
by two-bone inverse kinematics; feet stay; hands and head keep their rotation in the world.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...rotations import quat_between, quat_exp, quat_rotate
from ...two_bone import bend_axis_for_goal
from .parts import POINTS

SHIFT, LEAN = slice(0, 3), slice(3, 6)
COLLAR = {"l": slice(6, 9), "r": slice(9, 12)}
WRIST = {"l": slice(12, 15), "r": slice(15, 18)}
VARIABLES = 18
PELVIS_SHARE = 0.4
"""Of a lean, what the pelvis takes part in; the spine bends by the rest."""
NECK_SHARE = 0.5
_STEP = 1e-5


@dataclass(frozen=True)
class PoseModel:
    """points (T, 18, 3): as transferred. chain (T, 1 + n, 3): heads of pelvis and spine bones; shares
    (1 + n,): how much of the lean each takes. neck (T, 3): where the neck begins; collars: side -> clavicle's
    head (T, 3), left out where there is none. hinge: side -> the elbow's axis (T, 3), as cross(upper,
    lower) of the arm bent the right way. arm_reach, leg_reach: side -> longest and, for arms, shortest
    distance (T,) of the limb's ends. Canonical metres."""

    points: np.ndarray
    chain: np.ndarray
    shares: np.ndarray
    neck: np.ndarray
    collars: dict[str, np.ndarray]
    hinge: dict[str, np.ndarray]
    arm_reach: dict[str, tuple[np.ndarray, np.ndarray]]
    leg_reach: dict[str, np.ndarray]
    arm_length: float

    @property
    def frames(self) -> int:
        return len(self.points)

    def at(self, x: np.ndarray) -> np.ndarray:
        """The points (..., T, 18, 3) for variables x (..., T, 18)."""
        out = np.broadcast_to(self.points, (*x.shape[:-2], *self.points.shape)).copy()
        shift, lean = x[..., SHIFT], x[..., LEAN]
        turns = [quat_exp(lean * share) for share in self.shares]
        base = shift
        for k in range(len(turns) - 1):
            piece = self.chain[:, k + 1] - self.chain[:, k]
            base = base + quat_rotate(turns[k], piece) - piece

        def on_chest(place: np.ndarray) -> np.ndarray:
            arm = place - self.chain[:, -1]
            return place + base + quat_rotate(turns[-1], arm) - arm

        for side in ("l", "r"):
            hip, knee = POINTS.index(f"{side}_hip"), POINTS.index(f"{side}_knee")
            lever = self.points[:, hip] - self.chain[:, 0]
            moved = shift + quat_rotate(turns[0], lever) - lever
            out[..., hip, :] += moved
            out[..., knee, :] += 0.5 * moved
            self._move_arm(out, x, side, on_chest)
        neck = on_chest(self.neck)
        head, crown = POINTS.index("head"), POINTS.index("crown")
        lever = self.points[:, head] - self.neck
        out[..., head, :] = neck + quat_rotate(quat_exp(lean * (NECK_SHARE * self.shares[-1])), lever)
        out[..., crown, :] = out[..., head, :] + self.points[:, crown] - self.points[:, head]
        return out

    def _move_arm(self, out: np.ndarray, x: np.ndarray, side: str, on_chest) -> None:
        shoulder, elbow, wrist, tip = (
            POINTS.index(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist", "tip")
        )
        before = self.points[:, shoulder]
        if side in self.collars:
            pivot = on_chest(self.collars[side])
            bone = before - self.collars[side]
            # The clavicle keeps its direction in the world like every limb, but for what it is asked for.
            wish = bone + x[..., COLLAR[side]]
            length = np.linalg.norm(bone, axis=-1, keepdims=True)
            new = pivot + wish * (length / np.maximum(np.linalg.norm(wish, axis=-1, keepdims=True), 1e-9))
        else:
            new = on_chest(before)
        reach = self.points[:, wrist] - before
        goal = reach + x[..., WRIST[side]]
        out[..., shoulder, :] = new
        out[..., elbow, :] = new + self._elbow(side, goal)
        out[..., wrist, :] = new + goal
        out[..., tip, :] = out[..., wrist, :] + self.points[:, tip] - self.points[:, wrist]

    def _elbow(self, side: str, goal: np.ndarray) -> np.ndarray:
        """The elbow from the shoulder for a wrist at `goal` from it, as `two_bone.solve_two_bone` puts it."""
        shoulder, elbow, wrist = (
            self.points[:, POINTS.index(f"{side}_{n}")] for n in ("shoulder", "elbow", "wrist")
        )
        reach = wrist - shoulder
        upper = np.linalg.norm(elbow - shoulder, axis=-1, keepdims=True)
        lower = np.linalg.norm(wrist - elbow, axis=-1, keepdims=True)
        axis = bend_axis_for_goal(shoulder, elbow, wrist, shoulder + goal, self.hinge[side])
        distance = np.linalg.norm(goal, axis=-1, keepdims=True)
        line = goal / np.maximum(distance, 1e-9)
        distance = np.clip(distance, np.abs(upper - lower) + 1e-6, upper + lower)
        normal = quat_rotate(quat_between(np.broadcast_to(reach, goal.shape), goal), axis)
        normal = normal - np.sum(normal * line, axis=-1, keepdims=True) * line
        normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        cosine = (upper**2 + distance**2 - lower**2) / (2 * upper * distance)
        cosine = np.clip(cosine, -1.0, 1.0)
        return upper * (cosine * line + np.sqrt(1 - cosine**2) * np.cross(line, normal))

    def derivative(self, x: np.ndarray, points: np.ndarray) -> np.ndarray:
        """d points / d x, (T, 18 points, 3, 18 variables), at x (T, 18) where the points are `points`."""
        probes = x + _STEP * np.eye(VARIABLES)[:, None, :]
        return np.moveaxis((self.at(probes) - points) / _STEP, 0, -1)
