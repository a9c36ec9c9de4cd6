# SPDX-License-Identifier: GPL-3.0-or-later
"""One rig on its way through the retarget: its rotations so far, and where its joints are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..rotations import matrix_to_quat, quat_continuous, quat_to_matrix
from ..two_bone import bend_axis_for_goal, solve_two_bone, trusted_bend_axis
from .alignment import RestPose, alignments, rest_frames, source_rest_pose, target_rest_pose
from .errors import RigError
from .fingers import finger_targets
from .legs import FootShape, ankle_goals, pelvis_drop
from .limb_controls import limb_controls
from .mapping import SIDES, BoneMapping
from .motion import RigMotion
from .rig import RigDescription
from .rig_kinematics import RigKinematics, RigPose
from .settings import RetargetSettings
from .source import SIDE_JOINTS, SourceActor
from .trajectory import pelvis_shift
from .transfer import transferred
from .twist import spread_twist

_LIMBS = {"leg": ("hip", "knee", "ankle"), "arm": ("shoulder", "elbow", "wrist")}
_STRAIGHTEST = 1 - 1e-6  # the goals themselves say how straight a limb may be


class ActorRetarget:
    """Source motion and target rig of one actor. The scene's placement is taken out of the rig's world
    matrix, so that everything here happens in the pair's own canonical space, on the floor y = 0."""

    def __init__(
        self, source: SourceActor, rig: RigDescription, mapping: BoneMapping, settings: RetargetSettings
    ) -> None:
        self.source, self.mapping, self.settings = source, mapping.checked(rig), settings
        self.rig = replace(rig, world_matrix=np.linalg.inv(settings.scene) @ rig.world_matrix)
        self.kinematics = RigKinematics(self.rig, mapping.followers)
        self.rest: RestPose = target_rest_pose(self.rig, mapping)
        self.source_frames = rest_frames(source_rest_pose(source.rest_offsets))
        self.target_frames = rest_frames(self.rest)
        self.root = self._find_root()
        self.aligned = alignments(self.rig, mapping, source.rest_offsets)
        to_armature = self.rig.world_rotation.T
        self.targets = {
            self.rig.index[bone]: to_armature @ rotation
            for bone, rotation in transferred(mapping, source.quaternions, self.aligned).items()
        }
        self.shift = np.zeros((source.frames, 3))
        self._pose: RigPose | None = None

    @property
    def leg_length(self) -> float:
        """Upper plus lower leg in canonical metres, mean of both sides."""
        joints = self.rest.joints
        lengths = [
            np.linalg.norm(joints[f"{s}_{b}"] - joints[f"{s}_{a}"])
            for s in SIDES
            for a, b in (("hip", "knee"), ("knee", "ankle"))
        ]
        return float(sum(lengths) / 2 * self.rig.world_scale)

    @property
    def leg_ratio(self) -> float:
        return self.leg_length / self.source.leg_length

    def joint(self, slot: str) -> np.ndarray:
        """Where a joint is now (T, 3), canonical."""
        name = self.mapping.anchors.get(slot) or self.mapping.bone_for(slot)
        if name is None:
            raise RigError(f"The mapping has no bone for {slot}.")
        return self.bone_head(name)

    def place(self, scale: float) -> None:
        """Put the pelvis on its path."""
        source = self.source
        hips = [SIDE_JOINTS[s]["hip"] for s in SIDES]
        hip_middle = (self.joint("l_hip") + self.joint("r_hip")) / 2
        source_middle = source.positions[:, hips].mean(axis=1)
        anchor, source_anchor = self.joint("pelvis"), source.positions[:, 0]
        if self.settings.pelvis_anchor == "hip_joints":
            anchor, source_anchor = hip_middle, source_middle
        ankles = (
            float(np.mean([source.ankle_height(s) for s in SIDES])),
            float(np.mean([self._ankle_height(s) for s in SIDES])),
        )
        self.shift = self.shift + pelvis_shift(
            anchor, hip_middle, source_anchor, source_middle, scale, self.leg_ratio, ankles
        )

    def plant_feet(self, scale: float, fps: float) -> None:
        """Lower the pelvis where a foot would not reach, then bring both ankles to their goals."""
        goals = {}
        for s in SIDES:
            hip = scale * self.source.positions[:, SIDE_JOINTS[s]["hip"]]
            carried = (self.joint(f"{s}_hip") - hip) * [1.0, 0.0, 1.0]
            goals[s] = ankle_goals(self.source, s, self.foot_shape(s), scale, self.leg_ratio, carried)
        reach, hips = [self.leg_reach(s) for s in SIDES], [self.joint(f"{s}_hip") for s in SIDES]
        limit = self.settings.pelvis_drop * self.leg_length
        drop = pelvis_drop(hips, [goals[s] for s in SIDES], reach, fps, limit)
        self.shift = self.shift - drop[:, None] * np.array([0.0, 1.0, 0.0])
        for s in SIDES:
            self._reach_for(s, "leg", goals[s])
        self._pose = None

    def bone_head(self, bone: str) -> np.ndarray:
        """Where a bone's head is now (T, 3), canonical."""
        if self._pose is None:
            self._pose = self.kinematics.pose(self.source.frames, self.targets, self.root)
            self._heads = self.kinematics.world_heads(self._pose)
        return self._heads[:, self.rig.index[bone]] + self.shift

    def leaders_of(self, bone: int) -> list[int]:
        """What a bone hangs on, from the nearest up: its parents, or what it follows instead."""
        out: list[int] = []
        while (bone := int(self.kinematics.leaders[bone])) >= 0:
            out.append(bone)
        return out

    def move(self, by: np.ndarray) -> None:
        """Move the whole rig by (T, 3) canonical metres."""
        self.shift = self.shift + by

    def turn_bone_row(self, slot: str, turns: list[np.ndarray]) -> None:
        """Turn the bones of a row by rotations (T, 3, 3) about the world's axes, one for each bone."""
        world = self.rig.world_rotation
        for bone, turn in zip(self.mapping.bones_for(slot), turns, strict=False):
            i = self.rig.index[bone]
            self.targets[i] = world.T @ turn @ world @ self.targets[i]
        self._pose = None

    def reach(self, ankles: dict[str, np.ndarray], wrists: dict[str, np.ndarray]) -> None:
        """Bring ankles and wrists to their goals (T, 3) by side; feet and hands keep their own rotation in
        the world."""
        for s, goal in ankles.items():
            self._reach_for(s, "leg", goal, gently=True)
        for s, goal in wrists.items():
            self._reach_for(s, "arm", goal, gently=True)
        self._pose = None

    def hinge(self, side: str, limb: str) -> np.ndarray:
        """The axis (T, 3) of a knee or elbow, as cross(upper, lower) of the limb bent the right way."""
        first = _LIMBS[limb][0]
        # The third axis of a limb's frame is this cross product.
        return self.source.matrices[:, SIDE_JOINTS[side][first]] @ self.source_frames[f"{side}_{first}"][:, 2]

    def leg_reach(self, side: str) -> np.ndarray:
        """Longest distance (T,) from hip to ankle: as straight as in the source, or nearly straight."""
        ids = SIDE_JOINTS[side]
        hip, ankle = self.source.positions[:, ids["hip"]], self.source.positions[:, ids["ankle"]]
        bones = np.linalg.norm(self.source.rest_offsets[[ids["knee"], ids["ankle"]]], axis=-1).sum()
        stretch = np.maximum(np.linalg.norm(hip - ankle, axis=-1) / bones, 0.99)
        joints = self.rest.joints
        length = sum(
            np.linalg.norm(joints[f"{side}_{b}"] - joints[f"{side}_{a}"])
            for a, b in (("hip", "knee"), ("knee", "ankle"))
        )
        return stretch * length * self.rig.world_scale

    def finish(self, fps: float, controls: str = "fk") -> RigMotion:
        """Local keys and predicted bone heads; twist bones and fingers follow the limbs as they now are.

        controls: what is keyed of limbs with IK, see `RetargetSettings.limb_controls`.
        """
        targets = self.targets | finger_targets(
            self.rig, self.mapping, self.target_frames, self.targets, source_frames=self.source_frames
        )
        targets |= spread_twist(self.rig, self.mapping, self.targets, self.aligned, self.source_frames)
        first = self.kinematics.pose(self.source.frames, targets, self.root)
        to_armature = np.linalg.inv(self.rig.world_matrix[:3, :3])
        moved = (to_armature @ self.shift[..., None])[..., 0]
        locations = (np.swapaxes(first.location_rotation, -1, -2) @ moved[..., None])[..., 0]
        pose = self.kinematics.pose(self.source.frames, targets, self.root, locations)
        bones = [self.rig.bone_names[i] for i in targets]
        local: list[np.ndarray] = [
            np.swapaxes(pose.parent_rotations[i], -1, -2) @ t for i, t in targets.items()
        ]
        rotations = quat_continuous(matrix_to_quat(np.stack(local, axis=1)))
        limbs = limb_controls(self.rig, self.mapping, pose, controls)
        keys = {b: rotations[:, k] for k, b in enumerate(bones) if b not in limbs.dropped} | limbs.rotations
        for bone, placed in limbs.heads.items():
            pose.heads[:, bone] = placed
        scene = self.settings.scene
        heads = self.kinematics.world_heads(pose) @ scene[:3, :3].T + scene[:3, 3]
        return RigMotion(
            fps,
            list(keys),
            np.stack(list(keys.values()), axis=1),
            self.rig.bone_names[self.root],
            locations,
            heads,
            tuple((bone, prop, value) for (bone, prop), value in limbs.properties.items()),
            limbs.locations,
            tuple((*names, value) for names, value in limbs.constraint_values.items()),
        )

    def _reach_for(self, side: str, limb: str, goal: np.ndarray, gently: bool = False) -> None:
        first, second, third = (f"{side}_{name}" for name in _LIMBS[limb])
        start, middle, end = (self.joint(slot) for slot in (first, second, third))
        hinge = self.hinge(side, limb)
        if gently:
            axis = bend_axis_for_goal(start, middle, end, goal, hinge)
        else:
            axis = trusted_bend_axis(start, middle, end, hinge)
        turns = solve_two_bone(start, middle, end, goal, axis, straightest=_STRAIGHTEST)
        world = self.rig.world_rotation
        for slot, quaternion in zip((first, second), turns, strict=True):
            turn = quat_to_matrix(quaternion)
            for bone in self.mapping.bones_for(slot):
                i = self.rig.index[bone]
                self.targets[i] = world.T @ turn @ world @ self.targets[i]

    def _ankle_height(self, side: str) -> float:
        return self.foot_shape(side).ankle_height or self.leg_ratio * self.source.ankle_height(side)

    def foot_shape(self, side: str) -> FootShape:
        """The target foot as it stands at rest, in the pair's space."""
        joints, up = self.rest.joints, self.rest.body[:, 1]
        ankle = joints[f"{side}_ankle"]
        scale = self.rig.world_scale
        slot = f"{side}_ankle"
        turn = self.source_frames[slot] @ self.target_frames[slot].T
        mark = joints.get(f"{side}_foot")
        if mark is None:
            offset = self.leg_ratio * self.source.rest_offsets[SIDE_JOINTS[side]["foot"]]
        else:
            offset = turn @ (mark - ankle) * scale
        height = float(ankle @ up) * scale  # above the armature's origin, where characters stand
        low = height if mark is None else float(mark @ up) * scale
        leg = self.leg_length
        stands = -0.02 * leg <= low and height <= 0.6 * leg and height > 0
        if not self.source.has_floor or not stands:
            return FootShape(offset, None)
        return FootShape(offset, height)

    def _find_root(self) -> int:
        """The bone that carries the location: the mapped root or pelvis, or what trunk and legs share."""
        rig, mapping = self.rig, self.mapping
        name = mapping.bone_for("root") or mapping.bone_for("pelvis")
        assert name is not None  # checked by the mapping
        bone = rig.index[name]
        slots = ("pelvis", "spine", "l_hip", "r_hip", "l_shoulder", "r_shoulder")
        below = [rig.index[b] for slot in slots if (b := mapping.bone_for(slot)) is not None]
        leaders = self.kinematics.leaders

        def carries(candidate: int, b: int) -> bool:
            while b >= 0 and b != candidate:
                b = int(leaders[b])
            return b == candidate

        # A connected bone ignores its location, so the first free bone above carries it.
        while bone >= 0 and not (
            all(carries(bone, b) for b in below) and not (rig.connected[bone] and leaders[bone] >= 0)
        ):
            bone = int(leaders[bone])
        if bone < 0:
            raise RigError(
                f"'{rig.name}': legs and trunk hang on no common bone; parent them to one root bone."
            )
        return bone
