# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker process and its client: real processes, killed, cancelled and printed into."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from retarget_rigs import dancing_take, smpl_rig

from intermoe_engine.skeleton import SMPL22
from intermoe_engine.take import Take
from intermoe_engine.worker import PROTOCOL_VERSION, WorkerClient, WorkerError, protocol
from intermoe_engine.worker.protocol import ProtocolError, decode, encode, parse_request
from intermoe_engine.worker.stdio import MessageStreams

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 60.0


@pytest.fixture
def client() -> Iterator[WorkerClient]:
    with WorkerClient() as client:
        yield client


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


def test_generate_with_progress(client: WorkerClient, tiny_bundle: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    values = params(tiny_bundle, prompt="дві людини 💃 танцюють ñ", variations=2)
    job = client.request("generate", values, lambda *event: seen.append(event))
    result = job.wait(LIMIT)
    takes = [Take.load(path) for path in result["takes"]]
    assert [take.seed for take in takes] == [0, 1]
    assert takes[0].prompt == "дві людини 💃 танцюють ñ" and takes[0].frames == 30
    assert all(Path(path).parent == client.folder for path in result["takes"])
    assert result["device"] == "cpu" and result["bundle"]["id"] == "tiny-test"
    assert ("sampling", 4, 4) in seen and seen[-1] == ("decoding", 2, 2)
    assert job.state == "done" and job.fraction == 1.0


def test_retarget(client: WorkerClient, tmp_path: Path) -> None:
    """A take onto two rigs through the worker gives what the library gives."""
    from intermoe_engine.retarget import RigMotion, retarget_pair

    take = dancing_take(frames=30)
    rigs = (smpl_rig(), smpl_rig(offsets=SMPL22.offsets * 1.2))
    values = {
        "take": str(take.save(tmp_path / "take.npz")),
        "rig_a": rigs[0].to_dict(),
        "rig_b": rigs[1].to_dict(),
        "fps": 24,
    }
    result = client.request("retarget", values).wait(LIMIT)
    want = retarget_pair(Take.load(values["take"]).resampled(24), *rigs)
    for key, motion in zip(("actor_a", "actor_b"), want.actors, strict=True):
        got = RigMotion.load(result[key])
        assert got.fps == 24 and got.bones == motion.bones
        np.testing.assert_allclose(got.rotations, motion.rotations, atol=1e-5)
    assert result["pair_scale"] == pytest.approx(want.pair_scale) and result["report"]
    with pytest.raises(WorkerError) as caught:
        client.request("retarget", {**values, "rig_b": {"name": "broken"}}).wait(LIMIT)
    assert caught.value.code == "bad_input" and "bone_names" in caught.value.message


def test_private_folder(client: WorkerClient) -> None:
    if os.name == "posix":
        assert client.folder.stat().st_mode & 0o777 == 0o700
    client.wait_until_ready(LIMIT)
    client.shutdown()
    assert not client.folder.exists()


def test_sessions_stay_loaded(client: WorkerClient, tiny_bundle: Path) -> None:
    assert client.request("status").wait(LIMIT)["loaded"] is None
    client.request("generate", params(tiny_bundle)).wait(LIMIT)
    seen: list[str] = []
    client.request("generate", params(tiny_bundle, seed=1), lambda stage, *_: seen.append(stage)).wait(LIMIT)
    loaded = client.request("status").wait(LIMIT)["loaded"]
    assert loaded["id"] == "tiny-test" and loaded["device"] == "cpu"


def test_same_engine_object_is_kept_until_the_bundle_changes(tiny_bundle: Path, tmp_path: Path) -> None:
    from intermoe_engine.worker.methods import EngineCache
    from tests.tiny_bundle import write_folder

    cache = EngineCache()
    first = cache.get(str(tiny_bundle), "cpu")
    assert cache.get(str(tiny_bundle), "cpu") is first
    other = cache.get(str(write_folder(tmp_path / "other", seed=9)), "cpu")
    assert other is not first and other.bundle.sha256 != first.bundle.sha256


def test_cancel_is_immediate_and_late_answers_are_dropped(client: WorkerClient, tiny_bundle: Path) -> None:
    long = client.request("generate", params(tiny_bundle, steps=1000, duration=4.0))
    wait_for_stage(client, "sampling")
    long.cancel()
    assert long.state == "cancelled" and long.finished
    with pytest.raises(WorkerError) as caught:
        long.wait(1)
    assert caught.value.code == "cancelled"
    result = client.request("generate", params(tiny_bundle)).wait(LIMIT)
    assert len(result["takes"]) == 1
    later = [event for event in client.poll() if event.job is long]
    assert [event.kind for event in later if event.kind != "progress"] == ["cancelled"]
    assert later.index(next(e for e in later if e.kind == "cancelled")) == len(later) - 1


def test_cancel_of_a_waiting_job(client: WorkerClient, tiny_bundle: Path) -> None:
    first = client.request("generate", params(tiny_bundle, steps=300))
    second = client.request("generate", params(tiny_bundle))
    second.cancel()
    assert first.wait(LIMIT)["takes"] and second.state == "cancelled"


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_killed_worker_is_reported_and_restarted(client: WorkerClient, tiny_bundle: Path) -> None:
    job = client.request("generate", params(tiny_bundle, steps=1000, duration=4.0))
    wait_for_stage(client, "sampling")
    first = client.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with pytest.raises(WorkerError) as caught:
        job.wait(LIMIT)
    assert caught.value.code == "worker_died" and "signal 9" in caught.value.message
    assert client.request("generate", params(tiny_bundle)).wait(LIMIT)["takes"]
    assert client.pid != first and client.restarts == 1


def test_stray_prints_do_not_reach_the_protocol(tmp_path: Path, tiny_bundle: Path) -> None:
    """Python prints, raw writes and C's stdio, from the start of the interpreter on, without line ends."""
    (tmp_path / "sitecustomize.py").write_text(
        "import ctypes, os, sys, threading, time\n"
        "def shout():\n"
        "    c = ctypes.CDLL(None) if os.name == 'posix' else None\n"
        "    for i in range(1500):\n"
        "        os.write(1, b'RAW{')\n"
        "        print('PYTHON', end='')\n"
        "        if c is not None:\n"
        "            c.printf(b'NATIVE'); c.fflush(None)\n"
        "        time.sleep(0.002)\n"
        "os.write(1, b'EARLY{')\n"
        "threading.Thread(target=shout, daemon=True).start()\n"
    )
    with WorkerClient(paths=[str(tmp_path)]) as client:
        assert client.request("generate", params(tiny_bundle)).wait(LIMIT)["takes"]
        log = client.log.read_text()
    assert "RAW{" in log and "PYTHON" in log
    if os.name == "posix":
        assert "NATIVE" in log


def test_errors_are_objects_with_a_hint(client: WorkerClient, tiny_bundle: Path, tmp_path: Path) -> None:
    cases = [
        ("frobnicate", {}, "unknown_method"),
        ("generate", params(tiny_bundle, prompt="  "), "bad_input"),
        ("generate", params(tiny_bundle, duration=99), "bad_input"),
        ("generate", params(tiny_bundle, duration="5"), "bad_input"),
        ("generate", params(tiny_bundle, steps=True), "bad_input"),
        ("generate", params(tiny_bundle, folder="relative"), "bad_input"),
        ("generate", params(tmp_path / "none.zip"), "bundle"),
        ("generate", params(tiny_bundle, device="tpu"), "device"),
    ]
    for method, values, code in cases:
        with pytest.raises(WorkerError) as caught:
            client.request(method, values).wait(LIMIT)
        assert caught.value.code == code, (method, values, caught.value)
        assert caught.value.message and "\n" not in str(caught.value)
    assert client.request("generate", params(tiny_bundle)).wait(LIMIT)["takes"]


def test_params_that_are_no_json_fail_at_once(client: WorkerClient) -> None:
    with pytest.raises(TypeError):
        client.request("status", {"x": object()})
    with pytest.raises(ValueError):
        client.request("status", {"x": float("nan")})
    assert client.request("status").wait(LIMIT)["pid"] == client.pid


def test_python_that_is_missing(tmp_path: Path) -> None:
    with WorkerClient(python=str(tmp_path / "no-python")) as client:
        with pytest.raises(WorkerError) as caught:
            client.request("status")
        assert caught.value.code == "not_started" and "Python" in caught.value.hint


def test_worker_that_dies_at_start_tells_why(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os\nos.write(2, b'engine exploded\\n')\nos._exit(3)\n")
    with WorkerClient(paths=[str(tmp_path)]) as client:
        with pytest.raises(WorkerError) as caught:
            client.request("status").wait(LIMIT)
        assert caught.value.code == "worker_died"
        assert "exit status 3" in caught.value.message and "engine exploded" in caught.value.hint


@pytest.mark.skipif(os.name != "posix", reason="shell script")
def test_handshake_has_a_time_limit(tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    with WorkerClient(python=str(silent), handshake_timeout=0.3) as client:
        job = client.request("status")
        with pytest.raises(WorkerError, match="did not answer"):
            job.wait(LIMIT)
        assert not client.running


def test_a_tidied_temp_folder_is_made_again(client: WorkerClient, tiny_bundle: Path) -> None:
    client.wait_until_ready(LIMIT)
    shutil.rmtree(client.folder)
    assert Path(client.request("generate", params(tiny_bundle)).wait(LIMIT)["takes"][0]).is_file()


def test_a_client_works_again_after_a_shutdown(client: WorkerClient) -> None:
    client.wait_until_ready(LIMIT)
    client.shutdown()
    assert not client.folder.exists()
    client.wait_until_ready(LIMIT)


def worker_of(tmp_path: Path, code: str) -> WorkerClient:
    """A client whose worker process runs `code` instead of the engine."""
    package = tmp_path / "other" / "intermoe_engine" / "worker"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text("")
    (package / "__main__.py").write_text(code)
    return WorkerClient(paths=[str(tmp_path / "other")])


def test_another_version_is_named_at_every_request(tmp_path: Path) -> None:
    refusal = protocol.failure(1, "version", "the engine 9 speaks protocol 9", "install the same version")
    code = f"import json\nwhile True:\n    id = json.loads(input())['id']\n    answer = {refusal!r}\n"
    code += "    answer['id'] = id\n    print(json.dumps(answer), flush=True)\n"
    with worker_of(tmp_path, code) as client:
        for _ in range(2):
            with pytest.raises(WorkerError, match="speaks protocol 9") as caught:
                client.request("status").wait(LIMIT)
            assert caught.value.code == "version"
            assert not client.running


@pytest.mark.parametrize(
    "answer",
    ['{"id": 1, "event": "progress"}', '{"id": 1, "error": "no"}', '{"id": [1], "result": {}}'],
)
def test_a_worker_that_talks_nonsense_is_ended(tmp_path: Path, answer: str) -> None:
    code = f"import time\nprint({answer!r}, flush=True)\ntime.sleep(60)\n"
    with worker_of(tmp_path, code) as client, pytest.raises(WorkerError) as caught:
        client.request("status").wait(LIMIT)
    assert caught.value.code == "worker_died"


def test_a_folder_that_cannot_be_made_is_said(client: WorkerClient, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    client.folder = tmp_path / "file" / "private"
    with pytest.raises(WorkerError, match="private") as caught:
        client.request("status")
    assert caught.value.code == "not_started" and "disk" in caught.value.hint


def test_starting_and_polling_do_not_block(client: WorkerClient, tiny_bundle: Path) -> None:
    """Even with more data than a pipe holds: all of it is for the main thread of a program with a window."""
    began = time.monotonic()
    client.request("status", {"bulk": "x" * 2_000_000})
    client.poll()
    assert time.monotonic() - began < 0.5
    client.wait_until_ready(LIMIT)


def test_importing_the_client_brings_in_no_numbers() -> None:
    code = (
        "import sys, intermoe_engine.worker;"
        "print([m for m in ('numpy', 'scipy', 'onnxruntime', 'tokenizers') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert out.stdout.strip() == "[]"


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


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[Raw]:
    raw = Raw(tmp_path / "log" / "worker.log")
    yield raw
    raw.process.kill()
    raw.process.wait()
    for pipe in (raw.process.stdin, raw.process.stdout):
        assert pipe
        pipe.close()


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
