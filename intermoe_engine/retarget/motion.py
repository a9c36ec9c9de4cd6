# SPDX-License-Identifier: GPL-3.0-or-later
"""The result for one rig: what to key, and where every bone will then be."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..atomic import replacing
from ..npz import ArraysError, read_arrays
from .errors import RigError

SCHEMA = 1


@dataclass(frozen=True)
class RigMotion:
    """Keys of one rig over T frames.

    bones: the K keyed pose bones; rotations (T, K, 4): rotation of each one's `matrix_basis` (w, x, y, z),
    without sign flips in time. root_bone: the pose bone whose `location` is root_locations (T, 3), in
    armature units; it need not be one of `bones`. heads_world (T, N, 3): predicted heads of all bones of
    the rig in canonical metres, in the order of the description. properties: (pose bone, custom property,
    value) to set once, so that the keyed controls drive the rig.
    """

    fps: float
    bones: list[str]
    rotations: np.ndarray
    root_bone: str
    root_locations: np.ndarray
    heads_world: np.ndarray
    properties: tuple[tuple[str, str, float], ...] = ()

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
            "property_names": np.array([[b, p] for b, p, _ in self.properties], dtype=str).reshape(-1, 2),
            "property_values": np.array([v for _, _, v in self.properties], dtype=float),
        }
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)
        return path

    @staticmethod
    def load(path: str | os.PathLike[str]) -> RigMotion:
        """Read a saved motion; RigError if it is not one."""
        try:
            data = read_arrays(path, limit=4 << 30)
            if int(data["schema"]) > SCHEMA:
                raise RigError(f"'{path}' was written by a newer version; update this one.")
            names, values = data["property_names"], data["property_values"]
            return RigMotion(
                float(data["fps"]),
                [str(b) for b in data["bones"]],
                data["rotations"],
                str(data["root_bone"]),
                data["root_locations"],
                data["heads_world"],
                tuple((str(b), str(p), float(v)) for (b, p), v in zip(names, values, strict=True)),
            )
        except (ArraysError, OSError, KeyError, TypeError, ValueError) as error:
            raise RigError(
                f"'{path}' is not a retargeted motion ({error}); retarget the take again."
            ) from error
