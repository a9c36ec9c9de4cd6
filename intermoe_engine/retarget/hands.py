# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands that hold each other in the take keep holding each other on characters of other sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..intervals import runs
from .smoothing import cover, hysteresis
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
            for start, end in zip(*runs(active), strict=True):
                if (end - start) / fps < shortest:
                    active[start:end] = False
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
    one arm is too short the other comes further: the pair moves to the nearest place in both arms' reach.
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
        middle = nearest_in_both(
            middle, arm_a.shoulder + half, _reach(arm_a), arm_b.shoulder - half, _reach(arm_b)
        )
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


def nearest_in_both(
    point: np.ndarray, centre_a: np.ndarray, radius_a: np.ndarray, centre_b: np.ndarray, radius_b: np.ndarray
) -> np.ndarray:
    """The point (T, 3) of two balls' common part that is nearest to `point` (T, 3).

    centre (T, 3), radius (T, 1). Balls that do not meet give the point between them, equally far outside
    both. Closed form: inside one ball, on the other's surface, or on the circle where the surfaces cross.
    """
    on_a, on_b = _into_ball(point, centre_a, radius_a), _into_ball(point, centre_b, radius_b)
    between = centre_b - centre_a
    distance = np.maximum(np.linalg.norm(between, axis=-1, keepdims=True), 1e-9)
    axis = between / distance
    along = (distance**2 + radius_a**2 - radius_b**2) / (2 * distance)
    apart = distance > radius_a + radius_b
    along = np.where(apart, (distance + radius_a - radius_b) / 2, along)
    centre = centre_a + along * axis
    rim = np.sqrt(np.maximum(radius_a**2 - along**2, 0.0))
    flat = point - centre
    flat = flat - np.sum(flat * axis, axis=-1, keepdims=True) * axis
    flat = flat / np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-9)
    best = np.where(apart, centre, centre + rim * flat)
    best = np.where(_is_inside(on_b, centre_a, radius_a), on_b, best)
    return np.where(_is_inside(on_a, centre_b, radius_b), on_a, best)


def _into_ball(point: np.ndarray, centre: np.ndarray, radius: np.ndarray) -> np.ndarray:
    away = point - centre
    distance = np.linalg.norm(away, axis=-1, keepdims=True)
    return centre + away * np.minimum(1.0, radius / np.maximum(distance, 1e-9))


def _is_inside(point: np.ndarray, centre: np.ndarray, radius: np.ndarray) -> np.ndarray:
    return np.linalg.norm(point - centre, axis=-1, keepdims=True) <= radius + 1e-9


def _reach(arm: ArmReach) -> np.ndarray:
    """Nearly straight at most, or as straight as the arm is already: (T, 1) metres."""
    stretched = np.linalg.norm(arm.wrist - arm.shoulder, axis=-1, keepdims=True)
    return np.maximum(0.995 * arm.length, stretched)
