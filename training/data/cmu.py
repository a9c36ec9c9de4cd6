# SPDX-License-Identifier: GPL-3.0-or-later
"""CMU's two-person salsa (subjects 60 and 61) from BVH files on the Poser skeleton.

The Poser skeleton has its hip at the crotch and two spine bones of even length, SMPL a pelvis between the
hip joints and three. The joints are placed where SMPL has them, each rigid in the Poser bone that carries
it, so that hips, knees, ankles, shoulders, elbows, wrists and head are exactly where they were captured.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from scipy.ndimage import binary_dilation
from scipy.signal import butter, filtfilt

from intermoe_engine.formats.bvh_reader import BvhError, BvhMotion, read_bvh
from intermoe_engine.kinematics import local_from_global, rest_positions
from intermoe_engine.rotations import (
    quat_conjugate,
    quat_continuous,
    quat_log,
    quat_multiply,
    quat_normalize,
    quat_rotate,
    quat_slerp,
)
from intermoe_engine.skeleton import SMPL22

from .pair_clip import PairClip

METRES_PER_UNIT = 1.35
"""The files are scaled down; this makes the leg 0.87 m, an adult's. One factor for both people."""

# SMPL joint → (Poser bone that carries it, where it lies in that bone's frame: "joint", "tip" or a fraction
# of the way to another bone)
_CARRIERS: dict[str, str] = {
    "pelvis": "hip", "l_hip": "lThigh", "r_hip": "rThigh", "spine1": "abdomen",
    "l_knee": "lShin", "r_knee": "rShin", "spine2": "chest", "l_ankle": "lFoot", "r_ankle": "rFoot",
    "spine3": "chest", "l_foot": "lFoot", "r_foot": "rFoot", "neck": "neck", "l_collar": "lCollar",
    "r_collar": "rCollar", "head": "head", "l_shoulder": "lShldr", "r_shoulder": "rShldr",
    "l_elbow": "lForeArm", "r_elbow": "rForeArm", "l_wrist": "lHand", "r_wrist": "rHand",
}  # fmt: skip
_PELVIS_ABOVE_HIP_JOINTS = 0.06
_SPINE3_ALONG_CHEST = 0.25
_TOE_ALONG_FOOT = 0.9
_GLITCH_DEGREES = 16.0
_GLITCH_REACH = 3
_REST_FRAMES = 24
_TOE_HEIGHT = 0.02
_LOW_PASS_HZ = 10.0


def load_cmu_pair(folder: Path, trial: str, fps: float = 30.0) -> PairClip:
    """The trial (two digits) of subjects 60 (lead) and 61 (follow) in one clock, floor and scale.

    Raises BvhError or OSError, naming the file.
    """
    people = [read_bvh(folder / f"{subject}_{trial}.bvh") for subject in (60, 61)]
    if len(people[0].root_translation) != len(people[1].root_translation):
        raise BvhError(f"{folder}: the two people of trial {trial} have unequal numbers of frames")
    converted = [_to_smpl(person, fps) for person in people]
    offsets = np.stack([c[2] for c in converted])
    roots = np.stack([c[0] for c in converted])
    clip = PairClip(
        f"cmu_60_61_{trial}", fps, roots, np.stack([c[1] for c in converted]), offsets, ("lead", "follow")
    )
    roots[..., 1] -= _sole_heights(clip.positions())[:, None]
    return clip


