# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips as the published Inter-X models read them (see `intermoe_engine.interx`), hands included.

Positions are in the clip's own directions, y up, shifted so that person A's SMPL-X translation is zero in the
first frame; velocities are zero in the last. One 12-vector of means and one of deviations serves every joint.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from intermoe_engine.interx import NUMBERS, motion_from_interx
from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.rotations import quat_to_matrix

from .pair_clip import PairClip
from .smplx_bodies import JOINTS, SMPLX_PARENTS, SmplxBody, generic_body


@dataclass(frozen=True)
class InterxStatistics:
    """One mean and one deviation (12,), shared by all joints."""

    mean: np.ndarray
    std: np.ndarray

    def normalise(self, features: np.ndarray) -> np.ndarray:
        return (features - self.mean) / self.std

    def denormalise(self, features: np.ndarray) -> np.ndarray:
        return features * self.std + self.mean


def local_rotations(clip: PairClip) -> np.ndarray:
    """Local rotations (2, T, 55, 4): body, jaw and eyes at rest, hands (at rest where the clip has none)."""
    rotations = np.zeros((2, clip.frames, JOINTS, 4))
    rotations[..., 0] = 1.0
    rotations[:, :, :22] = clip.joint_rotations
    if clip.hands is not None:
        rotations[:, :, 25:] = clip.hands
    return rotations


def interx_features(clip: PairClip, body: SmplxBody | None = None) -> np.ndarray:
    """Features (2, T, 55, 12) float32 of a clip.

    body: where the hands' and face's joints lie (the generic body by default); each person's own 22 body
    joints are the clip's.
    """
    body = generic_body() if body is None else body
    rotations = local_rotations(clip)
    people = [
        forward_kinematics(
            clip.root_translation[p],
            rotations[p],
            SMPLX_PARENTS,
            body.with_person(clip.rest_offsets[p]).offsets,
        )[0]
        for p in (0, 1)
    ]
    positions = np.stack(people) - (clip.root_translation[0, 0] - body.pelvis)
    velocities = np.zeros_like(positions)
    velocities[:, :-1] = np.diff(positions, axis=1)
    rows = quat_to_matrix(rotations)[..., :2, :].reshape(*rotations.shape[:-1], 6)
    return np.concatenate([positions, velocities, rows], axis=-1).astype(np.float32)


def clip_from_interx(features: np.ndarray, like: PairClip) -> PairClip:
    """A clip of features (2, T, 55, 12), with the bodies, names and roles of `like`."""
    motion = motion_from_interx(features)
    return replace(
        like,
        root_translation=motion.positions[:, :, 0],
        joint_rotations=motion.rotations[:, :, :22],
        hands=motion.rotations[:, :, 25:],
        given_positions=None,
    )


def interx_statistics(features: Iterable[np.ndarray]) -> InterxStatistics:
    """Mean and deviation over all people, frames and joints of features (2, T, 55, 12), one pass."""
    count, total, squares = 0, np.zeros(NUMBERS), np.zeros(NUMBERS)
    for array in features:
        flat = np.asarray(array, dtype=np.float64).reshape(-1, NUMBERS)
        count += len(flat)
        total += flat.sum(axis=0)
        squares += (flat**2).sum(axis=0)
    if count == 0:
        raise ValueError("statistics need at least one clip")
    mean = total / count
    return InterxStatistics(mean, np.sqrt(np.maximum(squares / count - mean**2, 1e-12)))
