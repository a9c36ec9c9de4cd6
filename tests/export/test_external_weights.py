# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights in files of their own: in folders, in zips, and in the cache that zips are unpacked into."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("torch")

from onnx import TensorProto, helper
from onnx.external_data_helper import load_external_data_for_model

from export.bundle_writer import write_bundle
from export.denoiser_graph import denoiser_graph
from export.external_weights import ExternalWeights
from export.random_bundle import TINY, random_model
from intermoe_engine.bundle import Bundle, BundleError
from training.model import ModelConfig

CONFIG = ModelConfig.from_dict({**TINY.to_dict(), "denoiser_width": 160, "expert_width": 160})


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "denoiser.onnx"
    with ExternalWeights(path) as external:
        path.write_bytes(denoiser_graph(random_model(CONFIG).denoiser, external=external).SerializeToString())
    return path


@pytest.fixture
def files(graph: Path, tiny_bundle: Path, tmp_path: Path) -> dict[str, bytes | Path]:
    """A tiny bundle's files with a denoiser whose weights lie beside it."""
    tiny = Bundle.open(tiny_bundle)
    contents: dict[str, bytes | Path] = {name: tiny.read(name) for name in tiny.card.files}
    for name in ("denoiser.onnx", "denoiser.onnx.data"):
        copy = tmp_path / "made" / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(graph.with_name(name).read_bytes())
        contents[name] = copy
    return contents


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERMOE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bundles"


@pytest.fixture
def zipped(files: dict[str, bytes | Path], tiny_bundle: Path, tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle.zip", Bundle.open(tiny_bundle).card.raw, files)


def test_onnx_reads_back_the_same_numbers(graph: Path) -> None:
    onnx.checker.check_model(str(graph))
    whole = denoiser_graph(random_model(CONFIG).denoiser)
    split = onnx.load(str(graph), load_external_data=False)
    outside = [t for t in split.graph.initializer if t.data_location == TensorProto.EXTERNAL]
    assert len(outside) > 10
    offsets = [int(entry.value) for t in outside for entry in t.external_data if entry.key == "offset"]
    assert all(offset % 65536 == 0 for offset in offsets)  # what every system can map
    load_external_data_for_model(split, str(graph.parent))
    for a, b in zip(whole.graph.initializer, split.graph.initializer, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(a), onnx.numpy_helper.to_array(b))


def test_small_tensors_stay_in_the_graph(tmp_path: Path) -> None:
    with ExternalWeights(tmp_path / "graph.onnx") as external:
        assert external.store(np.ones(10, np.float32), "small") is None
        first = external.store(np.ones(20_000, np.float32), "first")
        second = external.store(np.arange(40_000, dtype=np.float16), "second")
    assert first is not None and second is not None
    assert {e.key: e.value for e in second.external_data}["offset"] == "131072"
    data = (tmp_path / "graph.onnx.data").read_bytes()
    np.testing.assert_array_equal(
        np.frombuffer(data[131072:], np.float16), np.arange(40_000, dtype=np.float16)
    )
    assert second.data_type == helper.np_dtype_to_tensor_dtype(np.dtype(np.float16))


def test_files_are_moved_into_a_folder_and_listed(
    files: dict[str, bytes | Path], tiny_bundle: Path, tmp_path: Path
) -> None:
    data = files["denoiser.onnx.data"]
    assert isinstance(data, Path)
    expected = hashlib.sha256(data.read_bytes()).hexdigest()
    bundle = Bundle.open(write_bundle(tmp_path / "folder", Bundle.open(tiny_bundle).card.raw, files))
    assert bundle.card.files["denoiser.onnx.data"].sha256 == expected
    assert not data.exists()
    assert bundle.model("denoiser.onnx") == str(tmp_path / "folder" / "denoiser.onnx")


def test_a_zip_is_unpacked_once_and_found_again(zipped: Path, cache: Path) -> None:
    first = Bundle.open(zipped)
    assert first.path == zipped
    place = cache / first.sha256
    assert first.model("denoiser.onnx") == str(place / "denoiser.onnx")
    before = (place / "denoiser.onnx.data").stat()
    assert Bundle.open(zipped).model("denoiser.onnx") == str(place / "denoiser.onnx")
    assert (place / "denoiser.onnx.data").stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in cache.iterdir()] == [first.sha256]


def test_a_spoilt_copy_is_replaced(zipped: Path, cache: Path) -> None:
    place = cache / Bundle.open(zipped).sha256
    good = (place / "denoiser.onnx.data").read_bytes()
    (place / "denoiser.onnx.data").write_bytes(good[:-1] + b"?")
    Bundle.open(zipped)
    assert (place / "denoiser.onnx.data").read_bytes() == good


def test_copies_that_nobody_uses_are_forgotten(zipped: Path, cache: Path) -> None:
    for name, days in (("old", 90), ("recent", 10)):
        (cache / name).mkdir(parents=True)
        then = time.time() - days * 86400
        os.utime(cache / name, (then, then))
    Bundle.open(zipped)
    assert not (cache / "old").exists() and (cache / "recent").exists()


def test_an_altered_zip_leaves_nothing_in_the_cache(
    files: dict[str, bytes | Path], tiny_bundle: Path, tmp_path: Path, cache: Path
) -> None:
    card = Bundle.open(tiny_bundle).card.raw
    folder = write_bundle(tmp_path / "folder", card, files)
    document = json.loads((folder / "bundle.json").read_text())
    document["files"]["denoiser.onnx.data"]["sha256"] = "0" * 64
    (folder / "bundle.json").write_text(json.dumps(document))
    from tests.tiny_bundle import zip_folder

    with pytest.raises(BundleError, match="was altered"):
        Bundle.open(zip_folder(folder, tmp_path / "altered.zip"))
    assert list(cache.iterdir()) == []


def test_a_full_disk_is_one_sentence(zipped: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("intermoe_engine.bundle.unpacked.copy_file", full)
    with pytest.raises(BundleError, match=r"cannot be unpacked .*No space left.* GB there"):
        Bundle.open(zipped)
    assert list(cache.iterdir()) == []
