# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's protocol by hand, line by line, with lines that no client would send."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from intermoe_engine.worker import PROTOCOL_VERSION
from intermoe_engine.worker.protocol import ProtocolError, decode, encode, parse_request
from intermoe_engine.worker.stdio import MessageStreams
from tests.engine.worker.worker_tools import LIMIT, ROOT, Raw, hello, params, start_long_job


def test_handshake_comes_first_and_versions_must_match(raw: Raw) -> None:
    assert raw.ask(id=5, method="status")["error"]["code"] == "version"
    answer = raw.ask(id=6, method="hello", params={"protocol": 999})
    assert answer["id"] == 6 and answer["error"]["code"] == "version" and answer["error"]["hint"]
    hello(raw)
    assert "result" in raw.ask(id=7, method="status")


def test_bad_lines_get_an_answer_and_do_no_harm(raw: Raw) -> None:
    for line in (b"{", b"[]", b'{"method": "x"}', b'{"id": true, "method": "x"}', b"\xff\xfe", b'{"id": 3}'):
        raw.send(line)
        assert raw.answer()["error"]["code"] == "bad_message"
    hello(raw)


def test_cancel_reaches_the_worker_within_a_step(raw: Raw, tiny_bundle: Path, tmp_path: Path) -> None:
    hello(raw)
    start_long_job(raw, tiny_bundle, tmp_path)
    raw.send(b'{"id": 3, "method": "cancel", "params": {"job": 2}}')
    answers = [raw.answer()]
    while answers[-1]["id"] != 2 or "event" in answers[-1]:
        answers.append(raw.answer())
    assert answers[-1]["error"]["code"] == "cancelled"
    acknowledged = answers.index({"id": 3, "result": {"found": True}})
    # The step under way may still report itself, and no more than that.
    assert len(answers) - acknowledged <= 3
    assert not list(tmp_path.glob("*.npz"))


def test_end_of_input_ends_the_worker(raw: Raw, tiny_bundle: Path, tmp_path: Path) -> None:
    hello(raw)
    start_long_job(raw, tiny_bundle, tmp_path)
    raw.process.stdin.close()  # type: ignore[union-attr]
    assert raw.process.wait(10) == 0


def test_an_odd_cancel_does_no_harm_and_leaves_no_orphan(raw: Raw) -> None:
    hello(raw)
    for job in (b"[]", b"{}", b"null", b'"2"', b"1e999"):
        raw.send(b'{"id": 3, "method": "cancel", "params": {"job": ' + job + b"}}")
        assert raw.answer() == {"id": 3, "result": {"found": False}}
    raw.process.stdin.close()  # type: ignore[union-attr]
    assert raw.process.wait(10) == 0


def test_a_log_that_cannot_be_written_is_no_reason_not_to_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    out = subprocess.run(
        [sys.executable, "-m", "intermoe_engine", "worker", "--log", str(tmp_path / "file" / "worker.log")],
        input=encode({"id": 1, "method": "hello", "params": {"protocol": PROTOCOL_VERSION}}),
        capture_output=True, cwd=ROOT, timeout=LIMIT, check=True,
    )  # fmt: skip
    assert decode(out.stdout.strip())["result"]["protocol"] == PROTOCOL_VERSION
    assert b"no log file" in out.stderr


@pytest.mark.parametrize("values", [{"duration": 10**400}, {"guidance": 10**400}, {"duration": 1e999}])
def test_numbers_without_end_are_bad_input(raw: Raw, tiny_bundle: Path, tmp_path: Path, values: dict) -> None:
    hello(raw)
    asked = {"id": 2, "method": "generate", "params": params(tiny_bundle, folder=str(tmp_path), **values)}
    raw.send(json.dumps(asked).encode())
    while "event" in (answer := raw.answer()):
        pass
    assert answer["error"]["code"] == "bad_input"


def test_an_answer_that_json_cannot_hold_is_an_error_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    from intermoe_engine.worker import methods
    from intermoe_engine.worker.server import Server

    for odd in (float("nan"), np.float32(1.0)):
        monkeypatch.setitem(methods.METHODS, "odd", lambda job, odd=odd: {"value": odd})
        (asked, ask), (answers, answer) = os.pipe(), os.pipe()
        with os.fdopen(asked, "rb") as reader, os.fdopen(answers, "rb") as lines:
            serving = threading.Thread(target=Server(MessageStreams(reader, answer)).serve)
            serving.start()
            os.write(ask, encode({"id": 1, "method": "hello", "params": {"protocol": PROTOCOL_VERSION}}))
            os.write(ask, encode({"id": 2, "method": "odd", "params": {}}))
            got = [decode(lines.readline()) for _ in range(2)]
            os.close(ask)
            serving.join(LIMIT)
            os.close(answer)
        assert got[1]["id"] == 2 and got[1]["error"]["code"] == "internal"


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interruption_ends_the_worker_without_a_trace(raw: Raw, tiny_bundle: Path, tmp_path: Path) -> None:
    hello(raw)
    start_long_job(raw, tiny_bundle, tmp_path)
    raw.process.send_signal(signal.SIGINT)
    assert raw.process.wait(10) == 0
    assert not list(tmp_path.glob("*.npz"))
    assert "Traceback" not in (tmp_path / "log" / "worker.log").read_text()


def test_shutdown(raw: Raw) -> None:
    hello(raw)
    assert raw.ask(id=2, method="shutdown") == {"id": 2, "result": {}}
    assert raw.process.wait(10) == 0


def test_protocol_lines() -> None:
    message = {"id": 1, "method": "x", "params": {"text": "ñ\udcff\n💃"}}
    line = encode(message)
    assert line.count(b"\n") == 1 and line.isascii() and decode(line) == message
    assert decode('{"a": "ñ"}'.encode()) == {"a": "ñ"}
    for bad in (
        {},
        {"id": 1.5, "method": "x"},
        {"id": 1, "method": 2},
        {"id": 1, "method": "x", "params": []},
    ):
        with pytest.raises(ProtocolError):
            parse_request(bad)
