# SPDX-License-Identifier: GPL-3.0-or-later
"""People from files without units onto the project's ground: metres, y up, the floor at y = 0.

What two people of one capture share, they keep sharing: one unit, one up axis, one floor, one clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.rotations import (
    Array,
    matrix_to_quat,
    quat_continuous,
    quat_from_axis_angle,
    quat_multiply,
    quat_rotate,
    quat_slerp,
)
from intermoe_engine.skeleton import SMPL22

from .checks import DataError
from .humanoid import Body
from .pair_clip import PairClip
from .single_clip import SingleClip

ADULT_LEG = 0.87
"""Metres from hip joint to ankle joint of an adult of 1.77 m, where a file's unit cannot be told."""
_ADULT_LEGS = (0.70, 1.08)
_ANY_LEGS = (0.30, 1.25)
_UNITS = (1.0, 0.01, 0.0254, 0.001, 0.3048, 0.0254 / 0.45)
"""Metres, centimetres, inches, millimetres, feet, and CMU's skeletons."""
_TOE_HEIGHT = 0.02
_TOE_PERCENT = 10.0
_SAME_FLOOR = 0.06
_TOES = (10, 11)
_HUMAN_TRUNKS = (0.45, 1.1)
"""Pelvis to head over leg: 0.76 in SMPL, 0.62 to 0.70 in captures, 1.8 in a cartoon."""
_AXES = {"x": (1.0, 0, 0), "y": (0, 1.0, 0), "z": (0, 0, 1.0)}
_LEANING = np.cos(np.radians(35.0))


@dataclass(frozen=True)
class Person:
    """One person's tracks, metres and y up: root (T, 3), local rotations (T, 22, 4), offsets (22, 3)."""

    root: Array
    rotations: Array
    offsets: Array

    @property
    def leg(self) -> float:
        """Upper plus lower leg in metres, mean of both sides."""
        joints = [SMPL22.index(name) for name in ("l_knee", "r_knee", "l_ankle", "r_ankle")]
        return float(np.linalg.norm(self.offsets[joints], axis=-1).sum() / 2)

    def positions(self) -> Array:
        """Joint positions (T, 22, 3)."""
        return forward_kinematics(self.root, self.rotations, SMPL22.parents, self.offsets)[0]


def metres_per_unit(legs: Sequence[float], stated: float | None = None) -> float:
    """Metres in a file's unit, from the legs of the people in it (in units) and what the file states.

    The usual unit that gives them human legs; where none does (scaled or stylised skeletons), the one that
    gives their mean an adult's. One number for all: a child beside an adult stays small.
    """
    mean = float(np.mean(legs))
    if not mean > 0:
        raise DataError("the legs have no length; give the unit with --scale (metres per unit)")
    for unit in ((stated,) if stated else ()) + _UNITS:
        each = np.array(legs) * unit
        if (
            _ADULT_LEGS[0] <= mean * unit <= _ADULT_LEGS[1]
            and each.min() >= _ANY_LEGS[0]
            and each.max() <= _ANY_LEGS[1]
        ):
            return unit
    return ADULT_LEG / mean


def up_axis(bodies: Sequence[Body], asked: str | None = None) -> Array:
    """The axis (3,) of the file that points up: as asked ("y", "-z" …), else as people stand.

    That of the rest pose, unless nine tenths of the motion stand along another axis.
    """
    if asked:
        sign = -1.0 if asked.startswith("-") else 1.0
        if asked.lstrip("+-") not in _AXES:
            raise DataError(f"no axis {asked!r}; the up axis is one of x, y, z, -x, -y, -z")
        return sign * np.array(_AXES[asked.lstrip("+-")])
    rest = _nearest_axis(np.mean([body.up for body in bodies], axis=0))
    trunk = np.concatenate([_unit(quat_rotate(b.rotations[:, 0], np.array([0.0, 1.0, 0.0]))) for b in bodies])
    moving = _nearest_axis(trunk.mean(axis=0))
    return moving if np.mean(trunk @ moving > _LEANING) >= 0.9 else rest


def upright(body: Body, up: Array, unit: float) -> Person:
    """A body in metres, y up, wherever its floor is."""
    turn = _turn_up(up)
    rotations = np.array(body.rotations)
    local = body.local_rotations
    local[:, 0] = quat_multiply(turn, rotations[:, 0])
    return Person(
        unit * quat_rotate(turn, body.root), quat_continuous(local), _without_root(body.offsets * unit)
    )


def resampled(person: Person, fps: float, to: float) -> Person:
    """The same motion sampled at `to` frames a second; the first frame stays."""
    if abs(fps - to) < 1e-3 * to:
        return person
    count = int(np.floor((len(person.root) - 1) * to / fps + 1e-4)) + 1
    times = np.arange(count) * fps / to
    low = np.minimum(times.astype(int), len(person.root) - 1)
    high = np.minimum(low + 1, len(person.root) - 1)
    part = (times - low)[:, None]
    root = person.root[low] + (person.root[high] - person.root[low]) * part
    return Person(root, quat_slerp(person.rotations[low], person.rotations[high], part), person.offsets)


