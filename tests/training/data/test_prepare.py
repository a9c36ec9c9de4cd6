# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe train prepare` from published files to a cache: rejections, resuming, real kills, the sheet."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intermoe_engine.cli.main import main
from tests.training.data.known_motion import known_pair
from tests.training.data.test_interhuman import to_492, write_interhuman
from training.data.cache import PairCache
from training.data.checks import DataError
from training.data.contact_sheet import draw_clips, sample_clips
from training.data.loaders import interhuman
from training.data.pair_clip import PairClip
from training.prepare import SplitRule, prepare
from training.stick_figures import seen_from_the_side

pytest.importorskip("matplotlib")
ROOT = Path(__file__).resolve().parents[3]
SOUND = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound motions, and one with each fault."""
    clips = {f"s{i:02d}": to_492(known_pair(frames=40, seed=i)) for i in range(SOUND)}
    sound = known_pair(frames=40, seed=50)
    floating = np.array(sound.positions())
    floating[0, 30, :, 1] -= 0.3
    jumped = np.array(sound.positions())
    jumped[1, 20:] += [0.0, 0.0, 2.0]
    given = lambda positions: to_492(replace(sound, given_positions=positions))
    clips["x_nan"] = to_492(sound) * np.where(np.arange(492) == 190, np.nan, 1.0).astype(np.float32)
    clips["x_floor"], clips["x_teleport"] = given(floating), given(jumped)
    clips["x_short"], clips["x_length"], clips["x_alone"] = (
        to_492(known_pair(frames=n)) for n in (9, 40, 40)
    )
    root = write_interhuman(tmp_path_factory.mktemp("raw") / "InterHuman", clips, {"train": ["s00", "s01"]})
    (root / "motions_processed" / "person2" / "x_alone.npy").unlink()
    np.save(root / "motions_processed" / "person2" / "x_length.npy", clips["x_length"][1][:-3])
    return root


@pytest.fixture(scope="module")
def cache(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> PairCache:
    output = tmp_path_factory.mktemp("cache") / "c"
    prepare([folder], output)
    return PairCache(output)


def test_sound_clips_are_in_and_every_other_is_out_with_its_reason(cache):
    assert [entry.name for entry in cache.entries] == [f"s{i:02d}" for i in range(SOUND)]
    rows = dict(line.split("\t")[1:] for line in (cache.path / "rejected.tsv").read_text().splitlines()[1:])
    starts = {
        "x_nan": "NaN",
        "x_floor": "feet through the floor: person 1 lies 30 cm",
        "x_teleport": "teleport: person 2 moves at 60 m/s after frame 19",
        "x_short": "too short: 9 frames",
        "x_length": "unequal length: 40 and 37",
        "x_alone": "one person missing",
    }
    assert rows.keys() == starts.keys()
    for name, start in starts.items():
        assert rows[name].startswith(start), rows[name]


def test_cached_motion_is_the_known_motion_to_the_millimetre(cache):
    for i in (0, 3, SOUND - 1):
        clip, known = cache.load(i), known_pair(frames=40, seed=i)
        assert np.abs(clip.positions() - known.positions()).max() < 1e-3
        assert clip.captions == ("One person bows.", "The other bows upright to the left.")


def test_the_command_reports_and_goes_on_where_it_was(folder, tmp_path, capsys):
    command = ["train", "prepare", str(folder), "-o", str(tmp_path / "c"), "--split", "50/25/25"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert f"{SOUND} clips" in out and "left out: 6" in out and "contact_sheet.png" in out
    assert err.count("left out interhuman x_") == 6 and "x_teleport: teleport" in err
    assert (tmp_path / "c" / "contact_sheet.png").read_bytes().startswith(b"\x89PNG")
    before = PairCache(tmp_path / "c")
    assert {e.name for e in before.entries if e.split == "train"} >= {"s00", "s01"}
    assert {e.split for e in before.entries} == {"train", "val", "test"}
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert f"(0 new, {SOUND + 6} done before)" in out and "left out interhuman" not in err
    assert PairCache(tmp_path / "c").digest == before.digest
    assert main([*command, "--retry-rejected"]) == 0
    out, err = capsys.readouterr()
    assert f"(0 new, {SOUND} done before)" in out and err.count("left out interhuman x_") == 6


def test_several_processes_give_the_same_cache(folder, cache, tmp_path):
    summary = prepare([folder], tmp_path / "c", workers=2)
    assert (summary.added, summary.rejected) == (SOUND, 6)
    assert PairCache(tmp_path / "c").digest == cache.digest


def start(folder: Path, output: Path, workers: int) -> subprocess.Popen[str]:
    """The real command in a process of its own, with small shards so that there is something to interrupt."""
    code = (
        "import signal, sys; from training.data import cache; cache.SHARD_BYTES = 60_000\n"
        # A shell that starts the tests in the background has its children ignore this signal.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from intermoe_engine.cli.main import main\n"
        "if __name__ == '__main__':\n"
        "    sys.exit(main(['train', 'prepare', *sys.argv[1:]]))"
    )
    script = output.with_suffix(".py")
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(script), str(folder), "-o", str(output), "--workers", str(workers)],
        env=environment,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_clips(output: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 200
    while process.poll() is None and time.monotonic() < deadline:
        if (output / "cache.json").exists() and len(PairCache(output)) >= count:
            return
        time.sleep(0.03)


@pytest.fixture(scope="module")
def many(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough motions that a run takes seconds: copies of the sound ones."""
    root = tmp_path_factory.mktemp("many") / "InterHuman"
    shutil.copytree(folder, root)
    for person in ("person1", "person2"):
        motions = root / "motions_processed" / person
        for k in range(3):
            for i in range(SOUND):
                os.link(motions / f"s{i:02d}.npy", motions / f"s{i:02d}_{k}.npy")
    return root


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills with POSIX signals")
def test_killed_and_stopped_runs_are_continued_to_the_same_cache(many, tmp_path):
    whole = tmp_path / "whole"
    prepare([many], whole)
    expected = PairCache(whole)
    output = tmp_path / "c"
    kept = 0
    for stop, count in ((signal.SIGKILL, 8), (signal.SIGINT, 20)):
        process = start(many, output, workers=1)
        wait_for_clips(output, count, process)
        assert process.poll() is None, "the run ended before it could be stopped"
        process.send_signal(stop)
        _, told = process.communicate(timeout=200)
        assert process.returncode == (1 if stop == signal.SIGINT else -signal.SIGKILL)
        assert ("goes on from here" in told) == (stop == signal.SIGINT)
        cache = PairCache(output)
        assert count <= len(cache) < len(expected) and len(cache) > kept
        kept = len(cache)
        for i in range(len(cache)):
            cache.load(i)
    summary = prepare([many], output)
    assert summary.skipped >= kept
    assert PairCache(output).digest == expected.digest
    assert not list(output.glob("**/*.tmp"))
    assert sorted(r.name for r in PairCache(output).rejected) == sorted(r.name for r in expected.rejected)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_workers_end_with_a_killed_parent(many, tmp_path):
    process = start(many, tmp_path / "c", workers=2)
    wait_for_clips(tmp_path / "c", 1, process)
    assert process.poll() is None
    children = [
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if stat.read_text().rsplit(")", 1)[1].split()[1] == str(process.pid)
    ]
    assert children
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    alive = children
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = [pid for pid in alive if _runs(pid)]
    assert not alive
    PairCache(tmp_path / "c")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_two_sources_with_the_same_names_are_not_mixed_up(folder, cache, tmp_path):
    other = tmp_path / "Other"
    shutil.copytree(folder, other)
    with pytest.raises(DataError, match="s00 has the name of one of InterHuman"):
        prepare([folder, other], tmp_path / "c")
    shutil.copytree(cache.path, tmp_path / "d")
    with pytest.raises(DataError, match="s00 has the name of one of InterHuman"):
        prepare([other], tmp_path / "d")


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["nowhere"], 1, "nothing is there"),
        (["."], 1, "no known motion data"),
        ([".", "--format", "mp4"], 2, "--format mp4"),
        ([".", "--split", "80/20"], 2, "80/10/10"),
        ([".", "--workers", "0"], 2, "--workers"),
        ([".", "--captions", "none.tsv"], 2, "none.tsv"),
    ],
)
def test_wrong_requests_say_what_to_do(arguments, status, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "prepare", *arguments, "-o", "cache"]) == status
    assert told in capsys.readouterr().err


