# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in Inter-X's published layouts, with known motion in them, come back to the millimetre."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intermoe_engine.interx import bodies_from_interx, motion_from_interx
from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.representation import foot_contacts
from intermoe_engine.rotations import quat_log, quat_to_matrix
from intermoe_engine.skeleton import CONTACT_JOINTS, SMPL22
from tests.training.data.known_motion import known_pair, smooth_rotations
from training.data.checks import DataError, Rejected
from training.data.interx_features import (
    clip_from_interx,
    interx_features,
    interx_statistics,
    local_rotations,
)
from training.data.loaders import LoaderOptions, detect, interx
from training.data.pair_clip import PairClip
from training.data.smplx_bodies import SMPLX_PARENTS, generic_body

h5py = pytest.importorskip("h5py")
NAME = "G001T000A000R000"
CAPTION = (
    "One person extends the left hand.#one/DET person/NOUN extend/VERB the/DET left/ADJ hand/NOUN#0.0#0.0\n"
)


def known_smplx(frames: int = 60, fps: float = 30.0, seed: int = 4) -> PairClip:
    """The known pair on generic bodies with moving hands, standing on the floor with the lowest joint."""
    clip = known_pair(NAME, frames, fps, seed=seed)
    hands = smooth_rotations(np.random.default_rng(5), frames, fps, 30, 0.6)
    clip = replace(clip, rest_offsets=np.stack([SMPL22.offsets] * 2), hands=hands)
    root = clip.root_translation.copy()
    root[..., 1] -= clip.positions()[..., 1].min()
    return replace(clip, root_translation=root)


def to_56x6(clip: PairClip, pelvis: np.ndarray) -> np.ndarray:
    """(T, 56, 6) float32: axis-angle rows and the translation, person 1 then person 2 in the last axis."""
    assert clip.hands is not None
    data = np.zeros((clip.frames, 56, 6))
    for person in (0, 1):
        columns = slice(3 * person, 3 * person + 3)
        data[:, :22, columns] = quat_log(clip.joint_rotations[person])
        data[:, 25:55, columns] = quat_log(clip.hands[person])
        data[:, 55, columns] = clip.root_translation[person] - pelvis
    data[:, 55] -= np.tile(data[0, 55, :3], 2)  # as published: person 1's first translation taken from both
    return data.astype(np.float32)


def write_h5(folder: Path, motions: dict[str, dict[str, np.ndarray]]) -> Path:
    (folder / "motions").mkdir(parents=True)
    (folder / "texts_processed").mkdir()
    for split, members in motions.items():
        with h5py.File(folder / "motions" / f"{split}.h5", "w") as file:
            for name, data in members.items():
                file.create_dataset(name, data=data, dtype="f4")
                (folder / "texts_processed" / f"{name}.txt").write_text(CAPTION * 3)
    return folder


def relative(clip: PairClip) -> np.ndarray:
    """Joints with person 1's pelvis starting at x = z = 0."""
    return clip.positions() - clip.root_translation[0, 0] * [1.0, 0.0, 1.0]


@pytest.fixture(scope="module")
def known() -> PairClip:
    return known_smplx()


