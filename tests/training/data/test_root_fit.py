# SPDX-License-Identifier: GPL-3.0-or-later
"""The root's rotation and a person's build, solved from positions and body rotations."""

from __future__ import annotations

import numpy as np
import pytest

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.rotations import quat_conjugate, quat_exp, quat_log, quat_multiply
from intermoe_engine.skeleton import SMPL22
from tests.training.data.known_motion import known_pair
from training.data.root_fit import fit_root_and_offsets


def degrees_apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.linalg.norm(quat_log(quat_multiply(quat_conjugate(a), b)), axis=-1))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("frames", [15, 120])
def test_numbers_that_agree_are_solved_exactly(seed, frames):
    clip = known_pair(frames=frames, seed=seed)
    for person, positions in enumerate(clip.positions()):
        root, offsets = fit_root_and_offsets(positions, clip.joint_rotations[person, :, 1:])
        assert degrees_apart(root, clip.joint_rotations[person, :, 0]).max() < 0.01
        assert np.abs(offsets - clip.rest_offsets[person]).max() < 1e-4


@pytest.mark.parametrize(("still", "frames"), [(False, 200), (False, 15), (True, 60)])
def test_noise_does_not_turn_the_body_inside_itself(still, frames):
    """3 mm on every coordinate and 1.7° on every angle, on people who move and on one who stands still."""
    rng = np.random.default_rng(0)
    clip = known_pair(frames=frames)
    rotations = np.array(clip.joint_rotations[0])
    if still:
        rotations[:] = rotations[:1]
    positions, _ = forward_kinematics(
        clip.root_translation[0], rotations, SMPL22.parents, clip.rest_offsets[0]
    )
    positions = positions + 0.003 * rng.standard_normal(positions.shape)
    shaken = quat_multiply(quat_exp(0.03 * rng.standard_normal((frames, 22, 3))), rotations)
    root, offsets = fit_root_and_offsets(positions, shaken[:, 1:])
    assert degrees_apart(root, rotations[:, 0]).mean() < 4.0
    assert np.abs(offsets - clip.rest_offsets[0]).max() < 0.02
