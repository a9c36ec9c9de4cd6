# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in InterHuman's published layout, with known motion in them, come back to the millimetre."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intermoe_engine.representation import INTERHUMAN, features_from_motion
from intermoe_engine.rotations import quat_conjugate, quat_log, quat_multiply, quat_to_matrix
from tests.training.data.known_motion import known_pair
from training.data.checks import Rejected
from training.data.interhuman_features import published_features
from training.data.loaders import LoaderOptions, detect, interhuman
from training.data.pair_clip import PairClip

MILLIMETRE = 1e-3


def to_492(clip: PairClip, columns_first: bool = False) -> np.ndarray:
    """(2, T, 492) float32, z up, other joints filled with what must not be read."""
    frames = clip.frames
    y_up = clip.positions()
    # The file's z is up: (x, y, z) of the file is (x, −z, y) of ours.
    z_up = np.stack([y_up[..., 0], -y_up[..., 2], y_up[..., 1]], axis=-1)
    matrices = quat_to_matrix(clip.joint_rotations[:, :, 1:])
    if columns_first:
        sixd = np.concatenate([matrices[..., 0], matrices[..., 1]], axis=-1)
    else:
        m = matrices
        sixd = np.stack(
            [m[..., 0, 0], m[..., 0, 1], m[..., 1, 0], m[..., 1, 1], m[..., 2, 0], m[..., 2, 1]], -1
        )
    data = np.full((2, frames, 492), 7.0)
    data[:, :, :66] = z_up.reshape(2, frames, 66)
    data[:, :, 186:312] = sixd.reshape(2, frames, 126)
    return data.astype(np.float32)


def write_interhuman(folder: Path, clips: dict[str, np.ndarray], splits: dict[str, list[str]]) -> Path:
    for person in (0, 1):
        (folder / "motions_processed" / f"person{person + 1}").mkdir(parents=True)
        for name, data in clips.items():
            np.save(folder / "motions_processed" / f"person{person + 1}" / f"{name}.npy", data[person])
    (folder / "annots").mkdir()
    for name in clips:
        (folder / "annots" / f"{name}.txt").write_text(
            "One person bows.\n\nThe other bows upright to the left. \n"
        )
    (folder / "split").mkdir()
    for split, members in splits.items():
        (folder / "split" / f"{split}.txt").write_text("".join(f"{m}\n" for m in members))
    return folder


def only(results: list) -> PairClip:
    assert len(results) == 1 and isinstance(results[0], PairClip), results
    return results[0]


@pytest.fixture(scope="module")
def known() -> PairClip:
    return known_pair()


