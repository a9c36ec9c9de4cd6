# SPDX-License-Identifier: GPL-3.0-or-later
"""Rig definitions of MPFB (MakeHuman in Blender) as RigDescriptions: heads, tails, rolls and parents.

Source: MPFB 2, src/mpfb/data/rigs/standard/rig.*.json (CC0); rolls as in Blender's `EditBone.roll`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..retarget.errors import RigError
from ..retarget.rig import RigDescription
from ..rotations import quat_between, quat_from_axis_angle, quat_to_matrix

_Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


def read_mpfb_rig(path: str | Path) -> RigDescription:
    """The rig at the default positions of the base mesh, z up in armature space. Raises RigError."""
    path = Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        bones = document.get("bones", document)
        names = list(bones)
        number = {name: i for i, name in enumerate(names)}
        parents = np.array([number.get(bones[n]["parent"], -1) for n in names])
        heads, tails = (
            np.array([bones[n][end]["default_position"] for n in names], dtype=float)
            for end in ("head", "tail")
        )
        rolls = np.array([float(bones[n].get("roll", 0.0)) for n in names])
        flags = {
            key: np.array([bool(bones[n].get(field, default)) for n in names])
            for key, field, default in (
                ("connected", "use_connect", False),
                ("inherit_rotation", "use_inherit_rotation", True),
                ("use_local_location", "use_local_location", True),
            )
        }
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise RigError(f"'{path.name}' is no MPFB rig definition ({error}).") from error
    lengths = np.linalg.norm(tails - heads, axis=-1)
    matrices = np.tile(np.eye(4), (len(names), 1, 1))
    y = np.array([0.0, 1.0, 0.0])
    turn = quat_to_matrix(quat_between(np.broadcast_to(y, heads.shape), tails - heads))
    matrices[:, :3, :3] = turn @ quat_to_matrix(quat_from_axis_angle(y, rolls))
    matrices[:, :3, 3] = heads
    return RigDescription(
        path.stem,
        names,
        parents,
        matrices,
        lengths,
        _Z_UP,
        connected=flags["connected"],
        inherit_rotation=flags["inherit_rotation"],
        use_local_location=flags["use_local_location"],
    )