@pytest.fixture(scope="module")
def folder(known: PairClip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = to_56x6(known, generic_body().pelvis)
    root = write_h5(
        tmp_path_factory.mktemp("interx") / "data", {"train": {NAME: data}, "test": {NAME[:-1] + "1": data}}
    )
    (root / "annots").mkdir()
    (root / "annots" / "interaction_order.pkl").write_bytes(pickle.dumps({NAME: 0, NAME[:-1] + "1": 1}))
    return root


@pytest.fixture(scope="module")
def loaded(folder: Path) -> list[PairClip]:
    return [clip for clip in interx.clips(folder, LoaderOptions()) if isinstance(clip, PairClip)]


def test_joints_of_both_people_come_back_to_the_millimetre(known, loaded):
    assert np.abs(relative(loaded[0]) - relative(known)).max() < 1e-5
    assert loaded[0].frames == known.frames and loaded[0].fps == 30.0
    lowest = loaded[0].positions()[..., 1].min(axis=2)
    assert np.allclose(lowest, known.positions()[..., 1].min(axis=2), atol=1e-5)
    assert np.ptp(lowest[1]) > 0.3


def test_hands_come_back(known, loaded):
    assert np.allclose(quat_to_matrix(loaded[0].hands), quat_to_matrix(known.hands), atol=1e-5)


def test_names_splits_captions_and_roles(folder, loaded):
    assert detect(folder) == "interx"
    assert interx.names(folder) == [NAME, NAME[:-1] + "1"]
    by_name = {clip.name: clip for clip in loaded}
    assert {c.split for c in loaded} == {"train", "test"}
    assert by_name[NAME].split == "train"
    assert by_name[NAME].captions == ("One person extends the left hand.",) * 3
    assert by_name[NAME].roles == ("actor", "reactor")
    assert by_name[NAME[:-1] + "1"].roles == ("reactor", "actor")


def test_one_file_with_split_lists_beside_it(known, tmp_path):
    data = to_56x6(known, generic_body().pelvis)
    with h5py.File(tmp_path / "inter-x.h5", "w") as file:
        file[NAME] = data
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "val.txt").write_text(f"{NAME}\n")
    (clip,) = interx.clips(tmp_path / "inter-x.h5", LoaderOptions())
    assert clip.split == "val" and clip.captions == () and clip.roles == ("", "")


def test_a_recording_at_120_frames_a_second_gives_every_fourth(tmp_path):
    fast = known_smplx(frames=240, fps=120.0)
    slow = known_smplx(frames=60, fps=30.0)
    write_recording(tmp_path, fast)
    (clip,) = interx.clips(tmp_path, LoaderOptions())
    assert clip.frames == 60 and clip.fps == 30.0
    shift = clip.positions() - slow.positions()
    # One rigid shift: the floor is found again, everything else stays where the file has it.
    assert np.abs(shift - shift[0, 0, 0]).max() < 1e-5
    assert np.abs(shift[..., [0, 2]]).max() < 1e-5
    assert clip.captions == ("Someone waves.",)


def test_an_h5_file_that_says_its_rate_or_whose_user_does(tmp_path):
    fast = to_56x6(known_smplx(frames=240, fps=120.0), generic_body().pelvis)
    slow = known_smplx(frames=60, fps=30.0)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[NAME] = fast
    (clip,) = interx.clips(tmp_path / "a.h5", LoaderOptions(source_fps=120.0))
    assert clip.frames == 60
    assert np.abs(relative(clip) - relative(slow))[..., [0, 2]].max() < 1e-5
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file[NAME].attrs["fps"] = 120.0
    (clip,) = interx.clips(tmp_path / "a.h5", LoaderOptions())
    assert clip.frames == 60


def write_recording(folder: Path, clip: PairClip) -> None:
    assert clip.hands is not None
    target = folder / "motions" / NAME
    target.mkdir(parents=True)
    for person in (0, 1):
        np.savez(
            target / f"P{person + 1}.npz",
            root_orient=quat_log(clip.joint_rotations[person, :, 0]).astype(np.float32),
            pose_body=quat_log(clip.joint_rotations[person, :, 1:]).astype(np.float32),
            pose_lhand=quat_log(clip.hands[person, :, :15]).astype(np.float32),
            pose_rhand=quat_log(clip.hands[person, :, 15:]).astype(np.float32),
            trans=(clip.root_translation[person] - generic_body().pelvis).astype(np.float32),
            betas=np.zeros((1, 10), np.float32),
            gender=np.array("male"),
        )
    (folder / "texts").mkdir()
    (folder / "texts" / f"{NAME}.txt").write_text("Someone waves.\n")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (np.zeros((20, 56, 3), np.float32), "one person missing"),
        (np.zeros((20, 55, 12), np.float32), "(20, 55, 12)"),
        (np.full((20, 56, 6), np.nan, np.float32), "NaN"),
    ],
)
def test_spoiled_data_sets_are_rejected_with_the_reason(known, tmp_path, data, reason):
    good = to_56x6(known, generic_body().pelvis)
    folder = write_h5(tmp_path / "d", {"train": {"G1": data, "G2": good}})
    first, second = interx.clips(folder, LoaderOptions())
    assert isinstance(first, Rejected) and reason in first.reason
    assert isinstance(second, PairClip)


