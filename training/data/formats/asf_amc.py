# SPDX-License-Identifier: GPL-3.0-or-later
"""Acclaim skeletons (ASF) and motions (AMC), plain or gzipped.

After J. Lander, "Working with Motion Capture File Formats", Game Developer, January 1998: a bone's rotation
is C M C⁻¹, with C its `axis` and M the angles of its degrees of freedom, the first listed applied first;
the bone then reaches from its parent's end along `direction` for `length`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from intermoe_engine.errors import EngineError
from intermoe_engine.rotations import (
    Array,
    quat_conjugate,
    quat_from_axis_angle,
    quat_multiply,
    quat_rotate,
)

from ..files import read_text

AMC_FPS = 120.0
"""AMC files do not say their rate; CMU's were captured at 120 frames a second."""
_INCH = 0.0254
_AXES = {"x": np.array([1.0, 0, 0]), "y": np.array([0, 1.0, 0]), "z": np.array([0, 0, 1.0])}
_FREEDOMS = ("tx", "ty", "tz", "rx", "ry", "rz", "l")


class AcclaimError(EngineError, ValueError):
    """An ASF or AMC file that cannot be read; the message says where and why."""


@dataclass(frozen=True)
class AcclaimSkeleton:
    """An ASF file in its own units, joint 0 being "root".

    names (N,), parents (N,) before their children, ends (N, 3): from a bone's start to its end at rest,
    axes (N, 4): the rotation C of its channels, freedoms: the channels of each bone in the file's order,
    root_position (3,), radians: whether the file's angles are radians, metres_per_unit: from the header
    (the unit is 1/length inches), None where there is none.
    """

    names: tuple[str, ...]
    parents: np.ndarray
    ends: Array
    axes: Array
    freedoms: tuple[tuple[str, ...], ...]
    root_position: Array
    radians: bool
    metres_per_unit: float | None

    @property
    def rest_heads(self) -> Array:
        """Where the bones start (N, 3) at rest."""
        heads = np.zeros((len(self.names), 3)) + self.root_position
        for bone in range(1, len(self.names)):
            heads[bone] = heads[self.parents[bone]] + self.ends[self.parents[bone]]
        return heads

    @property
    def rest_tails(self) -> Array:
        """Where the bones end (N, 3) at rest."""
        return self.rest_heads + self.ends

    def pose(self, motion: AcclaimMotion) -> tuple[Array, Array]:
        """Where the bones start (T, N, 3) and their global rotations since the rest pose (T, N, 4)."""
        frames = len(motion.values[0])
        positions = np.zeros((frames, len(self.names), 3))
        turns = np.zeros((frames, len(self.names), 4))
        for bone, parent in enumerate(self.parents):
            moved, turn = self._local(bone, motion.values[bone], motion.radians)
            if parent < 0:
                positions[:, bone], turns[:, bone] = self.root_position + moved, turn
            else:
                end = self.ends[parent] + moved
                positions[:, bone] = positions[:, parent] + quat_rotate(turns[:, parent], end)
                turns[:, bone] = quat_multiply(turns[:, parent], turn)
        return positions, turns

    def _local(self, bone: int, values: Array, radians: bool) -> tuple[Array, Array]:
        """Translation (T, 3) and rotation (T, 4) of a bone from its channels (T, C)."""
        moved = np.zeros((len(values), 3))
        turn = np.tile([1.0, 0.0, 0.0, 0.0], (len(values), 1))
        for column, freedom in enumerate(self.freedoms[bone]):
            channel = values[:, column]
            if freedom[0] == "r":
                angle = channel if radians else np.radians(channel)
                turn = quat_multiply(quat_from_axis_angle(_AXES[freedom[1]], angle), turn)
            elif freedom[0] == "t":
                moved[:, "xyz".index(freedom[1])] = channel
        axis = self.axes[bone]
        if bone == 0:  # the root's orientation at rest is its axis itself
            return moved, quat_multiply(axis, turn)
        return moved, quat_multiply(quat_multiply(axis, turn), quat_conjugate(axis))


@dataclass(frozen=True)
class AcclaimMotion:
    """An AMC file: values[n] (T, C) are the channels of bone n in the order of its skeleton's freedoms."""

    values: tuple[Array, ...]
    radians: bool
    fps: float


def read_asf(path: str | os.PathLike[str]) -> AcclaimSkeleton:
    """Read a skeleton. Raises AcclaimError, OSError."""
    try:
        return _skeleton(_sections(read_text(path)))
    except (IndexError, KeyError, ValueError) as error:
        raise AcclaimError(f"{path}: not a readable ASF skeleton ({error})") from None


