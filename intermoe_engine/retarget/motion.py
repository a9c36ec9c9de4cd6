# SPDX-License-Identifier: GPL-3.0-or-later
"""The result for one rig: what to key, and where every bone will then be."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..npz import ArraysError, read_arrays, write_arrays
from .errors import RigError

SCHEMA = 2


@dataclass(frozen=True)
class RigMotion:
    """Keys of one rig over T frames.

    bones: the K keyed pose bones; rotations (T, K, 4): rotation of each one's `matrix_basis` (w, x, y, z),
    without sign flips in time. root_bone: the pose bone whose `location` is root_locations (T, 3), in
    armature units; it need not be one of `bones`. heads_world (T, N, 3): predicted heads of all bones of
    the rig in canonical metres, in the order of the description. properties: (pose bone, custom property,
    value) to set once, so that the keyed controls drive the rig. locations: `location` (T, 3) of further
    pose bones, in armature units. constraint_values: (pose bone, constraint, property, value) to set once.
    """

    fps: float
    bones: list[str]
    rotations: np.ndarray
    root_bone: str
    root_locations: np.ndarray
    heads_world: np.ndarray
    properties: tuple[tuple[str, str, float], ...] = ()
    locations: dict[str, np.ndarray] = field(default_factory=dict)
    constraint_values: tuple[tuple[str, str, str, float], ...] = ()

    @property
    def frames(self) -> int:
        return len(self.rotations)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write as .npz without pickle; an existing file is replaced once the new one is complete."""
        path = Path(path)
        arrays = {
            "schema": np.array(SCHEMA),
            "fps": np.array(float(self.fps)),
            "bones": np.array(self.bones),
            "rotations": self.rotations,
            "root_bone": np.array(self.root_bone),
            "root_locations": self.root_locations,
            "heads_world": self.heads_world,
            "location_bones": np.array(list(self.locations), dtype=str),
            "locations": np.array(list(self.locations.values())).reshape(-1, self.frames, 3),
            **_held_arrays("property", self.properties),
            **_held_arrays("constraint", self.constraint_values),
        }
        write_arrays(path, arrays)
        return path

    @staticmethod
    def load(path: str | os.PathLike[str]) -> RigMotion:
        """Read a saved motion; RigError if it is not one."""
        try:
            data = read_arrays(path, limit=4 << 30)
            if int(data["schema"]) > SCHEMA:
                raise RigError(f"'{path}' was written by a newer version; update this one.")
            return RigMotion(
                float(data["fps"]),
                [str(b) for b in data["bones"]],
                data["rotations"],
                str(data["root_bone"]),
                data["root_locations"],
                data["heads_world"],
                tuple((bone, prop, value) for (bone, prop), value in _held(data, "property")),
                {str(b): path for b, path in zip(data["location_bones"], data["locations"], strict=True)},
                tuple((*names, value) for names, value in _held(data, "constraint")),
            )
        except (ArraysError, OSError, KeyError, TypeError, ValueError) as error:
            raise RigError(
                f"'{path}' is not a retargeted motion ({error}); retarget the take again."
            ) from error


def _held_arrays(name: str, held: Sequence[tuple[Any, ...]]) -> dict[str, np.ndarray]:
    """Names and values as two arrays; the value is each entry's last."""
    names = np.array([entry[:-1] for entry in held], dtype=str)
    values = np.array([entry[-1] for entry in held], dtype=float)
    return {f"{name}_names": names, f"{name}_values": values}


def _held(data: Mapping[str, np.ndarray], name: str) -> Iterator[tuple[Any, float]]:
    for names, value in zip(data[f"{name}_names"], data[f"{name}_values"], strict=True):
        yield tuple(str(part) for part in names), float(value)
