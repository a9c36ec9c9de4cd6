# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the worker share: its settings, waiting for it, and its protocol by hand."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from intermoe_engine.worker import PROTOCOL_VERSION, WorkerClient
from intermoe_engine.worker.protocol import encode

ROOT = Path(__file__).resolve().parents[3]
LIMIT = 60.0
"""Seconds after which a wait is given up."""


def params(tiny_bundle: Path, **values) -> dict:
    return {
        "prompt": "two people dance", "bundle": str(tiny_bundle), "device": "cpu",
        "duration": 1.0, "steps": 4, **values,
    }  # fmt: skip


def wait_for_stage(client: WorkerClient, stage: str) -> None:
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if any(event.kind == "progress" and event.stage == stage for event in client.poll()):
            return
        time.sleep(0.01)
    raise AssertionError(f"no {stage} progress; log: {client.last_log_lines()}")


class Raw:
    """The protocol by hand."""

    def __init__(self, log: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "intermoe_engine", "worker", "--log", str(log)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip

    def send(self, line: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def ask(self, **message) -> dict:
        self.send(json.dumps(message).encode())
        return self.answer()

    def answer(self) -> dict:
        assert self.process.stdout
        while True:
            line = self.process.stdout.readline()
            assert line, "the worker has gone"
            if line.strip():
                return json.loads(line)


def hello(raw: Raw) -> None:
    assert (
        raw.ask(id=1, method="hello", params={"protocol": PROTOCOL_VERSION})["result"]["protocol"]
        == PROTOCOL_VERSION
    )


def start_long_job(raw: Raw, tiny_bundle: Path, folder: Path) -> None:
    """Send a generate as job 2 and wait until it samples."""
    values = params(tiny_bundle, steps=1000, duration=4.0, folder=str(folder))
    raw.send(encode({"id": 2, "method": "generate", "params": values}).strip())
    while raw.answer().get("stage") != "sampling":
        pass
