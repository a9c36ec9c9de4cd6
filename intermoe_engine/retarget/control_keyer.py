# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the IK controls of a limb have to be, so that it goes where the forward kinematics put it.

A hand's or foot's control moves rigidly with the hand or foot. A pole target goes to the side on which the
elbow or knee is, turned by what the constraint's pole angle makes of it: Blender's solver turns the limb
about the line from its root to the goal until the root bone's x axis, turned by the pole angle about its y
axis, points to the pole (Blender: iksolver, IK_QJacobianSolver::ConstrainPoleVector).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..rotations import matrix_to_quat, quat_continuous
from .constraints import RigConstraint
from .rig import RigDescription
from .rig_kinematics import RigPose

_STRAIGHT = 0.01
"""How far off the line the middle joint is, as a share of the limb, where its own bend is fully trusted."""


@dataclass(frozen=True)
class IkLimb:
    """Bone names of a limb with IK.

    slots: its rows in the mapping. first, second, end: the bones whose predicted pose is wanted. control:
    what an animator moves; target: the bone that the constraint reaches for, where it is known, else "".
    pole, toe: pole target and toe control, or ""; keyed_toe: the mapped bone that the toe control stands
    for. constraint: the IK constraint, where it is known. follows: whether the end bone follows the control
    by itself; copied: the bone whose rotation it then takes on, where that is known. has_fk_bones: whether
    the mapped bones are FK controls beside the IK ones.
    """

    slots: tuple[str, str, str]
    first: str
    second: str
    end: str | None
    control: str
    target: str = ""
    pole: str = ""
    toe: str = ""
    keyed_toe: str = ""
    constraint: RigConstraint | None = None
    follows: bool = True
    copied: str = ""
    has_fk_bones: bool = False


