# SPDX-License-Identifier: GPL-3.0-or-later
"""SMPL-X bodies through the smplx package, on a model file in its layout with joints that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.rotations import quat_log
from intermoe_engine.skeleton import SMPL22
from tests.training.data.known_motion import known_pair, smooth_rotations
from training.data.checks import DataError
from training.data.loaders import LoaderOptions, interx
from training.data.smplx_bodies import (
    SMPLX_PARENTS,
    SmplxBody,
    generic_body,
    rest_joints,
    smplx_body,
)

VERTICES = 200
JOINT_VERTICES = slice(0, 55)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SMPLX_NEUTRAL.npz whose first 55 vertices are its joints: joint j moves by j mm a unit of beta 0."""
    pytest.importorskip("smplx")
    folder = tmp_path_factory.mktemp("models") / "smplx"
    folder.mkdir()
    template = np.zeros((VERTICES, 3))
    template[JOINT_VERTICES] = known_joints()
    shapes = np.zeros((VERTICES, 3, 20))
    shapes[JOINT_VERTICES, 1, 0] = 1e-3 * np.arange(55)
    regressor = np.zeros((55, VERTICES))
    regressor[np.arange(55), np.arange(55)] = 1.0
    # The real files hold such arrays too; they must not be unpacked, for that would run code.
    trap = np.array([Trap(folder / "ran")], dtype=object)
    np.savez_compressed(
        folder / "SMPLX_NEUTRAL.npz",
        v_template=template,
        shapedirs=shapes,
        J_regressor=regressor,
        part2num=trap,
    )
    return folder.parent


def known_joints() -> np.ndarray:
    rng = np.random.default_rng(11)
    body = generic_body()
    return rest_joints(SmplxBody(body.offsets * 1.07, body.pelvis)) + 0.005 * rng.standard_normal((55, 3))


def test_parents_are_smplx_s():
    assert SMPLX_PARENTS[:22].tolist() == SMPL22.parents.tolist()
    assert SMPLX_PARENTS[22:25].tolist() == [15, 15, 15]
    fingers = [20, 25, 26, 20, 28, 29, 20, 31, 32, 20, 34, 35, 20, 37, 38]
    assert SMPLX_PARENTS[25:40].tolist() == fingers
    assert SMPLX_PARENTS[40:].tolist() == [21 if p == 20 else p + 15 for p in fingers]


def test_joints_come_from_the_model_file(models):
    body = smplx_body(models)
    assert np.abs(rest_joints(body) - known_joints()).max() < 1e-6
    assert not (models / "smplx" / "ran").exists()
    tall = smplx_body(models, betas=np.array([2.0]))
    assert np.abs(rest_joints(tall)[:, 1] - known_joints()[:, 1] - 2e-3 * np.arange(55)).max() < 1e-6


def test_inter_x_motion_is_on_the_model_s_body(models, tmp_path):
    h5py = pytest.importorskip("h5py")
    clip, joints = known_pair(frames=20), known_joints()
    offsets = joints - joints[SMPLX_PARENTS]
    hands = smooth_rotations(np.random.default_rng(2), 20, 30.0, 30, 0.5)
    data = np.zeros((20, 56, 6))
    expected = []
    for person in (0, 1):
        columns = slice(3 * person, 3 * person + 3)
        data[:, :22, columns] = quat_log(clip.joint_rotations[person])
        data[:, 25:55, columns] = quat_log(hands[person])
        data[:, 55, columns] = clip.root_translation[person] - joints[0]
        expected.append(
            forward_kinematics(
                clip.root_translation[person], clip.joint_rotations[person], SMPL22.parents, offsets[:22]
            )[0]
        )
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["G001T000A000R000"] = data.astype(np.float32)
    (loaded,) = interx.clips(tmp_path / "a.h5", LoaderOptions(body_models=models))
    shift = loaded.positions() - np.stack(expected)
    assert np.abs(shift - shift[0, 0, 0]).max() < 1e-3
    assert np.abs(shift[..., [0, 2]]).max() < 1e-3


def test_without_model_files_the_user_is_told(tmp_path):
    with pytest.raises(
        DataError, match=r"no SMPLX_NEUTRAL\.npz there; download .* or leave --body-models away"
    ):
        smplx_body(tmp_path)
    (tmp_path / "SMPLX_MALE.npz").write_bytes(b"not a model")
    with pytest.raises(DataError, match=r"SMPLX_MALE\.npz: not a readable SMPL-X model"):
        smplx_body(tmp_path, "male")


def test_the_generic_body_is_the_project_s_own_with_symmetric_hands():
    body = generic_body()
    assert np.array_equal(body.offsets[:22], SMPL22.offsets)
    assert np.allclose(body.offsets[25:40] * [-1, 1, 1], body.offsets[40:])
    reach = np.linalg.norm(rest_joints(body)[30] - rest_joints(body)[20])
    assert 0.14 < reach < 0.18  # wrist to the middle finger's last joint, of an adult's hand of 18 to 20 cm
