# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache gives clips back as they were, and is whole whatever ended its writing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intermoe_engine import atomic
from intermoe_engine.rotations import quat_conjugate, quat_log, quat_multiply
from tests.training.data.known_motion import known_pair, smooth_rotations
from training.data import cache as cache_module
from training.data.cache import CacheWriter, PairCache
from training.data.checks import DataError, Rejected
from training.data.pair_clip import PairClip


@pytest.fixture(scope="module")
def clips() -> list[PairClip]:
    rng = np.random.default_rng(8)
    plain = known_pair("plain", 40, seed=1)
    hands = replace(known_pair("hands", 50, seed=2), hands=smooth_rotations(rng, 50, 30.0, 30, 0.8))
    given = known_pair("given", 60, seed=3)
    given = replace(given, given_positions=given.positions() + 0.03 * rng.standard_normal((2, 60, 22, 3)))
    fast = known_pair("fast", 200, fps=120.0, seed=4)
    full = replace(
        plain,
        name="full",
        captions=("ünïcode: „a“", "two\tlines"),
        roles=("actor", "reactor"),
        split="val",
        source="x",
    )
    return [plain, hands, given, fast, full]


def write(path: Path, clips: list[PairClip]) -> PairCache:
    with CacheWriter(path) as writer:
        for clip in clips:
            writer.add(clip)
    return PairCache(path)


def test_clips_come_back_within_half_a_millimetre(clips, tmp_path):
    cache = write(tmp_path / "c", clips)
    assert len(cache) == len(clips)
    back = {clip.name: clip for clip in map(cache.load, range(len(cache)))}
    for clip in clips:
        expected, got = clip.resampled(30.0), back[clip.name]
        assert got.fps == 30.0 and got.frames == expected.frames
        assert np.abs(got.positions() - expected.positions()).max() < 5e-4
        assert np.abs(got.posed_positions() - expected.posed_positions()).max() < 5e-4
        turned = quat_log(quat_multiply(quat_conjugate(expected.joint_rotations), got.joint_rotations))
        assert np.degrees(np.linalg.norm(turned, axis=-1)).max() < 0.01
        for field in ("captions", "roles", "split", "source", "name"):
            assert getattr(got, field) == getattr(expected, field)
        assert (got.hands is None) == (expected.hands is None)
        assert (got.given_positions is None) == (expected.given_positions is None)
        if got.hands is not None:
            turned = quat_log(quat_multiply(quat_conjugate(expected.hands), got.hands))
            assert np.degrees(np.linalg.norm(turned, axis=-1)).max() < 0.01


def test_the_index_answers_without_the_motion(clips, tmp_path):
    cache = write(tmp_path / "c", clips)
    full = next(e for e in cache.entries if e.name == "full")
    assert (full.frames, full.fps, full.roles, full.split) == (40, 30.0, ("actor", "reactor"), "val")
    assert [cache.entries[i].name for i in cache.select("val")] == ["full"]
    assert len(cache.select("")) == 4


def test_the_digest_is_of_the_content_not_of_its_history(clips, tmp_path, monkeypatch):
    at_once = write(tmp_path / "a", clips).digest
    with CacheWriter(tmp_path / "b") as writer:
        writer.add(clips[3])
        writer.reject(Rejected("bad", "NaN"))
    monkeypatch.setattr(cache_module, "SHARD_BYTES", 1)
    one_by_one = write(tmp_path / "b", [clips[i] for i in (4, 0, 2, 1)])
    assert one_by_one.digest == at_once
    assert len({entry.shard for entry in one_by_one.entries}) == 5
    changed = write(tmp_path / "c", [*clips[:4], replace(clips[4], captions=("other",))])
    assert changed.digest != at_once


def test_a_shard_is_bounded(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "SHARD_BYTES", 60_000)
    many = [replace(clips[2], name=f"n{i}") for i in range(12)]
    cache = write(tmp_path / "c", many)
    sizes = [f.stat().st_size for f in (tmp_path / "c" / "shards").iterdir()]
    assert len(sizes) > 3 and max(sizes) < 120_000
    assert np.abs(cache.load(11).positions() - many[-1].positions()).max() < 5e-4


def test_done_and_rejected_are_remembered(clips, tmp_path):
    with CacheWriter(tmp_path) as writer:
        writer.add(replace(clips[0], source="bvh"), origin="folder")
        writer.reject(Rejected("bad", "NaN:\tthree\nnumbers", "bvh"))
    with CacheWriter(tmp_path) as writer:
        assert writer.done("plain") and writer.done("plain", "bvh") and not writer.done("plain", "cmu")
        assert writer.done("bad", "bvh") and writer.origin("plain", "bvh") == "folder"
        with pytest.raises(ValueError, match="already"):
            writer.add(replace(clips[0], source="bvh"))
    assert (tmp_path / "rejected.tsv").read_text().splitlines()[1] == "bvh\tbad\tNaN: three numbers"
    with CacheWriter(tmp_path, retry_rejected=True) as writer:
        assert not writer.done("bad")


class Killed(BaseException):
    """Stands for the end of the process."""


def test_an_end_at_any_file_operation_leaves_a_cache_to_go_on_from(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "SHARD_BYTES", 30_000)
    whole = write(tmp_path / "whole", clips).digest
    real = atomic.os.replace
    for moment in range(1, 30):
        folder = tmp_path / f"m{moment}"
        calls = 0

        def dying(source, target):
            nonlocal calls
            calls += 1
            if calls == moment:  # noqa: B023
                raise Killed
            real(source, target)

        monkeypatch.setattr(atomic.os, "replace", dying)
        writer = CacheWriter(folder)
        try:
            for clip in clips:
                writer.add(clip)
            writer.flush()
            ended = False
        except Killed:
            ended = True
        monkeypatch.setattr(atomic.os, "replace", real)
        writer._lock.release()
        if not ended:
            assert moment > 5
            break
        if (folder / "cache.json").exists():
            cache = PairCache(folder)
            for i in range(len(cache)):
                cache.load(i)
        with CacheWriter(folder) as writer:
            for clip in clips:
                if not writer.done(clip.name, clip.source):
                    writer.add(clip)
        assert PairCache(folder).digest == whole
    else:
        pytest.fail("the writing never came to its end")


def test_one_writer_at_a_time(tmp_path):
    with CacheWriter(tmp_path), pytest.raises(DataError, match="another process"):
        CacheWriter(tmp_path)
    CacheWriter(tmp_path).close()


def test_what_is_no_cache_is_named(clips, tmp_path):
    with pytest.raises(DataError, match="train prepare"):
        PairCache(tmp_path)
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match="other files"):
        CacheWriter(tmp_path)
    cache = write(tmp_path / "c", clips[:1])
    shard = tmp_path / "c" / cache.entries[0].shard
    shard.write_bytes(shard.read_bytes()[:200])
    with pytest.raises(DataError, match=r"00000\.npz"):
        cache.load(0)
    index = tmp_path / "c" / "cache.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "schema": 99}))
    with pytest.raises(DataError, match="newer"):
        PairCache(tmp_path / "c")
    index.write_text("{")
    with pytest.raises(DataError, match="not a readable index"):
        PairCache(tmp_path / "c")