@pytest.fixture(scope="module")
def folder(known: PairClip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("interhuman") / "InterHuman"
    data = to_492(known)
    write_interhuman(
        root, {"1": data, "2": data, "3": data, "9": data}, {"train": ["1"], "val": ["2"], "test": ["9"]}
    )
    (root / "ignore_list.txt").write_text("3\n")
    return root


@pytest.fixture(scope="module")
def loaded(folder: Path) -> PairClip:
    return only(list(interhuman.clips(folder, LoaderOptions(names=frozenset({"1"})))))


def test_the_folder_is_recognised_and_its_lists_are_followed(folder):
    assert detect(folder) == "interhuman"
    assert interhuman.names(folder) == ["1", "2", "9"]
    splits = {c.name: c.split for c in interhuman.clips(folder, LoaderOptions())}
    assert splits == {"1": "train", "2": "val", "9": "test"}


def test_positions_come_back_to_the_millimetre(known, loaded):
    assert np.abs(loaded.positions() - known.positions()).max() < 1e-5
    assert np.abs(loaded.posed_positions() - known.positions()).max() < MILLIMETRE
    assert loaded.fps == 30.0 and loaded.roles == ("", "")
    assert loaded.captions == ("One person bows.", "The other bows upright to the left.")


def test_root_rotation_and_each_person_s_rest_offsets_are_solved(known, loaded):
    miss = quat_multiply(quat_conjugate(known.joint_rotations), loaded.joint_rotations)
    assert np.degrees(np.linalg.norm(quat_log(miss), axis=-1)).max() < 0.01
    assert np.abs(loaded.rest_offsets - known.rest_offsets).max() < MILLIMETRE
    assert np.abs(known.rest_offsets[0] - known.rest_offsets[1]).max() > 0.01


def test_both_people_share_one_floor_so_a_lift_keeps_its_height(known, loaded):
    lowest = loaded.positions()[..., 1].min(axis=2)
    assert abs(lowest[0].min()) < MILLIMETRE
    assert lowest[1].max() == pytest.approx(0.4, abs=MILLIMETRE)
    published = published_features(loaded.window(0, 20).swapped())
    assert published[0, :, 1:66:3].min() == pytest.approx(0.0, abs=MILLIMETRE)


def test_the_floor_is_found_wherever_the_file_has_it(known, tmp_path):
    data = to_492(known)
    data[:, :, 2:66:3] += 0.37
    clip = only(list(interhuman.clips(write_interhuman(tmp_path / "d", {"a": data}, {}), LoaderOptions())))
    assert np.abs(clip.positions() - known.positions()).max() < 1e-5
    assert clip.split == ""


def test_published_features_are_the_published_code_s(known, loaded):
    """Against a plain restatement of the published preprocessing, on the file's own numbers."""
    data = to_492(known).astype(np.float64)
    matrix = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    turned, out = None, []
    for person in (0, 1):
        p = data[person, :, :66].reshape(-1, 22, 3) @ matrix.T
        p[..., 1] -= p[..., 1].min()
        if turned is None:
            across = p[0, 2] - p[0, 1]
            forward = np.cross([0.0, 1.0, 0.0], across)
            angle = np.arctan2(forward[0], forward[2])
            turned = np.array(
                [[np.cos(angle), 0, -np.sin(angle)], [0, 1.0, 0], [np.sin(angle), 0, np.cos(angle)]]
            )
            origin = p[0, 0] * [1.0, 0, 1.0]
        p = (p - origin) @ turned.T
        step = p[1:] - p[:-1]
        feet = [7, 10, 8, 11]
        contact = (np.sum(step[:, feet] ** 2, -1) < 0.001) & (p[:-1, feet, 1] < [0.12, 0.05, 0.12, 0.05])
        frames = len(p) - 1
        out.append(
            np.concatenate(
                [p[:-1].reshape(frames, 66), step.reshape(frames, 66), data[person, :-1, 186:312], contact],
                axis=1,
            )
        )
    assert np.abs(published_features(loaded) - np.stack(out)).max() < 1e-4


def test_sixd_numbers_are_read_row_by_row():
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    clip = known_pair(frames=2)
    rotations = clip.joint_rotations.copy()
    rotations[:, :, 5] = [np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]  # 90° about z: x goes to y
    assert np.allclose(quat_to_matrix(rotations[0, 0, 5]), quarter)
    features = features_from_motion(clip.positions(), rotations, np.zeros((2, 2, 4)), INTERHUMAN)
    assert np.allclose(features[0, 0, 132 + 4 * 6 : 132 + 5 * 6], [0, -1, 1, 0, 0, 0], atol=1e-6)
    assert np.allclose(
        to_492(replace(clip, joint_rotations=rotations))[0, 0, 186 + 24 : 216], [0, -1, 1, 0, 0, 0]
    )


def test_rotations_in_another_order_are_noticed(known, tmp_path):
    folder = write_interhuman(tmp_path / "d", {"a": to_492(known, columns_first=True)}, {})
    (rejected,) = interhuman.clips(folder, LoaderOptions())
    assert isinstance(rejected, Rejected) and "row by row" in rejected.reason


def test_positions_that_the_bones_do_not_reach_are_kept_as_given(known, tmp_path):
    rng = np.random.default_rng(3)
    noisy = known.positions() + 0.004 * rng.standard_normal((2, known.frames, 22, 3))
    folder = write_interhuman(tmp_path / "d", {"a": to_492(replace(known, given_positions=noisy))}, {})
    clip = only(list(interhuman.clips(folder, LoaderOptions())))
    shift = clip.positions()[..., 1] - noisy[..., 1]
    assert np.ptp(shift) < 1e-5
    assert np.abs((clip.positions() - noisy)[..., [0, 2]]).max() < 1e-5
    assert 0.001 < np.abs(clip.posed_positions() - clip.positions()).max() < 0.04


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda f, d: (f / "person2" / "a.npy").unlink(), "one person missing"),
        (lambda f, d: np.save(f / "person2" / "a.npy", d[1][:-1]), "unequal length"),
        (
            lambda f, d: np.save(f / "person1" / "a.npy", d[0] * np.where(np.arange(492) == 200, np.nan, 1)),
            "NaN",
        ),
        (lambda f, d: np.save(f / "person1" / "a.npy", d[0][:, :262]), "492"),
        (lambda f, d: (f / "person1" / "a.npy").write_bytes(b"\x93NUMPY"), "person1/a.npy"),
    ],
)
def test_spoiled_files_are_rejected_with_the_reason(known, tmp_path, spoil, reason):
    data = to_492(known)
    folder = write_interhuman(tmp_path / "d", {"a": data, "b": data}, {})
    spoil(folder / "motions_processed", data)
    first, second = interhuman.clips(folder, LoaderOptions())
    assert isinstance(first, Rejected) and reason in first.reason and first.name == "a"
    assert isinstance(second, PairClip)
