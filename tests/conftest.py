# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that several rooms share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background jobs ignore Ctrl-C, and so would every process that a test starts to interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: processes that share the files out end at one time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small bundle: the real graphs with random weights. Not to be written to."""
    pytest.importorskip("torch")
    from tests.tiny_bundle import write_folder

    return write_folder(tmp_path_factory.mktemp("bundle") / "tiny")
