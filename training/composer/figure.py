# SPDX-License-Identifier: GPL-3.0-or-later
"""One person's motion while it is being made: rotations that several hands change, positions on demand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.representation import foot_contacts
from intermoe_engine.retarget.source import SourceActor
from intermoe_engine.retarget.touch.body import Body
from intermoe_engine.rotations import Array, quat_conjugate, quat_continuous, quat_multiply
from intermoe_engine.skeleton import SMPL22
from intermoe_engine.take import ActorMotion

J = {name: i for i, name in enumerate(SMPL22.names)}
PARENTS = SMPL22.parents


@dataclass(frozen=True)
class Figure:
    """root (T, 3) metres in the stage's frame; local (T, 22, 4), joint 0 global; base (T, 3): x, z and
    heading
    of the path; stands (T, 2): 0..1 how far the clips say that the left and right foot stand."""

    fps: float
    root: Array
    local: Array
    base: Array
    stands: Array

    @property
    def frames(self) -> int:
        return len(self.root)

    def pose(self) -> tuple[Array, Array]:
        """Joint positions (T, 22, 3) and global rotations (T, 22, 4)."""
        return self._pose

    @cached_property
    def _pose(self) -> tuple[Array, Array]:
        return forward_kinematics(self.root, self.local, PARENTS, SMPL22.offsets)

    @cached_property
    def body(self) -> Body:
        """Its capsules."""
        return Body.of_source(SourceActor.from_motion(self.motion()))

    def turned(self, turns: dict[int, Array]) -> Figure:
        """With rotations (T, 4), given in the stage's frame, put before joints; children go along.

        Of several joints of one chain the parents' turns come first, and each is what is added there.
        """
        local = np.array(self.local)
        globals_ = self.pose()[1]
        carried: dict[int, Array] = {}
        for joint in range(len(PARENTS)):
            parent = int(PARENTS[joint])
            above = carried.get(parent)
            if joint not in turns and above is None:
                continue
            whole = globals_[:, joint]
            if above is not None:
                whole = quat_multiply(above, whole)
                carried[joint] = above
            if joint in turns:
                whole = quat_multiply(turns[joint], whole)
                carried[joint] = turns[joint] if above is None else quat_multiply(turns[joint], above)
                if parent < 0:
                    local[:, joint] = whole
                    continue
                base = globals_[:, parent]
                if above is not None:
                    base = quat_multiply(above, base)
                local[:, joint] = quat_multiply(quat_conjugate(base), whole)
        return replace(self, local=local)

    def motion(self) -> ActorMotion:
        """As a take's actor."""
        local = quat_continuous(self.local)
        still = np.zeros((self.frames, 4))
        motion = ActorMotion.from_rotations(self.root, local, still, SMPL22.offsets)
        motion.foot_contacts = foot_contacts(motion.joint_positions, self.fps).astype(float)
        return motion


def mixed(a: Array, b: Array, weight: Array) -> Array:
    """a (T, …) where weight (T,) is 0, b where it is 1."""
    return a + (b - a) * weight.reshape(-1, *[1] * (a.ndim - 1))
