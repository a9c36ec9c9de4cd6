# SPDX-License-Identifier: GPL-3.0-or-later
"""One person's motion on whatever skeleton a file has, before it becomes SMPL's 22 joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intermoe_engine.formats.bvh_reader import BvhMotion
from intermoe_engine.kinematics import rest_positions
from intermoe_engine.retarget import RigDescription
from intermoe_engine.rotations import Array, quat_between, quat_to_matrix

from .formats.asf_amc import AcclaimMotion, AcclaimSkeleton

MIN_BONE = 1e-6
"""Shorter bones, as a part of the skeleton's size, have no direction."""


@dataclass(frozen=True)
class AnimatedSkeleton:
    """N bones over T frames in the file's own units and axes.

    heads, tails (N, 3): the rest pose. positions (T, N, 3): where the heads are. turns (T, N, 4): each
    bone's global rotation since the rest pose (bone axes and rolls do not enter). metres_per_unit and up
    (3,): where the format says them, else None. floor: whether up · x = 0 is known to be the ground.
    """

    name: str
    fps: float
    bone_names: tuple[str, ...]
    parents: np.ndarray
    heads: Array
    tails: Array
    positions: Array
    turns: Array
    metres_per_unit: float | None = None
    up: Array | None = None
    floor: bool = False

    @property
    def frames(self) -> int:
        return len(self.positions)

    def rig(self) -> RigDescription:
        """The rest pose as the retargeter's bone mapping wants it, bones lying from head to tail."""
        along = self.tails - self.heads
        turns = quat_to_matrix(quat_between(np.array([0.0, 1.0, 0.0]), along))
        matrices = np.tile(np.eye(4), (len(self.heads), 1, 1))
        matrices[:, :3, :3], matrices[:, :3, 3] = turns, self.heads
        lengths = np.linalg.norm(along, axis=-1)
        return RigDescription(self.name, list(self.bone_names), self.parents, matrices, lengths)


def skeleton_from_bvh(name: str, motion: BvhMotion) -> AnimatedSkeleton:
    """A BVH file; its rest pose is the one in which all channels are zero. Units and axes are not known."""
    heads = rest_positions(motion.parents, motion.offsets)
    tips = {
        motion.names.index(bone): heads[motion.names.index(bone)] + t for bone, t in motion.end_sites.items()
    }
    positions, turns = motion.global_pose()
    tails = tails_from_children(motion.parents, heads, tips)
    return AnimatedSkeleton(name, motion.fps, motion.names, motion.parents, heads, tails, positions, turns)


def skeleton_from_acclaim(name: str, body: AcclaimSkeleton, motion: AcclaimMotion) -> AnimatedSkeleton:
    """An ASF skeleton with an AMC motion, y up; units from the skeleton's header."""
    positions, turns = body.pose(motion)
    return AnimatedSkeleton(
        name,
        motion.fps,
        body.names,
        body.parents,
        body.rest_heads,
        body.rest_tails,
        positions,
        turns,
        metres_per_unit=body.metres_per_unit,
    )


def tails_from_children(parents: np.ndarray, heads: Array, tips: dict[int, Array]) -> Array:
    """Bone tails (N, 3): the tip where one is known, else the middle of the children's heads.

    A leaf without a tip goes on as its parent does.
    """
    tails = np.array(heads)
    children = [np.flatnonzero(parents == bone) for bone in range(len(heads))]
    for bone, below in enumerate(children):
        if bone in tips:
            tails[bone] = tips[bone]
        elif len(below):
            tails[bone] = heads[below].mean(axis=0)
        elif parents[bone] >= 0:
            tails[bone] = heads[bone] + (heads[bone] - heads[parents[bone]]) / 2
    return tails