def test_shares_are_drawn_by_name_and_close_to_what_was_asked():
    rule = SplitRule.parse("80/10/10")
    clip = known_pair(frames=2)
    splits = [rule.of(replace(clip, name=f"n{i}")) for i in range(2000)]
    assert splits == [rule.of(replace(clip, name=f"n{i}")) for i in range(2000)]
    assert abs(splits.count("train") / 2000 - 0.8) < 0.03 and abs(splits.count("test") / 2000 - 0.1) < 0.03
    assert rule.of(replace(clip, split="val")) == "val"
    assert SplitRule.parse("test").of(replace(clip, split="val")) == "test"
    assert SplitRule.parse("own").of(clip) == ""


def test_the_sheet_shows_both_people_side_by_side_upright_and_at_their_size(tmp_path):
    clip: PairClip = known_pair()
    pictures = seen_from_the_side(clip.positions())
    apart = np.linalg.norm((clip.positions()[0] - clip.positions()[1])[:, 0, [0, 2]], axis=-1)
    across = np.abs(pictures[0, :, 0, 0] - pictures[1, :, 0, 0])
    assert np.all(across > 0.9 * apart)
    # A rotation, so nothing is stretched or mirrored.
    joints = pictures[0, 4]
    assert np.allclose(
        np.linalg.norm(joints[:, None] - joints, axis=-1),
        np.linalg.norm(clip.positions()[0, 4][:, None] - clip.positions()[0, 4], axis=-1),
    )
    before = clip.positions()[0, 4, 1:4] - clip.positions()[0, 4, 0]
    assert np.sign(np.linalg.det(joints[1:4] - joints[0])) == np.sign(np.linalg.det(before))
    path = draw_clips(tmp_path / "sheet.png", [clip, clip.mirrored()])
    pixels = _pixels(path)
    for colour in ((0x1F, 0x6F, 0xB4), (0xD9, 0x54, 0x1E)):
        found = np.argwhere(np.abs(pixels[..., :3].astype(int) - colour).max(axis=-1) < 12)
        # Eight moments from left to right, in both rows.
        assert np.ptp(found[:, 1]) > 0.8 * pixels.shape[1] and np.ptp(found[:, 0]) > 0.6 * pixels.shape[0]
    with pytest.raises(ValueError, match="no clips"):
        draw_clips(tmp_path / "none.png", [])
    assert sample_clips(5, 3) == [0, 1, 2] and sample_clips(3, 100, 1) == sample_clips(3, 100, 1)


def _pixels(path: Path) -> np.ndarray:
    from matplotlib.image import imread

    return np.round(imread(path) * 255).astype(np.uint8)


def test_a_loader_that_fails_over_one_clip_costs_that_clip_alone(folder, tmp_path, monkeypatch):
    """A reader's own mistake, which no loader foresees."""
    real = interhuman.fit_root_and_offsets
    bad = to_492(known_pair(frames=40, seed=3))[0, :, :3]

    def failing(positions, rotations):
        if np.allclose(positions[:, 0] @ interhuman.Y_UP, bad, atol=1e-4):
            raise ZeroDivisionError("a joint of no length")
        return real(positions, rotations)

    monkeypatch.setattr(interhuman, "fit_root_and_offsets", failing)
    summary = prepare([folder], tmp_path / "c")
    assert summary.added == SOUND - 1
    reasons = {r.name: r.reason for r in PairCache(tmp_path / "c").rejected}
    assert reasons["s03"] == "it cannot be read: a joint of no length" and len(reasons) == 7
