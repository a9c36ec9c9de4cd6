# SPDX-License-Identifier: GPL-3.0-or-later
"""Rest alignment for skeletons whose rest pose is not a person's: how limbs bend tells which side is which.

Some exporters write every bone along its own y axis, so that in the pose in which all angles are zero legs
and arms point up. There the retargeter's rest frames (`intermoe_engine.retarget.alignment`) cannot be read
from the rest pose, but the motion shows them: knees and elbows bend one way only, and a foot that carries
the body lies flat.
"""

from __future__ import annotations

import numpy as np

from intermoe_engine.retarget import BoneMapping, RigError
from intermoe_engine.retarget.alignment import RestPose
from intermoe_engine.retarget.rig import nearest_rotation
from intermoe_engine.rotations import Array, quat_to_matrix

from .animated_skeleton import AnimatedSkeleton

_STRAIGHT, _BENT = np.radians(8.0), np.radians(20.0)
_PLANTED_PERCENT = 25.0


def frames_from_motion(
    skeleton: AnimatedSkeleton, mapping: BoneMapping, rest: RestPose
) -> dict[str, np.ndarray]:
    """A frame (3, 3) for each mapped row, as `alignment.rest_frames` gives it, in the rest pose's axes.

    The trunk must stand upright at rest. Raises RigError where a limb never bends.
    """
    frames: dict[str, np.ndarray] = dict.fromkeys(("root", "pelvis", "spine", "neck", "head"), rest.body)
    index = {name: i for i, name in enumerate(skeleton.bone_names)}
    matrices = {
        slot: quat_to_matrix(skeleton.turns[:, index[bone]])
        for row in mapping.rows
        for slot, bone in [(row.joint, row.bones[-1] if row.bones else "")]
        if bone
    }
    at = lambda slot: skeleton.positions[:, index[mapping.anchors.get(slot) or str(mapping.bone_for(slot))]]
    trunk = matrices.get("spine", matrices["pelvis"])
    for s in ("l", "r"):
        for chain in (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")):
            upper, lower, end = (f"{s}_{name}" for name in chain)
            if mapping.bone_for(end) is None:
                raise RigError(f"'{skeleton.name}': the rest pose is not a standing person's; use a T-pose.")
            directions = _unit(at(lower) - at(upper)), _unit(at(end) - at(lower))
            for slot, seen in zip((upper, lower), _bend_frames(*directions), strict=True):
                frames[slot] = _mean(matrices[slot], *seen, skeleton.name)
        frames[f"{s}_wrist"] = (
            _as_above(matrices[f"{s}_wrist"], matrices[f"{s}_elbow"]) @ frames[f"{s}_elbow"]
        )
        if f"{s}_collar" in matrices:
            frames[f"{s}_collar"] = _as_above(matrices[f"{s}_collar"], trunk) @ rest.body
        if f"{s}_foot" in matrices:
            ankle, toes = at(f"{s}_ankle"), at(f"{s}_foot")
            frames[f"{s}_ankle"] = _flat_foot(matrices[f"{s}_ankle"], ankle, toes, rest.body[:, 1])
            turn = _as_above(matrices[f"{s}_foot"], matrices[f"{s}_ankle"])
            frames[f"{s}_foot"] = turn @ frames[f"{s}_ankle"]
        else:
            raise RigError(f"'{skeleton.name}': the rest pose is not a standing person's; use a T-pose.")
    return frames


def _bend_frames(upper: Array, lower: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Frames (T, 3, 3) (direction, bend, normal) of a limb's two bones, each with the trust (T,) in it."""
    normal = np.cross(upper, lower)
    angle = np.arctan2(np.linalg.norm(normal, axis=-1), (upper * lower).sum(axis=-1))
    trust = np.clip((angle - _STRAIGHT) / (_BENT - _STRAIGHT), 0.0, 1.0)
    normal = _unit(normal)
    out = [np.stack([along, np.cross(normal, along), normal], axis=-1) for along in (upper, lower)]
    return (out[0], trust), (out[1], trust)


def _flat_foot(turns: Array, ankle: Array, toes: Array, up: Array) -> np.ndarray:
    """The foot's frame (direction on the ground, up, side), from the moments when it is lowest."""
    height = np.minimum(ankle @ up, toes @ up)
    planted = height <= np.percentile(height, _PLANTED_PERCENT)
    along = toes - ankle
    along = _unit(along - (along @ up)[:, None] * up)
    ups = np.broadcast_to(up, along.shape)
    frames = np.stack([along, ups, np.cross(along, ups)], axis=-1)
    return _mean(turns, frames, planted.astype(float), "foot")


def _as_above(turns: Array, above: Array) -> np.ndarray:
    """The mean rotation (3, 3) of the bone above as this bone sees it."""
    return nearest_rotation((np.swapaxes(turns, -1, -2) @ above).mean(axis=0))


def _mean(turns: Array, frames: Array, trust: Array, name: str) -> np.ndarray:
    """The frame (3, 3) that a bone carries along, from global frames (T, 3, 3) weighted by trust (T,)."""
    if trust.sum() < 1.0:
        raise RigError(f"'{name}': rest pose and motion do not show how the limbs bend; use a T-pose.")
    carried = np.swapaxes(turns, -1, -2) @ frames
    return nearest_rotation((carried * trust[:, None, None]).sum(axis=0) / trust.sum())


def _unit(v: Array) -> Array:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)
