# SPDX-License-Identifier: GPL-3.0-or-later
"""The client and the life of its worker: killed, late, missing, of another version."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from intermoe_engine.worker import WorkerClient, WorkerError, protocol
from tests.engine.worker.worker_tools import LIMIT, ROOT, params, wait_for_stage


def test_private_folder(client: WorkerClient) -> None:
    if os.name == "posix":
        assert client.folder.stat().st_mode & 0o777 == 0o700
    client.wait_until_ready(LIMIT)
    client.shutdown()
    assert not client.folder.exists()


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
