# SPDX-License-Identifier: GPL-3.0-or-later
"""Take files: whole or refused, and resampling that keeps the motion."""

import contextlib
import json

import numpy as np
import pytest

from intermoe_engine.npz import ArraysError, read_arrays
from intermoe_engine.rotations import quat_exp
from intermoe_engine.skeleton import SMPL22
from intermoe_engine.take import ActorMotion, Take, TakeError


def make_take(frames: int = 40) -> Take:
    rng = np.random.default_rng(0)
    actors = []
    for shift in (0.0, 1.0):
        turn = np.cumsum(0.02 * rng.standard_normal((frames, 22, 3)), axis=0)
        root = np.stack([np.linspace(0, 1, frames) + shift, np.full(frames, 0.95), np.zeros(frames)], -1)
        actors.append(
            ActorMotion.from_rotations(root, quat_exp(turn), np.zeros((frames, 4)), SMPL22.offsets.copy())
        )
    return Take("two people talk 👋", 7, 30.0, (actors[0], actors[1]), {"bundle": {"id": "x"}})


def test_a_saved_take_comes_back(tmp_path):
    take = make_take()
    take.save(tmp_path / "new" / "take.npz")
    again = Take.load(tmp_path / "new" / "take.npz")
    assert (again.prompt, again.seed, again.fps, again.meta) == (take.prompt, 7, 30.0, take.meta)
    for mine, theirs in zip(take.actors, again.actors, strict=True):
        assert np.allclose(mine.joint_positions, theirs.joint_positions, atol=1e-6)
        assert np.allclose(mine.rest_offsets, theirs.rest_offsets, atol=1e-6)


def test_the_file_has_the_documented_arrays_and_no_pickle(tmp_path):
    make_take().save(tmp_path / "take.npz")
    with np.load(tmp_path / "take.npz", allow_pickle=False) as data:
        assert data["joint_rotations"].shape == (2, 40, 22, 4)
        assert data["root_translation"].shape == (2, 40, 3)
        assert data["joint_positions"].shape == (2, 40, 22, 3)
        assert data["foot_contacts"].shape == (2, 40, 4)
        assert json.loads(str(data["meta"])) == {"bundle": {"id": "x"}}


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = make_take().save(tmp_path / "take.npz")
    before = path.read_bytes()
    broken = make_take()
    broken.meta["not json"] = object()
    with pytest.raises(TypeError):
        broken.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["take.npz"]


def test_broken_files_are_refused_in_one_sentence(tmp_path):
    path = make_take().save(tmp_path / "take.npz")
    data = path.read_bytes()
    (tmp_path / "half.npz").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "other.npz", something=np.zeros(3))
    np.savez(tmp_path / "pickle.npz", schema=np.array({"a": 1}, dtype=object))
    with np.load(path) as whole:
        arrays = dict(whole)
    np.savez(tmp_path / "nan.npz", **{**arrays, "root_translation": arrays["root_translation"] * np.nan})
    np.savez(tmp_path / "newer.npz", **{**arrays, "schema": np.array(99)})
    for name in ("half", "text", "other", "pickle", "nan", "newer", "absent"):
        with pytest.raises(TakeError) as error:
            Take.load(tmp_path / f"{name}.npz")
        assert f"{name}.npz" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("fps", [24, 25, 60, 120, 29.97])
def test_resampling_keeps_times_and_end_points(fps):
    take = make_take()
    other = take.resampled(fps)
    assert other.fps == fps
    assert other.frames == int((take.frames - 1) / 30 * fps + 1e-6) + 1
    moment = (other.frames - 1) / fps * 30
    expected = np.interp(moment, np.arange(40), take.actors[1].root_translation[:, 0])
    assert np.isclose(other.actors[1].root_translation[-1, 0], expected, atol=1e-9)
    assert np.allclose(other.actors[0].joint_positions[0], take.actors[0].joint_positions[0])
    lengths = np.linalg.norm(np.diff(other.actors[0].joint_positions[:, [16, 18]], axis=1), axis=-1)
    assert np.allclose(lengths, lengths[0], atol=1e-9)


def test_resampling_refuses_a_frame_rate_of_zero():
    with pytest.raises(ValueError, match="above zero"):
        make_take().resampled(0)


@pytest.mark.parametrize(
    "changes",
    [
        {"fps": np.array(np.inf)}, {"fps": np.array(0.0)}, {"fps": np.zeros(3)}, {"fps": np.array("30")},
        {"schema": np.array("one")}, {"seed": np.array("x")}, {"prompt": np.array(3)},
        {"meta": np.array("[1]")}, {"meta": np.array("{")},
        {"joint_rotations": np.zeros((2, 40, 22, 4))},
        {"rest_offsets": np.full((2, 22, 3), "a")},
        {"root_translation": np.zeros((2, 0, 3))}, {"root_translation": np.zeros(3)},
    ],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_arrays_of_the_wrong_kind_are_refused(tmp_path, changes):
    with np.load(make_take().save(tmp_path / "take.npz")) as whole:
        np.savez(tmp_path / "odd.npz", **{**whole, **changes})
    with pytest.raises(TakeError) as error:
        Take.load(tmp_path / "odd.npz")
    assert "\n" not in str(error.value)


def test_a_plain_array_under_the_name_of_a_take_is_refused(tmp_path):
    with (tmp_path / "array.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(TakeError, match="not a readable take"):
        Take.load(tmp_path / "array.npz")


def test_damaged_packing_is_refused(tmp_path):
    """Whatever byte is hit: damaged deflate streams raise errors of their own."""
    data = make_take().save(tmp_path / "take.npz").read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(data), 60):
        hit = bytearray(data)
        hit[place] ^= 0xFF
        (tmp_path / "hit.npz").write_bytes(hit)
        with contextlib.suppress(TakeError):
            Take.load(tmp_path / "hit.npz")


def test_a_file_that_swells_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "big.npz"
    np.savez_compressed(path, schema=np.zeros(2 << 20))
    with pytest.raises(ArraysError, match="unpacks to 17 MB"):
        read_arrays(path, limit=1 << 20)


def test_rotations_of_other_tools_are_brought_to_length_one(tmp_path):
    take = make_take()
    with np.load(take.save(tmp_path / "take.npz")) as whole:
        np.savez(tmp_path / "long.npz", **{**whole, "joint_rotations": 1.5 * whole["joint_rotations"]})
    got = Take.load(tmp_path / "long.npz").actors[0].joint_rotations
    np.testing.assert_allclose(got, take.actors[0].joint_rotations, atol=1e-6)