def on_the_floor(people: Sequence[Person], soles: Sequence[float] | None = None) -> list[Person]:
    """The people lowered so that planted toes are at SMPL's height above y = 0.

    Each by their own soles where these agree within shoes and fitting errors; where they do not, somebody is
    carried, climbs or sits, and all go by the lowest. soles: their heights in metres where they are known,
    else they are found in the motion.
    """
    heights = np.array([_sole(person) for person in people] if soles is None else soles)
    if np.ptp(heights) > _SAME_FLOOR:
        heights = np.full(len(people), heights.min())
    return [
        Person(p.root - [0.0, height, 0.0], p.rotations, p.offsets)
        for p, height in zip(people, heights, strict=True)
    ]


def sole_at_rest(body: Body, up: Array, unit: float) -> float | None:
    """Height in metres of the soles over the ground of a scene (up · x = 0) at rest; None if not standing."""
    toes = float((body.toes_at_rest @ up).min()) * unit
    return toes - _TOE_HEIGHT if -_SAME_FLOOR < toes < 0.2 * ADULT_LEG else None


def is_stylised(person: Person) -> bool:
    """Whether a person's proportions are a cartoon's: the way from pelvis to head against the leg."""
    joints = [SMPL22.index(name) for name in ("spine1", "spine2", "spine3", "neck", "head")]
    trunk = float(np.linalg.norm(person.offsets[joints], axis=-1).sum())
    low, high = _HUMAN_TRUNKS
    return not low <= trunk / person.leg <= high


def on_human_bones(person: Person) -> Person:
    """The same rotations on SMPL's proportions, for a person on the floor with stylised ones.

    Legs keep their length, so that steps stay steps. The lowest of ankles and toes keeps its height above
    where it is when the foot is flat, so that feet stand where they stood, whatever the boots were.
    """
    offsets = SMPL22.offsets * person.leg / Person(person.root, person.rotations, SMPL22.offsets).leg
    hips = [SMPL22.index(f"{s}_hip") for s in "lr"]
    middle = person.root + quat_rotate(person.rotations[:, 0], person.offsets[hips].mean(axis=0))
    root = middle - quat_rotate(person.rotations[:, 0], offsets[hips].mean(axis=0))
    human = Person(root, person.rotations, offsets)
    wanted = _clearance(person)
    # Lying, boots sink in by their own size.
    wanted = np.where(wanted < 0, wanted * _flat_ankle(human) / _flat_ankle(person), wanted)
    root[:, 1] += wanted - _clearance(human)
    return human


def _flat_ankle(person: Person) -> float:
    """Height in metres of the ankles above the floor when the feet are flat."""
    return _TOE_HEIGHT - float(person.offsets[[SMPL22.index(f"{s}_foot") for s in "lr"], 1].mean())


def _clearance(person: Person) -> Array:
    """Metres (T,) from a flat foot on the floor to the lowest of ankles and toes."""
    ankles = [SMPL22.index(f"{s}_ankle") for s in "lr"]
    heights = person.positions()[..., 1]
    above = [heights[:, ankles] - _flat_ankle(person), heights[:, _TOES] - _TOE_HEIGHT]
    return np.concatenate(above, axis=1).min(axis=1)


def moved(person: Person, x: float, z: float, turn_degrees: float) -> Person:
    """A person turned about the vertical through the first frame's pelvis, then shifted by x and z metres."""
    turn = quat_from_axis_angle(np.array([0.0, 1.0, 0.0]), np.radians(turn_degrees))
    pivot = person.root[0] * [1.0, 0.0, 1.0]
    rotations = np.array(person.rotations)
    rotations[:, 0] = quat_multiply(turn, rotations[:, 0])
    root = quat_rotate(turn, person.root - pivot) + pivot + [x, 0.0, z]
    return Person(root, rotations, person.offsets)


def single_clip(name: str, person: Person, fps: float, source: str) -> SingleClip:
    """A person as a clip of their own."""
    return SingleClip(name, fps, person.root, person.rotations, person.offsets, source)


def pair_clip(
    name: str, people: Sequence[Person], fps: float, source: str, roles: tuple[str, str] = ("", "")
) -> PairClip:
    """Two people with the same number of frames as a pair."""
    a, b = people
    return PairClip(
        name,
        fps,
        np.stack([a.root, b.root]),
        np.stack([a.rotations, b.rotations]),
        np.stack([a.offsets, b.offsets]),
        roles,
        source=source,
    )


def _sole(person: Person) -> float:
    toes = person.positions()[:, _TOES, 1].min(axis=1)
    return float(np.percentile(toes, _TOE_PERCENT)) - _TOE_HEIGHT


def _turn_up(up: Array) -> Array:
    """The rotation (4,) that brings a file's up axis to +y and leaves the x axis alone where it can."""
    y = np.asarray(up, dtype=float)
    x = np.array([1.0, 0.0, 0.0]) if abs(y[0]) < 0.5 else np.array([0.0, 1.0, 0.0])
    x = x - (x @ y) * y
    x /= np.linalg.norm(x)
    return matrix_to_quat(np.stack([x, y, np.cross(x, y)]))


def _nearest_axis(direction: Array) -> Array:
    axis = np.zeros(3)
    largest = int(np.argmax(np.abs(direction)))
    axis[largest] = np.sign(direction[largest]) or 1.0
    return axis


def _without_root(offsets: Array) -> Array:
    offsets = np.array(offsets)
    offsets[0] = 0.0
    return offsets


def _unit(v: Array) -> Array:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)
