# SPDX-License-Identifier: GPL-3.0-or-later
"""Any humanoid skeleton as SMPL's 22 joints, through the retargeter's bone mapping and rest alignment.

Every SMPL joint is carried by a bone: it lies at a fixed place of that bone, and its rotation is the bone's,
aligned so that it is zero in SMPL's T-pose. The person's rest offsets are what lies between the joints, so
that hips, knees, ankles, shoulders, elbows, wrists and head are exactly where they were captured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intermoe_engine.kinematics import local_from_global
from intermoe_engine.retarget import BoneMapping, map_bones
from intermoe_engine.retarget.alignment import RestPose, rest_frames, source_rest_pose, target_rest_pose
from intermoe_engine.rotations import (
    Array,
    matrix_to_quat,
    quat_between,
    quat_conjugate,
    quat_multiply,
    quat_rotate,
)
from intermoe_engine.skeleton import SMPL22

from .animated_skeleton import MIN_BONE, AnimatedSkeleton
from .joint_carriers import joint_carriers
from .rest_from_motion import frames_from_motion

_SMPL_ANGLE = np.radians(15.0)

# The child at which a joint's bone points. Where bones in between bend, its rotation follows the child.
_POINTS_AT = {
    "spine1": "spine2", "spine2": "spine3", "neck": "head",
    "l_collar": "l_shoulder", "r_collar": "r_shoulder",
    "l_hip": "l_knee", "r_hip": "r_knee", "l_knee": "l_ankle", "r_knee": "r_ankle",
    "l_shoulder": "l_elbow", "r_shoulder": "r_elbow", "l_elbow": "l_wrist", "r_elbow": "r_wrist",
}  # fmt: skip
_SLOTS = {"spine1": "spine", "spine2": "spine", "spine3": "spine"}


@dataclass(frozen=True)
class Body:
    """One person as SMPL's joints, in the file's units and axes.

    root (T, 3): the pelvis. rotations (T, 22, 4): global, from the canonical T-pose (y up, facing +z) to
    the file's axes. offsets (22, 3): rest offsets along the T-pose's axes. up (3,): the file's axis along
    which the skeleton stands at rest. toes_at_rest (2, 3): where the feet's joints are in the rest pose.
    """

    name: str
    fps: float
    root: Array
    rotations: Array
    offsets: Array
    up: Array
    toes_at_rest: Array

    @property
    def leg(self) -> float:
        """Upper plus lower leg in the file's units, mean of both sides."""
        joints = [SMPL22.index(name) for name in ("l_knee", "r_knee", "l_ankle", "r_ankle")]
        return float(np.linalg.norm(self.offsets[joints], axis=-1).sum() / 2)

    @property
    def local_rotations(self) -> Array:
        """Rotations (T, 22, 4) relative to the parent joint."""
        return local_from_global(self.rotations, SMPL22.parents)


def body_of(skeleton: AnimatedSkeleton, mapping: BoneMapping | None = None) -> Body:
    """The person whom a skeleton moves. Raises RigError where the skeleton is not a humanoid's.

    mapping: which bones are which; by default the retargeter's own guess.
    """
    rig = skeleton.rig()
    mapping = (mapping or map_bones(rig)).checked(rig)
    rest = target_rest_pose(rig, mapping)
    carriers = joint_carriers(rig, mapping, rest)
    turns = _alignment(skeleton, mapping, rest)
    positions = np.stack(
        [
            skeleton.positions[:, c.mark]
            + quat_rotate(skeleton.turns[:, c.mark], c.point - skeleton.heads[c.mark])
            for c in carriers
        ],
        axis=1,
    )
    rotations = quat_multiply(skeleton.turns[:, [c.bone for c in carriers]], matrix_to_quat(turns))
    parents = SMPL22.parents
    between = positions[:, 1:] - positions[:, parents[1:]]
    offsets = np.zeros((len(SMPL22), 3))
    offsets[1:] = quat_rotate(quat_conjugate(rotations[:, parents[1:]]), between).mean(axis=0)
    size = np.linalg.norm(np.ptp(skeleton.heads, axis=0))
    for name, child_name in _POINTS_AT.items():
        joint, child = SMPL22.index(name), SMPL22.index(child_name)
        if np.linalg.norm(offsets[child]) > MIN_BONE * size:
            pointing = quat_rotate(rotations[:, joint], offsets[child])
            turn = quat_between(pointing, between[:, child - 1])
            rotations[:, joint] = quat_multiply(turn, rotations[:, joint])
    toes = np.stack([carriers[SMPL22.index(name)].point for name in ("l_foot", "r_foot")])
    return Body(skeleton.name, skeleton.fps, positions[:, 0], rotations, offsets, rest.body[:, 1], toes)


def _alignment(skeleton: AnimatedSkeleton, mapping: BoneMapping, rest: RestPose) -> Array:
    """For each joint the rotation (22, 3, 3) from SMPL's T-pose to the skeleton's rest pose."""
    source = rest_frames(source_rest_pose(SMPL22.offsets))
    if mapping.preset == "smpl" and _stands_as_smpl(rest):
        return np.broadcast_to(rest.body, (len(SMPL22), 3, 3))
    target = rest_frames(rest) if stands(rest) else frames_from_motion(skeleton, mapping, rest)
    # A hand, foot or toe without a bone of its own goes on as the bone above it.
    for s in ("l", "r"):
        for name, above in ((f"{s}_wrist", f"{s}_elbow"), (f"{s}_ankle", f"{s}_knee")):
            if mapping.bone_for(name) is None:
                target[name] = target[above] @ source[above].T @ source[name]
        if mapping.bone_for(f"{s}_foot") is None:
            target[f"{s}_foot"] = target[f"{s}_ankle"]
        if mapping.bone_for(f"{s}_collar") is None:
            target[f"{s}_collar"] = rest.body
    slots = [_SLOTS.get(name, name) for name in SMPL22.names]
    return np.stack([target[slot] @ source[slot].T for slot in slots])


def stands(rest: RestPose) -> bool:
    """Whether a rest pose is a person's who stands: legs down, arms not up, feet forward.

    Skeletons whose offsets are given along each bone's own axes (BVH from some exporters) do not.
    """
    _, up, forward = rest.body.T
    for s in ("l", "r"):
        at = lambda name: rest.joints[f"{s}_{name}"]  # noqa: B023
        leg, arm = at("ankle") - at("hip"), at("elbow") - at("shoulder")
        if leg @ up > -0.5 * np.linalg.norm(leg) or arm @ up > 0.85 * np.linalg.norm(arm):
            return False
        foot = rest.joints.get(f"{s}_foot")
        if foot is not None and (foot - at("ankle")) @ forward < -0.5 * np.linalg.norm(foot - at("ankle")):
            return False
    return True


def _stands_as_smpl(rest: RestPose) -> bool:
    """Whether limbs lie as in SMPL's T-pose, so that small differences are the person's own shape."""
    pairs = [(f"{s}_{a}", f"{s}_{b}") for s in "lr" for a, b in (("hip", "knee"), ("knee", "ankle"))]
    pairs += [(f"{s}_{a}", f"{s}_{b}") for s in "lr" for a, b in (("shoulder", "elbow"), ("elbow", "wrist"))]
    for upper, lower in pairs:
        if lower in rest.joints:
            direction = rest.body.T @ (rest.joints[lower] - rest.joints[upper])
            expected = SMPL22.offsets[SMPL22.index(lower)]
            cos = direction @ expected / (np.linalg.norm(direction) * np.linalg.norm(expected))
            if cos < np.cos(_SMPL_ANGLE):
                return False
    return True
