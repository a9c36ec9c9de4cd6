# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pair solver may change of one target, and where the body's points are then.

20 numbers a frame, all zero for the pose as it was transferred: where the pelvis goes, how the trunk leans,
where the shoulders go on their clavicles, where the wrists go from their shoulders, and how far the elbows
turn about the line between these two. Arms and legs follow by two-bone inverse kinematics; feet stay; hands
and head keep their rotation in the world.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...rotations import cross, quat_exp, quat_rotate
from ...two_bone import Limb
from .parts import POINTS

SHIFT, LEAN = slice(0, 3), slice(3, 6)
COLLAR = {"l": slice(6, 9), "r": slice(9, 12)}
WRIST = {"l": slice(12, 15), "r": slice(15, 18)}
SWIVEL = {"l": slice(18, 19), "r": slice(19, 20)}
VARIABLES = 20
PELVIS_SHARE = 0.4
"""Of a lean, what the pelvis takes part in; the spine bends by the rest."""
NECK_SHARE = 0.5
_STEP = 1e-5
_ELBOW_CLOSED = np.radians(150.0)
_STRAIGHT = 0.995
_HEAD, _CROWN = POINTS.index("head"), POINTS.index("crown")
_HIPS, _KNEES, _ANKLES, _SHOULDERS, _ELBOWS, _WRISTS, _TIPS = (
    [POINTS.index(f"{side}_{name}") for side in ("l", "r")]
    for name in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist", "tip")
)
_LIMB_STARTS, _MIDDLES, _LIMB_ENDS = _SHOULDERS + _HIPS, _ELBOWS + _KNEES, _WRISTS + _ANKLES
_TRUNK = [*_HIPS, *_SHOULDERS, _HEAD, _CROWN]
_MOVING = [i for i, name in enumerate(POINTS) if name[2:] not in ("ankle", "toe")]
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
        for k, side in enumerate(("l", "r")):
            hip, ankle, shoulder = _HIPS[k], _ANKLES[k], _SHOULDERS[k]
            elbow, wrist = _ELBOWS[k], _WRISTS[k]
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

    @cached_property
    def collar_length(self) -> dict[str, float]:
        """Metres from the clavicle's head to the shoulder, by side; left out where there is no clavicle."""
        left, right = _SHOULDERS
        spans = {
            side: self.points[:, left if side == "l" else right] - head for side, head in self.collars.items()
        }
        return {side: float(np.median(np.linalg.norm(span, axis=-1))) for side, span in spans.items()}

    @property
    def frames(self) -> int:
        return len(self.points)

    def at(self, x: np.ndarray) -> np.ndarray:
        """The points (..., T, 18, 3) for variables x (..., T, 20)."""
        out = self._trunk(x)
        goals = self._goals(x, out)
        out[..., _MIDDLES, :] = out[..., _LIMB_STARTS, :] + np.moveaxis(
            self._limbs.middle(goals, _swivels(x)), -3, -2
        )
        wrists = out[..., _SHOULDERS, :] + np.moveaxis(goals[..., :2, :, :], -3, -2)
        out[..., _WRISTS, :] = wrists
        out[..., _TIPS, :] = wrists + self.points[:, _TIPS] - self.points[:, _WRISTS]
        return out

    def derivative(self, x: np.ndarray, points: np.ndarray) -> np.ndarray:
        """d points / d x, (T, 18 points, 3, 20 variables), at x (T, 20) where the points are `points`.

        Exact where the chain rule is short; leans, elbows and knees by finite differences.
        """
        out = np.zeros((len(x), len(POINTS), 3, VARIABLES))
        out[:, _MOVING, :, SHIFT] = np.eye(3)
        probes = np.zeros((4, 1, VARIABLES))
        probes[1:, 0, LEAN] = _STEP * np.eye(3)
        trunk = self._trunk(x + probes)[:, :, _TRUNK]
        out[:, _TRUNK, :, LEAN] = np.moveaxis((trunk[1:] - trunk[0]) / _STEP, 0, -1)
        for side, shoulder in zip(("l", "r"), _SHOULDERS, strict=True):
            if side in self.collars:
                bone = self.points[:, shoulder] - self.collars[side]
                wish = bone + x[:, COLLAR[side]]
                size = np.maximum(np.linalg.norm(wish, axis=-1, keepdims=True), 1e-9)
                line = wish / size
                flat = np.eye(3) - line[:, :, None] * line[:, None, :]
                length = np.linalg.norm(bone, axis=-1, keepdims=True)
                out[:, shoulder, :, COLLAR[side]] = (length / size)[..., None] * flat
        goals, swivels = self._goals(x, points), _swivels(x)
        steps = _STEP * np.concatenate([np.zeros((1, 3)), np.eye(3)])[:, None, None]
        middles = self._limbs.middle(goals + steps, swivels)
        turned = np.moveaxis((middles[1:] - middles[0]) / _STEP, 0, -1)  # (4, T, 3, 3), by the goal
        line = goals / np.maximum(np.linalg.norm(goals, axis=-1, keepdims=True), 1e-9)
        swing = cross(line, middles[0])
        for limb, side in enumerate(("l", "r")):
            shoulder, elbow, wrist, tip = (row[limb] for row in (_SHOULDERS, _ELBOWS, _WRISTS, _TIPS))
            for point in (elbow, wrist, tip):
                out[:, point] = out[:, shoulder]
            out[:, elbow, :, WRIST[side]] = turned[limb]
            out[:, elbow, :, SWIVEL[side]] = swing[limb][..., None]
            out[:, wrist, :, WRIST[side]] = out[:, tip, :, WRIST[side]] = np.eye(3)
            hip, knee = _HIPS[limb], _KNEES[limb]
            out[:, knee] = out[:, hip] - turned[2 + limb] @ out[:, hip]
        return out

    @cached_property
    def _limbs(self) -> Limb:
        """Left and right arm, left and right leg, (4, T, ...)."""
        parts = (_LIMB_STARTS, _MIDDLES, _LIMB_ENDS)
        start, middle, end = (np.moveaxis(self.points[:, part], 1, 0) for part in parts)
        hinge = np.stack([self.hinge[limb, side] for limb in LIMBS for side in ("l", "r")])
        return Limb.of(start, middle, end, hinge)

    def _goals(self, x: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Wrists and ankles as seen from shoulders and hips (..., 4, T, 3), in the order of `_limbs`."""
        arms = (
            self.points[:, _WRISTS]
            - self.points[:, _SHOULDERS]
            + np.stack([x[..., variables] for variables in WRIST.values()], axis=-2)
        )
        legs = points[..., _ANKLES, :] - points[..., _HIPS, :]
        return np.moveaxis(np.concatenate([arms, legs], axis=-2), -2, -3)

    @cached_property
    def _levers(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """From pelvis and last spine bone (T, 2, 3), (T, 3, 3) to hips, and to what carries shoulders and
        neck; and the clavicles (T, 2, 3), zero where there are none."""
        hips = self.points[:, _HIPS] - self.chain[:, :1]
        shoulders = self.points[:, _SHOULDERS]
        heads = [self.collars.get(s, shoulders[:, k]) for k, s in enumerate(("l", "r"))]
        carried = np.stack([*heads, self.neck], axis=1)
        return hips, carried - self.chain[:, -1:], shoulders - carried[:, :2]

    def _trunk(self, x: np.ndarray) -> np.ndarray:
        """The points (..., T, 18, 3) with hips, shoulders, head and crown in their new places."""
        out = np.broadcast_to(self.points, (*x.shape[:-1], len(POINTS), 3)).copy()
        shift, lean = x[..., None, SHIFT], x[..., None, LEAN]
        hips, carried, clavicles = self._levers
        turns = quat_exp(lean * self.shares[:, None])
        pieces = np.diff(self.chain, axis=1)
        base = shift + (quat_rotate(turns[..., :-1, :], pieces) - pieces).sum(axis=-2, keepdims=True)
        out[..., _HIPS, :] = self.chain[:, :1] + shift + quat_rotate(turns[..., :1, :], hips)
        places = self.chain[:, -1:] + base + quat_rotate(turns[..., -1:, :], carried)
        # Clavicles keep their direction in the world like every limb, but for what they are asked for.
        wish = clavicles + np.stack([x[..., v] for v in COLLAR.values()], axis=-2)
        length, size = (np.linalg.norm(v, axis=-1, keepdims=True) for v in (clavicles, wish))
        out[..., _SHOULDERS, :] = places[..., :2, :] + wish * (length / np.maximum(size, 1e-9))
        turn = quat_exp(lean[..., 0, :] * (NECK_SHARE * self.shares[-1]))
        out[..., _HEAD, :] = places[..., 2, :] + quat_rotate(turn, self.points[:, _HEAD] - self.neck)
        out[..., _CROWN, :] = out[..., _HEAD, :] + self.points[:, _CROWN] - self.points[:, _HEAD]
        return out


def _swivels(x: np.ndarray) -> np.ndarray:
    """By how much (..., 4, T, 1) the planes of arms and legs are turned."""
    arms = np.moveaxis(x[..., [v.start for v in SWIVEL.values()]], -1, -2)[..., None]
    return np.concatenate([arms, np.zeros_like(arms)], axis=-3)


def _limb_length(points: np.ndarray, names: tuple[str, ...]) -> float:
    """Length in metres of a limb, mean of both sides."""
    total = 0.0
    for side in ("l", "r"):
        ids = [POINTS.index(f"{side}_{name}") for name in names]
        total += float(np.linalg.norm(np.diff(points[0, ids], axis=0), axis=-1).sum())
    return total / 2
