# SPDX-License-Identifier: GPL-3.0-or-later
"""Every `intermoe` command in the README and the documentation is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from intermoe_engine.cli.main import build_parser

ROOT = Path(__file__).resolve().parents[2]


def documented() -> Iterator[tuple[str, str]]:
    """(file, command) of every line that begins with `intermoe` in a block of code."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        blocks += re.findall(r"(?:^ {4}\S.*\n)+", text, re.MULTILINE)
        for block in blocks:
            for line in re.sub(r"\\\n", " ", block).splitlines():
                if line.strip().startswith("intermoe "):
                    yield page.name, re.sub(r"\s#\s.*", "", line).strip()


def spelled_out(command: str) -> Iterator[list[str]]:
    """The commands that one line stands for: `a | b` is either, [x] may be left out, … is anything."""
    for optional in (False, True):
        words = re.sub(r"\[([^]]*)\]", r"\1" if optional else "", command).replace("…", " x ")
        alternatives = re.search(r"\w+(?: \| \w+)+", words)
        choices = alternatives[0].split(" | ") if alternatives else [""]
        for choice in choices:
            yield shlex.split(words.replace(alternatives[0], choice) if alternatives else words)[1:]


COMMANDS = sorted(set(documented()))


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=[f"{p}: {c}" for p, c in COMMANDS])
def test_the_command_line_takes_it(page: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in spelled_out(command):
        try:
            build_parser().parse_args(arguments)
        except SystemExit:
            pytest.fail(f"{page}: {arguments}: {capsys.readouterr().err.strip().splitlines()[-1]}")


def test_there_are_some() -> None:
    assert len(COMMANDS) >= 20 and {"README.md", "training.md"} <= {page for page, _ in COMMANDS}