def read_amc(path: str | os.PathLike[str], skeleton: AcclaimSkeleton, fps: float = AMC_FPS) -> AcclaimMotion:
    """Read a motion of `skeleton`, taken as `fps` frames a second. Raises AcclaimError, OSError.

    A bone that a frame does not name stays at rest; one that the skeleton does not know is an error.
    """
    index = {name: i for i, name in enumerate(skeleton.names)}
    rows: list[list[list[str]]] = [[] for _ in skeleton.names]
    owners: list[list[int]] = [[] for _ in skeleton.names]
    frame, radians = -1, skeleton.radians
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith(":"):
            radians = {":RADIANS": True, ":DEGREES": False}.get(words[0].upper(), radians)
        elif len(words) == 1 and words[0].isdigit():
            frame += 1
        else:
            bone = index.get(words[0])
            if bone is None or frame < 0:
                raise AcclaimError(f"{path}, line {number}: the skeleton has no bone called {words[0]}")
            if len(words) - 1 != len(skeleton.freedoms[bone]):
                count = len(skeleton.freedoms[bone])
                raise AcclaimError(f"{path}, line {number}: {words[0]} has {count} channels in the skeleton")
            rows[bone].append(words[1:])
            owners[bone].append(frame)
    if frame < 0:
        raise AcclaimError(f"{path}: holds no frames")
    values = []
    for bone, freedoms in enumerate(skeleton.freedoms):
        channels = np.zeros((frame + 1, len(freedoms)))
        try:
            if rows[bone]:
                channels[owners[bone]] = np.array(rows[bone], dtype=float)
        except ValueError as error:
            raise AcclaimError(f"{path}: {skeleton.names[bone]}: {error}") from None
        if not np.isfinite(channels).all():
            raise AcclaimError(f"{path}: {skeleton.names[bone]} holds numbers that are not finite")
        values.append(channels)
    return AcclaimMotion(tuple(values), radians, fps)


def _sections(text: str) -> dict[str, list[list[str]]]:
    """The lines of each `:section` as words; the heading's own words come first."""
    sections: dict[str, list[list[str]]] = {}
    current: list[list[str]] = []
    for line in text.splitlines():
        words = line.split("#")[0].replace("(", " ").replace(")", " ").split()
        if words and words[0].startswith(":"):
            current = sections.setdefault(words[0][1:].lower(), [])
            words = words[1:]
        if words:
            current.append(words)
    return sections


def _skeleton(sections: dict[str, list[list[str]]]) -> AcclaimSkeleton:
    units = {words[0].lower(): words[1] for words in sections.get("units", []) if len(words) > 1}
    radians = units.get("angle", "deg").lower().startswith("rad")
    root = {words[0].lower(): words[1:] for words in sections["root"]}
    bones = {"root": _root(root, radians)}
    for fields in _blocks(sections["bonedata"]):
        direction = np.array(fields["direction"][:3], dtype=float)
        direction /= np.linalg.norm(direction) or 1.0
        freedoms = tuple(word.lower() for word in fields.get("dof", []))
        bones[fields["name"][0]] = (
            direction * float(fields["length"][0]),
            _axis(fields["axis"][:3], fields["axis"][3] if len(fields["axis"]) > 3 else "XYZ", radians),
            freedoms,
        )
    parents = _parents(sections["hierarchy"])
    names = ["root"]
    for name in names:  # grows while it is read: parents come before their children
        names += [child for child, parent in parents.items() if parent == name]
    for name in names:
        if unknown := [f for f in bones[name][2] if f not in _FREEDOMS]:
            raise ValueError(f"bone {name} has the unknown channel {unknown[0]}")
    length = float(units["length"]) if "length" in units else 0.0
    return AcclaimSkeleton(
        tuple(names),
        np.array([-1] + [names.index(parents[name]) for name in names[1:]]),
        np.stack([bones[name][0] for name in names]),
        np.stack([bones[name][1] for name in names]),
        tuple(bones[name][2] for name in names),
        np.array(root.get("position", ["0", "0", "0"])[:3], dtype=float),
        radians,
        _INCH / length if length > 0 else None,
    )


def _root(root: dict[str, list[str]], radians: bool) -> tuple[Array, Array, tuple[str, ...]]:
    order = tuple(word.lower() for word in root["order"])
    axis = _axis(root.get("orientation", ["0", "0", "0"]), root.get("axis", ["XYZ"])[0], radians)
    return np.zeros(3), axis, order


def _axis(angles: list[str], order: str, radians: bool) -> Array:
    """The rotation (4,) of three angles, one for each letter of `order`, the first applied first."""
    values = np.array(angles[:3], dtype=float)
    values = values if radians else np.radians(values)
    turn = np.array([1.0, 0.0, 0.0, 0.0])
    for letter, angle in zip(order.lower(), values, strict=True):
        turn = quat_multiply(quat_from_axis_angle(_AXES[letter], angle), turn)
    return turn


def _blocks(lines: list[list[str]]) -> Iterator[dict[str, list[str]]]:
    """The `begin … end` blocks as keyword -> words; lines of numbers alone go on with `limits`."""
    fields: dict[str, list[str]] = {}
    for words in lines:
        keyword = words[0].lower()
        if keyword == "begin":
            fields = {}
        elif keyword == "end":
            yield fields
        else:
            fields.setdefault(keyword, words[1:])


def _parents(lines: list[list[str]]) -> dict[str, str]:
    parents: dict[str, str] = {}
    for words in lines:
        if words[0].lower() not in ("begin", "end"):
            for child in words[1:]:
                if child in parents:
                    raise ValueError(f"bone {child} has two parents")
                parents[child] = words[0]
    return parents
