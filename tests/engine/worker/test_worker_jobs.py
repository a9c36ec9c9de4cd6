# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs through the client and a real worker: what they give, their progress, cancelling and errors."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from intermoe_engine.skeleton import SMPL22
from intermoe_engine.take import Take
from intermoe_engine.worker import WorkerClient, WorkerError
from tests.engine.retarget_rigs import dancing_take, smpl_rig
from tests.engine.worker.worker_tools import LIMIT, params, wait_for_stage


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
        ("generate", params(tiny_bundle, prompt="\0"), "bad_input"),
        ("generate", params(tiny_bundle, prompt="x" * 100_000), "bad_input"),
        ("generate", params(tiny_bundle, duration=99), "bad_input"),
        ("generate", params(tiny_bundle, duration=0), "bad_input"),
        ("generate", params(tiny_bundle, seed=-1), "bad_input"),
        ("generate", params(tiny_bundle, seed=2**70), "bad_input"),
        ("generate", params(tiny_bundle, duration="5"), "bad_input"),
        ("generate", params(tiny_bundle, steps=True), "bad_input"),
        ("generate", params(tiny_bundle, folder="relative"), "bad_input"),
        ("generate", params(tmp_path / "none.zip"), "bundle"),
        ("generate", params(Path("\0")), "bundle"),
        ("generate", params(Path("~nobody-of-that-name")), "bundle"),
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