def _to_smpl(motion: BvhMotion, fps: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Root translation (T, 3), local rotations (T, 22, 4), rest offsets (22, 3) at `fps`."""
    span = slice(_REST_FRAMES, -_REST_FRAMES)  # the files begin in a rest pose and blend into the motion
    motion = replace(
        motion,
        root_translation=motion.root_translation[span],
        local_rotations=motion.local_rotations[span],
    )
    local = _low_passed(quat_continuous(_without_glitches(motion)), motion.fps)
    motion = replace(
        motion,
        root_translation=_low_passed(motion.root_translation, motion.fps),
        local_rotations=quat_normalize(local),
    )
    step = max(1, round(motion.fps / fps))
    positions, rotations = motion.global_pose()
    positions, rotations = positions[::step], rotations[::step]
    rest = _rest_joints(motion)
    carrier = [motion.names.index(_CARRIERS[name]) for name in SMPL22.names]
    global_rotations = rotations[:, carrier]
    offsets = (rest - rest[SMPL22.parents]) * METRES_PER_UNIT
    offsets[0] = 0.0
    hip = motion.names.index("hip")
    rest_hip = rest_positions(motion.parents, motion.offsets)[hip]
    pelvis = positions[:, hip] + quat_rotate(rotations[:, hip], rest[0] - rest_hip)
    return pelvis * METRES_PER_UNIT, local_from_global(global_rotations, SMPL22.parents), offsets


def _rest_joints(motion: BvhMotion) -> np.ndarray:
    """SMPL's 22 joints (22, 3) in the rest pose of the Poser skeleton, in its units."""
    rest = rest_positions(motion.parents, motion.offsets)
    at = lambda name: rest[motion.names.index(name)]
    joints = np.stack([at(_CARRIERS[name]) for name in SMPL22.names])
    joints[0] = (at("lThigh") + at("rThigh")) / 2 + [0.0, _PELVIS_ABOVE_HIP_JOINTS, 0.0]
    joints[SMPL22.index("spine3")] += _SPINE3_ALONG_CHEST * (at("neck") - at("chest"))
    for side in "lr":
        toe = _TOE_ALONG_FOOT * motion.end_sites[f"{side}Foot"]
        joints[SMPL22.index(f"{side}_foot")] += toe
    return joints


def _without_glitches(motion: BvhMotion) -> np.ndarray:
    """Local rotations (T, J, 4) with tracking errors replaced by the arc across them.

    At 120 fps no dancer's joint turns by 16° in a frame; where one does, the frames around it are the
    tracker's. A glitch of the hips shows with the opposite sign in thighs and abdomen: all go together.
    """
    rotations = motion.local_rotations
    step = quat_multiply(quat_conjugate(rotations[:-1]), rotations[1:])
    jump = np.degrees(np.linalg.norm(quat_log(step), axis=-1)) > _GLITCH_DEGREES
    around_hip = [motion.names.index(n) for n in ("hip", "abdomen", "lThigh", "rThigh")]
    jump[:, around_hip] |= jump[:, around_hip[:1]]
    bad = np.zeros(rotations.shape[:2], dtype=bool)
    bad[:-1] |= jump
    bad[1:] |= jump
    bad = np.asarray(binary_dilation(bad, np.ones((2 * _GLITCH_REACH + 1, 1))), dtype=bool)
    bad[[0, -1]] = False
    out = np.array(rotations)
    frames = np.arange(len(rotations))
    for joint in np.flatnonzero(bad.any(axis=0)):
        good = frames[~bad[:, joint]]
        fill = frames[bad[:, joint]]
        high = np.searchsorted(good, fill)
        before, after = good[high - 1], good[high]
        t = (fill - before) / (after - before)
        out[fill, joint] = quat_slerp(rotations[before, joint], rotations[after, joint], t)
    return out


def _low_passed(values: np.ndarray, fps: float) -> np.ndarray:
    """Zero-phase low-pass along time, below what 30 fps can hold and above what dancers do."""
    b, a = cast(tuple[np.ndarray, np.ndarray], butter(2, _LOW_PASS_HZ / (fps / 2)))
    return filtfilt(b, a, values, axis=0)


def _sole_heights(positions: np.ndarray) -> np.ndarray:
    """Metres (2,) by which each person's planted toes lie above `_TOE_HEIGHT`.

    Floor and shoes in one: the follow dances on heels, and one skeleton was fitted to both. Nobody is
    lifted in these trials, so each person's lowest toe tells where the floor under the shoe is.
    """
    toes = positions[:, :, [10, 11], 1].min(axis=2)
    return np.percentile(toes, 10, axis=1) - _TOE_HEIGHT
