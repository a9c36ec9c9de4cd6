# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands that hold each other in the take keep holding each other on characters of other sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .smoothing import cover, hysteresis, intervals
from .source import SIDE_JOINTS, SourceActor


@dataclass(frozen=True)
class HandContact:
    """A hand of A near a hand of B: active (T,) bool, weight (T,) 0..1, offset (T, 3) from A's wrist to
    B's in the source."""

    side_a: str
    side_b: str
    active: np.ndarray
    weight: np.ndarray
    offset: np.ndarray


def find_hand_contacts(
    a: SourceActor,
    b: SourceActor,
    fps: float,
    enter: float = 0.18,
    leave: float = 0.22,
    shortest: float = 0.1,
) -> list[HandContact]:
    """Where wrists of A and B are within `enter` metres, until they part beyond `leave`.

    Runs shorter than `shortest` seconds are passing hands, not a hold.
    """
    out: list[HandContact] = []
    for side_a in ("l", "r"):
        for side_b in ("l", "r"):
            wrist_a = a.positions[:, SIDE_JOINTS[side_a]["wrist"]]
            wrist_b = b.positions[:, SIDE_JOINTS[side_b]["wrist"]]
            offset = wrist_b - wrist_a
            active = hysteresis(np.linalg.norm(offset, axis=-1), enter, leave)
            first, last = intervals(active)
            for start, end in zip(first, last, strict=True):
                if (end - start + 1) / fps < shortest:
                    active[start : end + 1] = False
            if active.any():
                weight = cover(active.astype(float), max(1, round(0.15 * fps)))
                out.append(HandContact(side_a, side_b, active, weight, offset))
    return out


@dataclass(frozen=True)
class ArmReach:
    """A target arm: shoulder (T, 3), wrist (T, 3) and the two bones' total length in metres."""

    shoulder: np.ndarray
    wrist: np.ndarray
    length: float


def wrist_goals(
    contacts: list[HandContact], arms_a: dict[str, ArmReach], arms_b: dict[str, ArmReach], scale: float
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Wrist goals (T, 3) of both actors, by side, for the hands that take part in a contact.

    A pair of wrists is centred where the two are now, apart by the source's offset times `scale`. Where
    one arm is too short the other comes further: the pair is moved into both arms' reach in turn.
    """
    sums: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] = ({}, {})
    weights: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] = ({}, {})
    strongest: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] = ({}, {})
    for contact in contacts:
        if contact.side_a not in arms_a or contact.side_b not in arms_b:
            continue
        arm_a, arm_b = arms_a[contact.side_a], arms_b[contact.side_b]
        half = 0.5 * scale * contact.offset
        middle = 0.5 * (arm_a.wrist + arm_b.wrist)
        for _ in range(24):
            middle = _within(middle - half, arm_a) + half
            middle = _within(middle + half, arm_b) - half
        for k, (side, arm, goal) in enumerate(
            ((contact.side_a, arm_a, middle - half), (contact.side_b, arm_b, middle + half))
        ):
            w = contact.weight[:, None]
            zero = np.zeros_like(w)
            sums[k][side] = sums[k].get(side, zero) + w * (goal - arm.wrist)
            weights[k][side] = weights[k].get(side, zero) + w
            strongest[k][side] = np.maximum(strongest[k].get(side, zero), w)
    goals: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] = ({}, {})
    for k, arms in enumerate((arms_a, arms_b)):
        for side, total in sums[k].items():
            shift = total / np.maximum(weights[k][side], 1e-9) * strongest[k][side]
            goals[k][side] = arms[side].wrist + shift
    return goals


def _within(point: np.ndarray, arm: ArmReach) -> np.ndarray:
    away = point - arm.shoulder
    distance = np.linalg.norm(away, axis=-1, keepdims=True)
    return arm.shoulder + away * np.minimum(1.0, 0.995 * arm.length / np.maximum(distance, 1e-9))
