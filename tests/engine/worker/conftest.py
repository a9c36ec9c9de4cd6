# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker through its client, and one through its pipes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from intermoe_engine.worker import WorkerClient
from tests.engine.worker.worker_tools import Raw


@pytest.fixture
def client() -> Iterator[WorkerClient]:
    with WorkerClient() as client:
        yield client


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[Raw]:
    raw = Raw(tmp_path / "log" / "worker.log")
    yield raw
    raw.process.kill()
    raw.process.wait()
    for pipe in (raw.process.stdin, raw.process.stdout):
        assert pipe
        pipe.close()
