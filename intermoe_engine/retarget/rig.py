# SPDX-License-Identifier: GPL-3.0-or-later
"""A target armature as plain numbers: read once, then no Blender is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .constraints import RigConstraint
from .errors import RigError


def _unset() -> np.ndarray:
    return np.zeros(0, dtype=bool)


@dataclass(frozen=True)
class RigDescription:
    """The rest state of one armature of N bones.

    name: the armature object's name. bone_names: unique. parents (N,): -1 where there is none; any order.
    rest_matrices (N, 4, 4): bone to armature space at rest, the bone lying along its local +Y (Blender's
    `Bone.matrix_local`). lengths (N,): bone lengths in armature units. world_matrix (4, 4): armature space
    to canonical world (metres, y up); it may translate, rotate and scale, and is never changed.
    connected, inherit_rotation, use_local_location, deform (N,) bool: Blender's bone flags; left out, they
    are Blender's defaults (free, inheriting, local, deforming).
    inherit_scale (N,) str: Blender's mode (poses here carry no scale, so that all modes agree).
    girths: radius of parts of the body (`touch.parts.PARTS`) in armature units, measured on the mesh; parts
    that are left out are as thick as the bones suggest.
    constraints: those by which bones of this armature follow one another.
    """

    name: str
    bone_names: list[str]
    parents: np.ndarray
    rest_matrices: np.ndarray
    lengths: np.ndarray
    world_matrix: np.ndarray = field(default_factory=lambda: np.eye(4))
    connected: np.ndarray = field(default_factory=_unset)
    inherit_rotation: np.ndarray = field(default_factory=_unset)
    inherit_scale: list[str] = field(default_factory=list)
    use_local_location: np.ndarray = field(default_factory=_unset)
    deform: np.ndarray = field(default_factory=_unset)
    girths: Mapping[str, float] = field(default_factory=dict)
    constraints: tuple[RigConstraint, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.bone_names)

        def put(key: str, value: Any, shape: tuple[int, ...], dtype: Any) -> None:
            try:
                array = np.asarray(value, dtype=dtype)
            except (TypeError, ValueError, OverflowError) as error:
                raise RigError(f"Rig '{self.name}': {key} is not all numbers; read it again.") from error
            if array.shape != shape:
                raise RigError(
                    f"Rig '{self.name}': {key} has shape {array.shape} instead of {shape}; read it again."
                )
            object.__setattr__(self, key, array)

        if n == 0:
            raise RigError(f"'{self.name}' has no bones; pick an armature with a humanoid skeleton.")
        if not all(isinstance(name, str) for name in self.bone_names):
            raise RigError(f"Rig '{self.name}' has bones whose names are no text; read it again.")
        if len(set(self.bone_names)) != n:
            raise RigError(f"Rig '{self.name}' has two bones of one name; rename one of them.")
        object.__setattr__(self, "bone_names", list(self.bone_names))
        put("parents", self.parents, (n,), int)
        put("rest_matrices", self.rest_matrices, (n, 4, 4), float)
        put("lengths", self.lengths, (n,), float)
        put("world_matrix", self.world_matrix, (4, 4), float)
        for key, default in (
            ("connected", False),
            ("inherit_rotation", True),
            ("use_local_location", True),
            ("deform", True),
        ):
            value = getattr(self, key)
            put(key, value if np.size(value) else np.full(n, default), (n,), bool)
        object.__setattr__(self, "inherit_scale", list(self.inherit_scale or ["FULL"] * n))
        if len(self.inherit_scale) != n:
            raise RigError(f"Rig '{self.name}': inherit_scale is not given for all bones; read it again.")
        try:
            radii = {str(part): float(radius) for part, radius in dict(self.girths).items()}
        except (TypeError, ValueError) as error:
            raise RigError(f"Rig '{self.name}': girths are not numbers; read it again.") from error
        if not all(0 < radius < np.inf for radius in radii.values()):
            raise RigError(f"Rig '{self.name}': girths must be above zero; read it again.")
        object.__setattr__(self, "girths", radii)
        finite = np.isfinite(self.rest_matrices).all() and np.isfinite(self.world_matrix).all()
        if not finite or not np.isfinite(self.lengths).all():
            raise RigError(f"Rig '{self.name}' holds numbers that are not finite; reset its transforms.")
        if (self.parents >= n).any() or (self.parents < -1).any():
            raise RigError(f"Rig '{self.name}' names a parent bone that is not there; read the rig again.")
        if np.linalg.det(self.world_matrix[:3, :3]) <= 1e-18:
            raise RigError(
                f"The armature '{self.name}' has a zero or negative object scale; make its scale positive."
            )
        topological_order(self.parents, self.name)

    @cached_property
    def index(self) -> dict[str, int]:
        """Bone name to number."""
        return {name: i for i, name in enumerate(self.bone_names)}

    @cached_property
    def order(self) -> list[int]:
        """Bone numbers, parents before children (RigError on a cycle)."""
        return topological_order(self.parents, self.name)

    @cached_property
    def heads(self) -> np.ndarray:
        """Bone heads (N, 3) at rest, armature space."""
        return self.rest_matrices[:, :3, 3]

    @cached_property
    def tails(self) -> np.ndarray:
        """Bone tails (N, 3) at rest, armature space."""
        return self.heads + self.rest_matrices[:, :3, 1] * self.lengths[:, None]

    @cached_property
    def rest_rotations(self) -> np.ndarray:
        """Bone axes (N, 3, 3) at rest in armature space, made orthonormal."""
        return np.stack([nearest_rotation(m[:3, :3]) for m in self.rest_matrices])

    @cached_property
    def children(self) -> list[list[int]]:
        """The children of each bone."""
        out: list[list[int]] = [[] for _ in self.bone_names]
        for i, p in enumerate(self.parents):
            if p >= 0:
                out[int(p)].append(i)
        return out

    @cached_property
    def world_rotation(self) -> np.ndarray:
        """The rotation (3, 3) of the world matrix, by polar decomposition."""
        return nearest_rotation(self.world_matrix[:3, :3])

    @cached_property
    def world_scale(self) -> float:
        """Canonical metres in one armature unit (the geometric mean over the axes)."""
        return float(np.cbrt(np.linalg.det(self.world_matrix[:3, :3])))

    @cached_property
    def scale_is_uniform(self) -> bool:
        """Whether the object scales all axes alike, within 0.1 percent."""
        singular = np.linalg.svd(self.world_matrix[:3, :3], compute_uv=False)
        return bool(singular.max() / singular.min() < 1.001)

    def ancestors(self, bone: int) -> list[int]:
        """The bones above `bone`, its parent first."""
        out: list[int] = []
        p = int(self.parents[bone])
        while p >= 0:
            out.append(p)
            p = int(self.parents[p])
        return out

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, ready for JSON."""
        return {
            "name": self.name,
            "bone_names": list(self.bone_names),
            **{key: np.asarray(getattr(self, key)).tolist() for key in _ARRAY_KEYS},
            "girths": dict(self.girths),
            "constraints": [constraint.to_dict() for constraint in self.constraints],
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> RigDescription:
        """The inverse of to_dict; RigError where a field is missing."""
        missing = [k for k in ("name", "bone_names", "parents", "rest_matrices", "lengths") if k not in data]
        if missing:
            raise RigError(f"The rig description lacks {', '.join(missing)}; read the rig again.")
        known = {k: data[k] for k in ("name", "bone_names", *_ARRAY_KEYS, "girths") if k in data}
        try:
            constraints = tuple(RigConstraint.from_dict(entry) for entry in data.get("constraints", ()))
        except TypeError as error:
            raise RigError(f"The rig's constraints cannot be read ({error}); read it again.") from error
        return RigDescription(**known, constraints=constraints)


_ARRAY_KEYS = (
    "parents",
    "rest_matrices",
    "lengths",
    "world_matrix",
    "connected",
    "inherit_rotation",
    "inherit_scale",
    "use_local_location",
    "deform",
)


def topological_order(parents: np.ndarray, rig_name: str = "rig") -> list[int]:
    """Bone numbers with parents before children; RigError when the parents form a cycle."""
    depth: dict[int, int] = {-1: -1}

    def depth_of(bone: int) -> int:
        path: list[int] = []
        while bone not in depth:
            path.append(bone)
            if len(path) > len(parents):
                raise RigError(f"The bones of '{rig_name}' form a circle of parents; fix the hierarchy.")
            bone = int(parents[bone])
        for b in reversed(path):
            depth[b] = depth[int(parents[b])] + 1
        return depth[path[0]] if path else depth[bone]

    return sorted(range(len(parents)), key=depth_of)


def nearest_rotation(m: np.ndarray) -> np.ndarray:
    """The rotation (3, 3) nearest to a 3 × 3 matrix in the least-squares sense (polar decomposition)."""
    u, _, vt = np.linalg.svd(m)
    sign = np.sign(np.linalg.det(u @ vt))
    return u @ np.diag([1.0, 1.0, sign]) @ vt
