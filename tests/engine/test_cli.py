# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: files, exit statuses, and errors of one line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from intermoe_engine.cli.main import main
from intermoe_engine.cli.progress import ProgressBar
from intermoe_engine.formats.bvh_reader import read_bvh
from intermoe_engine.take import Take

COMMANDS = (
    ["generate"],
    ["retarget"],
    ["bundle"],
    ["bundle", "verify"],
    ["bundle", "inspect"],
    ["doctor"],
    ["worker"],
)


def generate(tiny_bundle: Path, *extra: str) -> int:
    return main(
        [
            "generate",
            "two people dance",
            "--bundle",
            str(tiny_bundle),
            "--device",
            "cpu",
            "--steps",
            "3",
            *extra,
        ]
    )


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines and lines[-1].startswith("intermoe: ")
    return lines[-1]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0 and "usage: intermoe" in capsys.readouterr().out


def test_generate_npz(tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "dance.npz"
    assert generate(tiny_bundle, "-o", str(out), "--duration", "1", "--seed", "5") == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == str(out) and "device: cpu" in captured.err
    take = Take.load(out)
    assert take.frames == 30 and take.seed == 5 and take.prompt == "two people dance"


def test_generate_variations_bvh_and_frame_rate(tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "dance.bvh"
    options = ("-o", str(out), "--duration", "1", "--variations", "2", "--fps", "60", "--no-cleanup")
    assert generate(tiny_bundle, *options) == 0
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["dance_1_a.bvh", "dance_1_b.bvh", "dance_2_a.bvh", "dance_2_b.bvh"]
    motion = read_bvh(tmp_path / names[0])
    assert len(motion.root_translation) == 59 and motion.fps == pytest.approx(60, rel=1e-5)
    other = read_bvh(tmp_path / names[2])
    assert np.abs(motion.root_translation - other.root_translation).max() > 0.01


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--duration", "0.1"], "duration"), (["--duration", "100"], "duration"), (["--steps", "0"], "steps"),
        (["--seed", "-4"], "seed"), (["--variations", "0"], "variations"), (["--fps", "0"], "fps"),
        (["--guidance", "-1"], "guidance"),
    ],
)  # fmt: skip
def test_bad_settings_are_status_2(tiny_bundle, tmp_path, capsys, arguments: list[str], word: str) -> None:
    assert generate(tiny_bundle, "-o", str(tmp_path / "x.npz"), *arguments) == 2
    assert word in error_line(capsys)
    assert not (tmp_path / "x.npz").exists()


def test_other_misuse_is_status_2(tiny_bundle, tmp_path, capsys) -> None:
    assert generate(tiny_bundle, "-o", str(tmp_path / "x.mp4")) == 2
    assert ".npz or .bvh" in error_line(capsys)
    assert main(["generate", " ", "--bundle", str(tiny_bundle), "-o", str(tmp_path / "x.npz")]) == 2
    assert "empty" in error_line(capsys)
    for arguments in ([], ["generate"], ["frobnicate"], ["bundle"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


def test_failures_are_status_1(tiny_bundle, tmp_path, capsys) -> None:
    assert main(["generate", "x", "--bundle", str(tmp_path / "no.zip"), "-o", str(tmp_path / "x.npz")]) == 1
    assert "no bundle" in error_line(capsys)
    (tmp_path / "file").write_text("")
    assert generate(tiny_bundle, "-o", str(tmp_path / "file" / "x.npz")) == 1
    assert "check the path" in error_line(capsys)
    assert (
        main(["retarget", str(tmp_path / "none.npz"), "--rig-a", "a", "--rig-b", "b", "-o", str(tmp_path)])
        == 1
    )
    assert "take" in error_line(capsys)


def test_long_prompt_warns(tiny_bundle, tmp_path, capsys) -> None:
    arguments = [
        "generate",
        "two people " * 20,
        "--bundle",
        str(tiny_bundle),
        "--steps",
        "1",
        "-o",
        str(tmp_path / "x.npz"),
    ]
    assert main(arguments) == 0
    assert "warning: the prompt has 40 tokens and was cut after 12" in capsys.readouterr().err


def test_bundle_verify_and_inspect(tiny_bundle, tmp_path, capsys) -> None:
    assert main(["bundle", "verify", str(tiny_bundle)]) == 0
    assert "whole" in capsys.readouterr().out
    assert main(["bundle", "inspect", str(tiny_bundle)]) == 0
    shown = capsys.readouterr().out
    assert "tiny-test" in shown and "GPL-3.0-or-later" in shown and "knows nothing" in shown
    assert main(["bundle", "inspect", "--json", str(tiny_bundle)]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "tiny-test"
    (tmp_path / "bundle.json").write_text("{")
    assert main(["bundle", "verify", str(tmp_path)]) == 1
    assert "not valid JSON" in error_line(capsys)


def test_default_bundle_from_the_environment(tiny_bundle, capsys, monkeypatch) -> None:
    monkeypatch.setenv("INTERMOE_BUNDLE", str(tiny_bundle))
    assert main(["bundle", "verify"]) == 0
    assert str(tiny_bundle) in capsys.readouterr().out


def test_doctor(tiny_bundle, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("INTERMOE_CACHE", str(tmp_path / "cache"))
    assert main(["doctor", "--bundle", str(tiny_bundle), "--device", "cpu"]) == 0
    report = capsys.readouterr().out
    assert "cpu (of the session" in report and str(tmp_path / "cache") in report and "two steps" in report
    assert main(["doctor", "--bundle", str(tmp_path / "none")]) == 1
    assert "no bundle" in capsys.readouterr().out


def test_unwritable_cache_is_a_note(tmp_path, monkeypatch) -> None:
    from intermoe_engine.health import _cache

    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INTERMOE_CACHE", str(tmp_path / "file" / "cache"))
    assert _cache().state == "note"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_says_how_long(monkeypatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    stream = Terminal()
    bar = ProgressBar(stream)
    for done in range(51):
        bar("sampling", done, 50)
        clock[0] += 1.0
    assert "10/50  40 s left" in stream.getvalue() and stream.getvalue().rstrip().endswith("50/50  50.0 s")


def test_progress_in_a_log_is_a_line_a_stage() -> None:
    stream = io.StringIO()
    bar = ProgressBar(stream)
    for done in range(51):
        bar("sampling", done, 50)
    bar("decoding", 1, 1)
    bar.close()
    assert len(stream.getvalue().splitlines()) == 2 and "\r" not in stream.getvalue()