def test_a_damaged_file_and_a_table_that_runs_code_are_named(tmp_path, folder):
    (tmp_path / "x.h5").write_bytes(b"no")
    with pytest.raises(DataError, match=r"x\.h5"):
        list(interx.clips(tmp_path / "x.h5", LoaderOptions()))

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "touched"), "w"))

    write_h5(tmp_path / "d", {"train": {}})
    (tmp_path / "d" / "interaction_order.pkl").write_bytes(pickle.dumps({NAME: Evil()}))
    with pytest.raises(DataError, match=r"interaction_order\.json"):
        interx.names(tmp_path / "d")
    assert not (tmp_path / "touched").exists()
    (tmp_path / "d" / "interaction_order.json").write_text(json.dumps({NAME: 1}))
    assert interx.names(tmp_path / "d") == []


def test_interx_features_state_what_the_skeleton_does(known):
    """Every joint's position by its own chain of matrices, velocities by differences, 6D by rows."""
    body = generic_body()
    features = interx_features(known, body)
    assert features.shape == (2, known.frames, 55, 12)
    rotations = local_rotations(known)
    matrices = quat_to_matrix(rotations[1, 7])
    for joint in (0, 15, 22, 27, 39, 54):
        place, chain = np.zeros(3), joint
        path = []
        while chain > 0:
            path.append(chain)
            chain = int(SMPLX_PARENTS[chain])
        frame = matrices[0]
        for link in reversed(path):
            place = place + frame @ body.offsets[link]
            frame = frame @ matrices[link]
        place = place + known.root_translation[1, 7] - known.root_translation[0, 0] + body.pelvis
        assert np.allclose(features[1, 7, joint, :3], place, atol=1e-5)
        assert np.allclose(features[1, 7, joint, 6:], matrices[joint][:2].reshape(6), atol=1e-6)
    assert np.allclose(features[:, :-1, :, 3:6], np.diff(features[..., :3], axis=1), atol=1e-6)
    assert not features[:, -1, :, 3:6].any()
    assert np.allclose(features[0, 0, 0, :3], body.pelvis, atol=1e-6)


def test_interx_features_give_the_motion_back(known):
    features = interx_features(known)
    motion = motion_from_interx(features)
    assert np.allclose(quat_to_matrix(motion.rotations), quat_to_matrix(local_rotations(known)), atol=1e-5)
    back = clip_from_interx(features, known)
    assert (
        np.abs(
            (back.positions() - back.root_translation[0, 0])
            - (known.positions() - known.root_translation[0, 0])
        ).max()
        < 1e-4
    )
    fingers, _ = forward_kinematics(
        back.root_translation[0], local_rotations(back)[0], SMPLX_PARENTS, generic_body().offsets
    )
    assert np.allclose(fingers, motion.positions[0], atol=1e-4)
    stats = interx_statistics([features[:, :20], features[:, 20:]])
    flat = features.reshape(-1, 12)
    assert np.allclose(stats.mean, flat.mean(axis=0), atol=1e-5) and np.allclose(
        stats.std, flat.std(axis=0), atol=1e-5
    )
    assert np.allclose(stats.denormalise(stats.normalise(features)), features, atol=1e-5)


def test_the_engine_reads_the_bodies_on_one_floor(known):
    bodies = bodies_from_interx(interx_features(known).reshape(2, known.frames, 660), known.fps)
    moved = np.stack([body.positions for body in bodies]) - known.positions()
    assert np.ptp(moved, axis=(0, 1, 2)).max() < 1e-5  # one rigid shift for both people
    feet = np.stack([body.positions[:, CONTACT_JOINTS, 1] for body in bodies])
    assert abs(np.percentile(feet.min(axis=(0, 2)), 5)) < 1e-9
    for person, body in enumerate(bodies):
        local = np.concatenate([body.root_rotation[:, None], body.body_rotations], axis=1)
        expected = quat_to_matrix(known.joint_rotations[person])
        assert np.allclose(quat_to_matrix(local), expected, atol=1e-5)
        assert np.array_equal(body.contacts, foot_contacts(body.positions, known.fps))
