# SPDX-License-Identifier: GPL-3.0-or-later
"""What `intermoe generate` leaves behind when its output goes wrong: whole files, or the ones before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from intermoe_engine.take import Take

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 60.0
posix = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


def start(bundle: Path, output: Path, *options: str, **popen) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "intermoe_engine", "generate", "two people dance", "-o", str(output)]
    command += ["--bundle", str(bundle), "--device", "cpu", *options]
    return subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit status, and the one line of its error."""
    _, errors = process.communicate(timeout=LIMIT)
    assert "Traceback" not in errors
    return process.returncode, errors.strip().splitlines()[-1]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_in_the_output_s_place_is_found_before_the_work(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "dance.npz").mkdir()
    process = start(tiny_bundle, tmp_path / "dance.npz", "--steps", "1000", "--duration", "4")
    status, line = outcome(process)
    assert status == 1 and f"{tmp_path / 'dance.npz'}: there is a folder of that name" in line
    assert files(tmp_path) == ["dance.npz"]


@posix
@pytest.mark.parametrize("name", ["dance.npz", "dance.bvh"])
def test_a_full_disk_keeps_the_files_before(tiny_bundle: Path, tmp_path: Path, name: str) -> None:
    """A limit on the size of files fails as a full disk does: in the middle of writing."""
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    written = ["dance.npz"] if name.endswith("npz") else ["dance_a.bvh", "dance_b.bvh"]
    for file in written:
        (tmp_path / file).write_text("before")
    process = start(tiny_bundle, tmp_path / name, "--steps", "2", "--duration", "2", preexec_fn=limit)
    status, line = outcome(process)
    place = tmp_path / "dance.npz" if len(written) == 1 else tmp_path
    assert status == 1 and f" {place}: " in line and line.endswith("check the path and the disk")
    assert files(tmp_path) == written
    assert all((tmp_path / file).read_text() == "before" for file in written)


@posix
def test_an_interruption_leaves_nothing(tiny_bundle: Path, tmp_path: Path) -> None:
    process = start(tiny_bundle, tmp_path / "dance.npz", "--steps", "1000", "--duration", "4")
    assert process.stderr is not None and process.stderr.readline().startswith("bundle: ")
    process.send_signal(signal.SIGINT)
    assert outcome(process) == (1, "intermoe: cancelled; no file is left half written")
    assert files(tmp_path) == []


def test_of_two_writers_one_wins_whole(tiny_bundle: Path, tmp_path: Path) -> None:
    options = ("--steps", "2", "--duration", "1", "--seed")
    writers = [start(tiny_bundle, tmp_path / "dance.npz", *options, seed) for seed in ("1", "2")]
    for writer in writers:
        assert outcome(writer)[0] == 0
    assert files(tmp_path) == ["dance.npz"]
    assert Take.load(tmp_path / "dance.npz").seed in (1, 2)
