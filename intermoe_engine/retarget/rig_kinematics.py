# SPDX-License-Identifier: GPL-3.0-or-later
"""Forward kinematics of an armature as Blender composes it, vectorised over frames.

pose = parent_pose · parent_rest⁻¹ · rest · basis, with the bone flags `inherit_rotation` and
`use_local_location` (Blender: BKE_bone_parent_transform_calc_from_matrices). Bases here hold rotations,
and a location for one bone; scale stays one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .rig import RigDescription, topological_order


@dataclass(frozen=True)
class RigPose:
    """heads (T, N, 3) and rotations (T, N, 3, 3) in armature space; parent_rotations: bone -> (T, 3, 3),
    what a bone's basis rotation is relative to; location_rotations: the same for its location."""

    heads: np.ndarray
    rotations: np.ndarray
    parent_rotations: dict[int, np.ndarray]
    location_rotation: np.ndarray


class RigKinematics:
    """Poses of one rig. `followers` names bones that follow another one rigidly instead of their parent."""

    def __init__(self, rig: RigDescription, followers: Mapping[str, str] | None = None) -> None:
        self.rig = rig
        self.leaders = np.array(rig.parents)
        self.follows = np.zeros(len(rig.bone_names), dtype=bool)
        for bone, leader in (followers or {}).items():
            if bone in rig.index and leader in rig.index:
                self.leaders[rig.index[bone]] = rig.index[leader]
                self.follows[rig.index[bone]] = True
        self.order = topological_order(self.leaders, rig.name)

    def pose(
        self,
        frames: int,
        targets: Mapping[int, np.ndarray],
        root: int | None = None,
        root_location: np.ndarray | None = None,
        basis: bool = False,
    ) -> RigPose:
        """Pose every bone.

        targets: bone -> armature-space rotations (frames, 3, 3), or basis rotations where `basis` is true;
        other bones stay at rest relative to their parents. root_location (frames, 3): `location` of the
        pose bone `root`, in its own rest axes or its parent's (use_local_location).
        """
        rig = self.rig
        n = len(rig.bone_names)
        heads: list[np.ndarray] = [np.zeros((1, 3))] * n
        rotations: list[np.ndarray] = [np.eye(3)[None]] * n
        bases: dict[int, np.ndarray] = {}
        location_rotation = np.eye(3)[None]
        rest, rest_heads = rig.rest_rotations, rig.heads
        for i in self.order:
            p = int(self.leaders[i])
            if p < 0:
                space = location_space = rest[i][None]
                head = rest_heads[i][None]
                if not rig.use_local_location[i]:
                    location_space = np.eye(3)[None]
            else:
                local = rest[p].T @ rest[i]
                head = heads[p] + (rotations[p] @ (rest[p].T @ (rest_heads[i] - rest_heads[p])))
                location_space = rotations[p] @ local
                inherits = rig.inherit_rotation[i] or self.follows[i]
                space = location_space if inherits else rest[i][None]
                if not rig.use_local_location[i]:
                    location_space = rotations[p]
            if i == root:
                location_rotation = location_space
                if root_location is not None:
                    head = head + (location_space @ root_location[..., None])[..., 0]
            heads[i] = head
            target = targets.get(i)
            if target is not None:
                bases[i] = space
            if target is None:
                rotations[i] = space
            else:
                rotations[i] = space @ target if basis else target
        return RigPose(
            np.stack([np.broadcast_to(h, (frames, 3)) for h in heads], axis=1),
            np.stack([np.broadcast_to(r, (frames, 3, 3)) for r in rotations], axis=1),
            bases,
            np.broadcast_to(location_rotation, (frames, 3, 3)),
        )

    def world_heads(self, pose: RigPose) -> np.ndarray:
        """Bone heads (T, N, 3) in canonical metres, through the full world matrix."""
        m = self.rig.world_matrix
        return pose.heads @ m[:3, :3].T + m[:3, 3]

    def world_rotations(self, pose: RigPose, bone: int) -> np.ndarray:
        """Rotations (T, 3, 3) of one bone in canonical space."""
        return self.rig.world_rotation @ pose.rotations[:, bone]