class ControlKeyer:
    """Turns wanted places of controls into keys; each one moves what hangs on it."""

    def __init__(self, rig: RigDescription, pose: RigPose) -> None:
        self.rig, self.pose = rig, pose
        self.rotations: dict[str, np.ndarray] = {}
        self.locations: dict[str, np.ndarray] = {}
        self.placed: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def key(self, limb: IkLimb) -> None:
        rig, index = self.rig, self.rig.index
        end = index[limb.end if limb.end is not None else limb.second]
        rotation, head = self._at(end)
        turn = rotation @ rig.rest_rotations[index[limb.copied] if limb.copied else end].T
        control = index[limb.control]
        place = head + self._turned(turn, rig.heads[control] - rig.heads[end])
        if limb.target:  # the solver brings the lower bone's tail to the target's head
            offset = rig.heads[control] - rig.heads[index[limb.target]]
            place = self._tail(index[limb.second]) + self._turned(turn, offset)
        self._put(control, turn @ rig.rest_rotations[control], place)
        if limb.pole:
            self._key_pole(limb)
        if limb.toe:
            toe, keyed = index[limb.toe], index[limb.keyed_toe]
            turn = self.pose.rotations[:, keyed] @ rig.rest_rotations[keyed].T
            self._put(toe, turn @ rig.rest_rotations[toe], None)

    def _key_pole(self, limb: IkLimb) -> None:
        rig, index = self.rig, self.rig.index
        first, second, pole = index[limb.first], index[limb.second], index[limb.pole]
        joints = (rig.heads[first], rig.heads[second], rig.tails[second])
        line, bend = _line_and_bend(*(joint[None] for joint in joints))
        size = np.linalg.norm(joints[2] - joints[0])
        reference = _reference(rig, first, limb.constraint)
        bent = np.linalg.norm(bend) > 1e-4 * size
        reference = _unit(reference - (reference @ line[0]) * line[0])
        side = _unit(bend[0]) if bent else reference
        # From the bend to the direction that the solver points to the pole, about the limb's line.
        lead = np.arctan2(np.cross(side, reference) @ line[0], side @ reference) if limb.constraint else 0.0
        offset = rig.heads[pole] - joints[0]
        distance = np.linalg.norm(offset - (offset @ line[0]) * line[0])
        distance = max(float(distance), 0.5 * float(size))

        rotation, start = self._at(first)
        middle = self._at(second)[1]
        line, bend = _line_and_bend(start, middle, self._tail(second))
        carried = self._turned(rotation @ rig.rest_rotations[first].T, side)
        carried = _unit(carried - np.sum(carried * line, axis=-1, keepdims=True) * line)
        share = np.linalg.norm(bend, axis=-1, keepdims=True) / (_STRAIGHT * size)
        weight = np.clip(share, 0.0, 1.0)
        bend = _unit(weight * _unit(bend) + (1 - weight) * carried)
        ahead = np.cos(lead) * bend + np.sin(lead) * np.cross(line, bend)
        along = np.sum((middle - start) * line, axis=-1, keepdims=True)
        self._put(pole, None, start + along * line + distance * ahead)
        if limb.end is not None and not limb.follows and not limb.has_fk_bones:
            self._hold_end(limb, line, bend, joints, side)

    def _hold_end(
        self,
        limb: IkLimb,
        line: np.ndarray,
        bend: np.ndarray,
        joints: tuple[np.ndarray, ...],
        side: np.ndarray,
    ) -> None:
        """Rotation of a hand or foot that hangs on the limb: as forward kinematics have it, on a lower bone
        whose roll is the solver's."""
        assert limb.end is not None
        rig = self.rig
        second, end = rig.index[limb.second], rig.index[limb.end]
        if not rig.inherit_rotation[end] or rig.parents[end] != second:
            return
        lower = self._tail(second) - self._at(second)[1]
        rest_line = _unit(joints[2] - joints[0])
        rest = _frame(joints[2] - joints[1], np.cross(side, rest_line))
        now = _frame(lower, np.cross(bend, line))
        parent = now @ rest.T @ rig.rest_rotations[second]
        space = parent @ rig.rest_rotations[second].T @ rig.rest_rotations[end]
        rotation: np.ndarray = np.swapaxes(space, -1, -2) @ self._at(end)[0]
        self.rotations[limb.end] = quat_continuous(matrix_to_quat(rotation))

    def _put(self, bone: int, rotation: np.ndarray | None, place: np.ndarray | None) -> None:
        """Key a control to be at armature-space rotations (T, 3, 3) and heads (T, 3); None: as its parent
        carries it."""
        rig = self.rig
        parent = int(rig.parents[bone])
        frames = len(self.pose.heads)
        if parent < 0:
            space = np.broadcast_to(rig.rest_rotations[bone], (frames, 3, 3))
            location_space = (
                space if rig.use_local_location[bone] else np.broadcast_to(np.eye(3), space.shape)
            )
            head = np.broadcast_to(rig.heads[bone], (frames, 3))
        else:
            above, origin = self._at(parent)
            turn = above @ rig.rest_rotations[parent].T
            space = turn @ rig.rest_rotations[bone]
            location_space = space if rig.use_local_location[bone] else above
            head = origin + self._turned(turn, rig.heads[bone] - rig.heads[parent])
            if not rig.inherit_rotation[bone]:
                space = np.broadcast_to(rig.rest_rotations[bone], (frames, 3, 3))
        name = rig.bone_names[bone]
        if rotation is not None:
            basis: np.ndarray = np.swapaxes(space, -1, -2) @ rotation
            self.rotations[name] = quat_continuous(matrix_to_quat(basis))
        if place is not None:
            moved = np.swapaxes(location_space, -1, -2) @ (place - head)[..., None]
            self.locations[name] = moved[..., 0]
        self.placed[bone] = (space if rotation is None else rotation, head if place is None else place)

    def _at(self, bone: int) -> tuple[np.ndarray, np.ndarray]:
        """Rotations (T, 3, 3) and heads (T, 3) of a bone, on the controls as they are placed."""
        for above in (bone, *self.rig.ancestors(bone)):
            if above in self.placed:
                rotation, head = self.placed[above]
                if above == bone:
                    return rotation, head
                turn = rotation @ self.rig.rest_rotations[above].T
                offset = self.rig.heads[bone] - self.rig.heads[above]
                return turn @ self.rig.rest_rotations[bone], head + self._turned(turn, offset)
        return self.pose.rotations[:, bone], self.pose.heads[:, bone]

    def _tail(self, bone: int) -> np.ndarray:
        rotation, head = self._at(bone)
        return head + rotation[..., 1] * self.rig.lengths[bone]

    @staticmethod
    def _turned(turn: np.ndarray, vector: np.ndarray) -> np.ndarray:
        return (turn @ vector[..., None])[..., 0]


def _reference(rig: RigDescription, first: int, constraint: RigConstraint | None) -> np.ndarray:
    """The direction (3,) of a chain's root bone at rest that the solver points to the pole."""
    angle = 0.0
    if constraint is not None:
        first = int(rig.parents[rig.index[constraint.bone]])
        angle = constraint.pole_angle
    axes = rig.rest_rotations[first]
    return np.cos(angle) * axes[:, 0] + np.sin(angle) * axes[:, 2]


def _line_and_bend(start: np.ndarray, middle: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Direction (T, 3) from start to end, and how far off this line the middle is (T, 3)."""
    line = _unit(end - start)
    offset = middle - start
    return line, offset - np.sum(offset * line, axis=-1, keepdims=True) * line


def _frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Columns (..., 3, 3): `first`, `second` at a right angle to it, and their cross product."""
    x = _unit(first)
    y = _unit(second - np.sum(second * x, axis=-1, keepdims=True) * x)
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)
