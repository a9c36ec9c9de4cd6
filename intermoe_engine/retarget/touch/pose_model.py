# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pair solver may change of one target, and where the body's points are then.

18 numbers a frame, all zero for the pose as it was transferred: where the pelvis goes, how the trunk leans,
where the shoulders go on their clavicles and where the wrists go from their shoulders. Arms and legs follow
by two-bone inverse kinematics; feet stay; hands and head keep their rotation in the world.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...rotations import cross, quat_between, quat_exp, quat_rotate
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
_ELBOW_CLOSED = np.radians(150.0)
_STRAIGHT = 0.995
_HEAD, _CROWN = POINTS.index("head"), POINTS.index("crown")
_LIMB_POINTS = {
    side: tuple(
        POINTS.index(f"{side}_{name}")
        for name in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist", "tip")
    )
    for side in ("l", "r")
}
LIMBS = {"arm": ("shoulder", "elbow", "wrist"), "leg": ("hip", "knee", "ankle")}


@dataclass(frozen=True)
class PoseModel:
    """points (T, 18, 3): as transferred. chain (T, 1 + n, 3): heads of pelvis and spine bones; shares
    (1 + n,): how much of the lean each takes. neck (T, 3): where the neck begins; collars: side -> clavicle's
    head (T, 3), left out where there is none. hinge: ("arm" or "leg", side) -> the axis (T, 3) of elbow
    or knee, as cross(upper, lower) of the limb bent the right way. arm_reach: side -> shortest and longest
    distance (T,) of wrist and shoulder; leg_reach: side -> longest one of ankle and hip. Canonical metres."""

    points: np.ndarray
    chain: np.ndarray
    shares: np.ndarray
    neck: np.ndarray
    collars: dict[str, np.ndarray]
    hinge: dict[tuple[str, str], np.ndarray]
    arm_reach: dict[str, tuple[np.ndarray, np.ndarray]]
    leg_reach: dict[str, np.ndarray]
    arm_length: float
    leg_length: float

    @staticmethod
    def of(
        points: np.ndarray,
        chain: list[np.ndarray],
        pelvis_carries_spine: bool,
        neck: np.ndarray,
        collars: dict[str, np.ndarray],
        hinge: dict[tuple[str, str], np.ndarray],
        leg_reach: dict[str, np.ndarray],
    ) -> PoseModel:
        """A model from where a body's joints are: arguments as of the class, chain a list of (T, 3)."""
        spine = len(chain) - 1
        first = PELVIS_SHARE if pelvis_carries_spine and spine else float(not spine)
        shares = first + (1 - first) * np.arange(len(chain)) / max(spine, 1)
        arm_reach, legs = {}, {}
        for side in ("l", "r"):
            hip, _, ankle, shoulder, elbow, wrist, _ = _LIMB_POINTS[side]
            arm = ((shoulder, elbow), (elbow, wrist), (shoulder, wrist))
            upper, lower, span = (np.linalg.norm(points[:, j] - points[:, i], axis=-1) for i, j in arm)
            closed = np.sqrt(upper**2 + lower**2 + 2 * upper * lower * np.cos(_ELBOW_CLOSED))
            arm_reach[side] = (np.minimum(closed, span), np.maximum(_STRAIGHT * (upper + lower), span))
            leg = np.linalg.norm(points[:, ankle] - points[:, hip], axis=-1)
            legs[side] = np.maximum(leg_reach[side], leg)
        lengths = {limb: _limb_length(points, names) for limb, names in LIMBS.items()}
        return PoseModel(
            points, np.stack(chain, axis=1), shares, neck, collars, hinge, arm_reach, legs,
            lengths["arm"], lengths["leg"],
        )  # fmt: skip

    @property
    def frames(self) -> int:
        return len(self.points)

    def at(self, x: np.ndarray) -> np.ndarray:
        """The points (T, 18, 3) for variables x (T, 18)."""
        out = self._trunk(x[:, SHIFT], x[:, LEAN], {s: x[:, v] for s, v in COLLAR.items()})
        for side in ("l", "r"):
            hip, knee, ankle, shoulder, elbow, wrist, tip = _LIMB_POINTS[side]
            out[:, knee] = out[:, hip] + self._middle(side, "leg", out[:, ankle] - out[:, hip])
            goal = self.points[:, wrist] - self.points[:, shoulder] + x[:, WRIST[side]]
            out[:, elbow] = out[:, shoulder] + self._middle(side, "arm", goal)
            out[:, wrist] = out[:, shoulder] + goal
            out[:, tip] = out[:, wrist] + self.points[:, tip] - self.points[:, wrist]
        return out

    def derivative(self, x: np.ndarray, points: np.ndarray) -> np.ndarray:
        """d points / d x, (T, 18 points, 3, 18 variables), at x (T, 18) where the points are `points`.

        Exact where the chain rule is short; leans, elbows and knees by finite differences.
        """
        out = np.zeros((len(x), len(POINTS), 3, VARIABLES))
        shift, lean = x[:, SHIFT], x[:, LEAN]
        collars = {s: x[:, v] for s, v in COLLAR.items()}
        still = self._trunk(shift, lean, collars)
        planted = [POINTS.index(f"{s}_{name}") for s in ("l", "r") for name in ("ankle", "toe")]
        free = np.setdiff1d(np.arange(len(POINTS)), planted)
        out[:, free, :, SHIFT] = np.eye(3)
        for k, step in enumerate(_STEP * np.eye(3)):
            moved = self._trunk(shift, lean + step, collars)
            out[..., LEAN.start + k] = (moved - still) / _STEP
        for side, head in self.collars.items():
            shoulder = _LIMB_POINTS[side][3]
            bone = self.points[:, shoulder] - head
            wish = bone + collars[side]
            size = np.maximum(np.linalg.norm(wish, axis=-1, keepdims=True), 1e-9)
            line = wish / size
            flat = np.eye(3) - line[:, :, None] * line[:, None, :]
            length = np.linalg.norm(bone, axis=-1, keepdims=True)
            out[:, shoulder, :, COLLAR[side]] = (length / size)[..., None] * flat
        for side in ("l", "r"):
            hip, knee, ankle, shoulder, elbow, wrist, tip = _LIMB_POINTS[side]
            turned = self._middle_derivative(side, "leg", points[:, ankle] - points[:, hip])
            out[:, knee] = out[:, hip] - turned @ out[:, hip]
            for point in (elbow, wrist, tip):
                out[:, point] = out[:, shoulder]
            turned = self._middle_derivative(side, "arm", points[:, wrist] - points[:, shoulder])
            out[:, elbow, :, WRIST[side]] = turned
            out[:, wrist, :, WRIST[side]] = out[:, tip, :, WRIST[side]] = np.eye(3)
        return out

    def _trunk(self, shift: np.ndarray, lean: np.ndarray, collars: dict[str, np.ndarray]) -> np.ndarray:
        """The points (T, 18, 3) with hips, shoulders, head and crown in their new places."""
        out = self.points.copy()
        turns = [quat_exp(lean * share) for share in self.shares]
        base = shift
        for k in range(len(turns) - 1):
            piece = self.chain[:, k + 1] - self.chain[:, k]
            base = base + quat_rotate(turns[k], piece) - piece

        def on_chest(place: np.ndarray) -> np.ndarray:
            arm = place - self.chain[:, -1]
            return self.chain[:, -1] + base + quat_rotate(turns[-1], arm)

        for side in ("l", "r"):
            hip, shoulder = _LIMB_POINTS[side][0], _LIMB_POINTS[side][3]
            lever = self.points[:, hip] - self.chain[:, 0]
            out[:, hip] = self.chain[:, 0] + shift + quat_rotate(turns[0], lever)
            if side in self.collars:
                # The clavicle keeps its direction in the world like every limb, but for what it is asked for.
                bone = self.points[:, shoulder] - self.collars[side]
                wish = bone + collars[side]
                length = np.linalg.norm(bone, axis=-1, keepdims=True)
                wish = wish * (length / np.maximum(np.linalg.norm(wish, axis=-1, keepdims=True), 1e-9))
                out[:, shoulder] = on_chest(self.collars[side]) + wish
            else:
                out[:, shoulder] = on_chest(self.points[:, shoulder])
        lever = self.points[:, _HEAD] - self.neck
        turn = quat_exp(lean * (NECK_SHARE * self.shares[-1]))
        out[:, _HEAD] = on_chest(self.neck) + quat_rotate(turn, lever)
        out[:, _CROWN] = out[:, _HEAD] + self.points[:, _CROWN] - self.points[:, _HEAD]
        return out

    def _middle(self, side: str, limb: str, goal: np.ndarray) -> np.ndarray:
        """Elbow or knee as seen from the limb's start, for an end at `goal` (..., T, 3) from there, by the
        rule of `two_bone.solve_two_bone`."""
        start, middle, end = (self.points[:, POINTS.index(f"{side}_{n}")] for n in LIMBS[limb])
        reach = end - start
        upper = np.linalg.norm(middle - start, axis=-1, keepdims=True)
        lower = np.linalg.norm(end - middle, axis=-1, keepdims=True)
        axis = bend_axis_for_goal(start, middle, end, start + goal, self.hinge[limb, side])
        distance = np.linalg.norm(goal, axis=-1, keepdims=True)
        line = goal / np.maximum(distance, 1e-9)
        distance = np.clip(distance, np.abs(upper - lower) + 1e-6, upper + lower)
        normal = quat_rotate(quat_between(np.broadcast_to(reach, goal.shape), goal), axis)
        normal = normal - np.einsum("...i,...i", normal, line)[..., None] * line
        normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        cosine = (upper**2 + distance**2 - lower**2) / (2 * upper * distance)
        cosine = np.clip(cosine, -1.0, 1.0)
        return upper * (cosine * line + np.sqrt(1 - cosine**2) * cross(line, normal))

    def _middle_derivative(self, side: str, limb: str, goal: np.ndarray) -> np.ndarray:
        """d middle / d goal (T, 3, 3)."""
        probes = goal + _STEP * np.concatenate([np.zeros((1, 3)), np.eye(3)])[:, None]
        places = self._middle(side, limb, probes)
        return np.moveaxis((places[1:] - places[0]) / _STEP, 0, -1)


def _limb_length(points: np.ndarray, names: tuple[str, ...]) -> float:
    """Length in metres of a limb, mean of both sides."""
    total = 0.0
    for side in ("l", "r"):
        ids = [POINTS.index(f"{side}_{name}") for name in names]
        total += float(np.linalg.norm(np.diff(points[0, ids], axis=0), axis=-1).sum())
    return total / 2
