# SPDX-License-Identifier: GPL-3.0-or-later
"""From scores to a cache: the same clips whoever makes them, a kill that costs nothing, reasons told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intermoe_engine.cli.main import main
from tests.shared import SHARED
from tests.training.composer.scores import HANDSHAKE, plain, score
from tests.training.composer.stick_clips import library
from training.composer.command import earlier_results
from training.composer.compose import Plan, Tally, compose, compose_clip
from training.composer.score import Score
from training.data.cache import CacheWriter, PairCache
from training.data.checks import Rejected
from training.data.pair_clip import PairClip
from training.evaluation.capsules import body_capsules, surface_distances

CMU = SHARED / "data" / "cmu_single"
WALK = '[[actor]]\nclip = "walk"\nlength = 1.5\nmove = { forward = 1.0 }\n[[actor]]\nclip = "stand"\n'
SECONDS = 5.0
_KILLED = """
import sys
from pathlib import Path
import training.data.cache as cache
cache.SHARD_SECONDS = -1.0  # every clip is written at once
from tests.training.composer.test_compose import run
run(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def scores(folder: Path) -> list[Score]:
    """Two scores of short clips."""
    first = replace(plain(folder, WALK, stage="distance = 3.0", seconds=2.0), name="walk_up")
    return [
        first,
        replace(
            plain(folder, '[[actor]]\nclip = "wide"\n', stage="distance = 1.0", seconds=2.0), name="wait"
        ),
    ]


def run(folder: Path, output: Path, workers: int = 1) -> dict[str, Tally]:
    """Compose into `output`, going on with what is there."""
    chosen = scores(folder)
    plan = Plan(chosen, {one.name: SECONDS for one in chosen}, seed=3)
    with CacheWriter(output) as writer:
        earlier = earlier_results(output, chosen)
        return compose(plan, library(), writer, earlier=earlier, workers=workers)


def facts(cache: PairCache) -> list[tuple[str, Sequence[str], str]]:
    """What tells clips apart."""
    return [(entry.name, entry.captions, entry.sha256) for entry in cache.entries]


@pytest.mark.slow
def test_two_workers_make_what_one_makes(tmp_path: Path) -> None:
    tallies = run(tmp_path, tmp_path / "one")
    run(tmp_path, tmp_path / "two", workers=2)
    one, two = PairCache(tmp_path / "one"), PairCache(tmp_path / "two")
    assert facts(one) == facts(two) and one.digest == two.digest
    assert {entry.source for entry in one.entries} == {"composed"}
    # Clips last two seconds: the third is the one that makes five.
    assert [tallies[name].kept for name in ("walk_up", "wait")] == [3, 3]


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    run(tmp_path, tmp_path / "whole")
    output = tmp_path / "killed"
    command = [sys.executable, "-c", _KILLED, str(tmp_path), str(output)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    deadline = time.monotonic() + 120.0
    while not (output / "cache.json").is_file() or not len(PairCache(output)):
        assert process.poll() is None and time.monotonic() < deadline, "nothing was written"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = facts(PairCache(output))
    assert before
    run(tmp_path, output)
    cache = PairCache(output)
    assert facts(cache) == facts(PairCache(tmp_path / "whole"))
    assert set(before) <= set(facts(cache))


def test_clips_are_captioned_whole_and_in_the_order_of_the_sentence(tmp_path: Path) -> None:
    shake = score(tmp_path, HANDSHAKE)
    plan = Plan([shake], {"shake": 1.0}, held_out=0.0)
    seen = set()
    for index in range(12):
        clip = compose_clip(plan, shake, index, library())
        assert isinstance(clip, PairClip) and clip.split == "train" and clip.fps == 30.0
        seen.add(clip.roles)
        assert all(("is shaken by" in text) == (clip.roles == ("other", "actor")) for text in clip.captions)
        wrists = clip.positions()[:, :, 20:22]
        left, right = (np.linalg.norm(wrists[0, :, n] - wrists[1, :, n], axis=-1).min() for n in (0, 1))
        mirrored = any("left hand" in text for text in clip.captions)
        if mirrored or any("right hand" in text for text in clip.captions):
            assert (left < right) == mirrored
        if len(seen) == 2:
            return
    pytest.fail("every clip has the actor first")


def test_what_does_not_come_off_is_left_out_with_its_reason(tmp_path: Path) -> None:
    shake = score(
        tmp_path, HANDSHAKE.replace("[0.8, 0.95]", "[2.4, 2.5]").replace("[0.8, 0.85]", "[2.4, 2.41]")
    )
    left_out = compose_clip(Plan([shake], {"shake": 1.0}), shake, 0, library())
    assert isinstance(left_out, Rejected) and left_out.reason.startswith("gap: ")
    strict = plain(tmp_path, '[accept]\njerk = 1.0\n[[actor]]\nclip = "stand"\n')
    left_out = compose_clip(Plan([strict], {"plain": 1.0}), strict, 0, library())
    assert isinstance(left_out, Rejected) and left_out.reason.endswith("m/s³, the limit is 1")


def test_people_who_stand_in_each_other_are_parted(tmp_path: Path) -> None:
    into = plain(tmp_path, '[[actor]]\nclip = "stand"\n', stage="distance = 0.15", seconds=2.0)
    clip = compose_clip(Plan([into], {"plain": 1.0}), into, 0, library())
    assert isinstance(clip, PairClip)
    a, b = (body_capsules(p, r) for p, r in zip(clip.positions(), clip.joint_rotations, strict=True))
    assert surface_distances(a, b).min(axis=(1, 2)).mean() > -0.045


@pytest.mark.skipif(not CMU.is_dir(), reason="CMU's single trials are not at hand (INTERMOE_SHARED)")
def test_the_command_composes_from_files_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scores").mkdir()
    score(tmp_path / "scores", HANDSHAKE.replace('"standing"', '"idle_real_a"'))
    (tmp_path / "recipe.toml").write_text('scores = "scores"\nhours = 0.002\nheld_out = 0.0\n')
    command = ["train", "compose", "--clips", str(CMU), "--recipe", str(tmp_path / "recipe.toml")]
    command += ["-o", str(tmp_path / "cache"), "--workers", "1"]
    assert main(command) == 0
    assert "shake" in capsys.readouterr().out and (tmp_path / "cache" / "sheets" / "shake.png").is_file()
    cache = PairCache(tmp_path / "cache")
    assert sum(entry.frames / entry.fps for entry in cache.entries) >= 7.2
    assert main([*command, "--hours", "0.003"]) == 0
    longer = PairCache(tmp_path / "cache")
    assert len(longer) > len(cache) and set(facts(cache)) <= set(facts(longer))
    assert main([*command, "--seed", "1"]) == 1
    assert "another seed" in capsys.readouterr().err
