# SPDX-License-Identifier: GPL-3.0-or-later
"""A good bundle opens as folder and as zip; every kind of bad one is refused with one line."""

from __future__ import annotations

import json
import os
import re
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intermoe_engine.bundle import Bundle, BundleError
from intermoe_engine.bundle.card import check_relative_name
from intermoe_engine.cli.main import main
from tests.tiny_bundle import copy_folder, rewrite_card, zip_folder


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the small bundle that a test may spoil."""
    return copy_folder(tiny_bundle, tmp_path / "copy")


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        Bundle.open(path)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 300
    return message


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "bundle.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_folder_and_zip_hold_the_same(copy: Path, tmp_path: Path) -> None:
    folder = Bundle.open(copy)
    archive = Bundle.open(zip_folder(copy, tmp_path / "b.zip"))
    assert folder.sha256 == archive.sha256
    for name in folder.card.files:
        assert folder.read(name) == archive.read(name) == (copy / name).read_bytes()
    assert folder.model("denoiser.onnx") == (copy / "denoiser.onnx").read_bytes()
    np.testing.assert_array_equal(folder.statistics().std, np.full(268, 0.05, dtype=np.float32))
    assert folder.card.max_duration == 4.0
    assert folder.card.latent.width == 2 * 7 * 8


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_truncated_zip(copy: Path, tmp_path: Path, share: float) -> None:
    path = zip_folder(copy, tmp_path / "b.zip")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "truncated" in refusal(path)


def test_every_flipped_byte_of_a_zip_is_noticed_or_harmless(copy: Path, tmp_path: Path) -> None:
    """Damage anywhere either raises BundleError or leaves every file as it was; never another error."""
    path = zip_folder(copy, tmp_path / "b.zip")
    data = path.read_bytes()
    want = {name: (copy / name).read_bytes() for name in Bundle.open(copy).card.files}
    for position in np.random.default_rng(0).integers(0, len(data), 60):
        spoiled = bytearray(data)
        spoiled[position] ^= 0xFF
        path.write_bytes(bytes(spoiled))
        try:
            bundle = Bundle.open(path)
        except BundleError:
            continue
        assert {name: bundle.read(name) for name in bundle.card.files} == want


@pytest.mark.parametrize("packed", [False, True])
def test_altered_file(copy: Path, tmp_path: Path, packed: bool) -> None:
    data = bytearray((copy / "denoiser.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "denoiser.onnx").write_bytes(data)
    path = zip_folder(copy, tmp_path / "b.zip") if packed else copy
    assert "denoiser.onnx was altered" in refusal(path)


def test_file_of_another_size(copy: Path) -> None:
    with (copy / "stats.npz").open("ab") as file:
        file.write(b"x")
    assert "stats.npz" in refusal(copy)


def test_newer_schema_is_named_before_anything_else(copy: Path) -> None:
    edit(copy, lambda d: (d.clear(), d.update(schema=2)))
    message = refusal(copy)
    assert "schema 2" in message and "update" in message


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["tokenizer.json", "bundle.json", "vae_encoder.onnx"])
def test_missing_file(copy: Path, tmp_path: Path, name: str, packed: bool) -> None:
    (copy / name).unlink()
    assert name in refusal(zip_folder(copy, tmp_path / "b.zip") if packed else copy)


def test_required_file_not_listed(copy: Path) -> None:
    edit(copy, lambda d: d["files"].pop("vae_decoder.onnx"))
    assert "vae_decoder.onnx" in refusal(copy)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"schema": "1"}', "[" * 100_000, "\udcff"])
def test_card_that_is_no_json_object(copy: Path, text: str) -> None:
    (copy / "bundle.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "bundle.json" in refusal(copy)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("feature_layout", "mocap99"),
        ("fps", 0),
        ("fps", True),
        ("fps", float("nan")),
        ("frames", {"min": 9, "max": 3, "multiple": 4}),
        ("latent", {"persons": 3, "groups": 7, "channels": 8, "downsample": 4}),
        ("diffusion", {"steps": 1000, "schedule": "linear"}),
        ("skeleton", {"names": ["a", "b"], "parents": [-1, 1], "offsets": [[0, 0, 0]] * 2, "mirror": [0, 1]}),
        ("id", ""),
        ("files", []),
    ],
)
def test_wrong_fields(copy: Path, key: str, value: Any) -> None:
    edit(copy, lambda d: d.update({key: value}))
    assert key in refusal(copy)


BAD_NAMES = ["../evil", "a/../../evil", "/etc/passwd", "C:/evil", "a\\..\\evil", "./x", "a//b", "", "a\0b"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_paths_that_leave_the_folder(copy: Path, name: str) -> None:
    with pytest.raises(BundleError):
        check_relative_name(name)
    edit(copy, lambda d: d["files"].update({name: {"sha256": "0" * 64, "bytes": 1}}))
    assert "not safe" in refusal(copy)


@pytest.mark.parametrize("name", ["../evil", "/evil", "a\\evil"])
def test_zip_member_that_leaves_the_folder(copy: Path, tmp_path: Path, name: str) -> None:
    path = zip_folder(copy, tmp_path / "b.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")
    assert "not safe" in refusal(path)
    assert not (tmp_path / "evil").exists()


def test_link_in_a_zip(copy: Path, tmp_path: Path) -> None:
    path = zip_folder(copy, tmp_path / "b.zip")
    link = zipfile.ZipInfo("readme.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "link" in refusal(path)


def test_link_out_of_a_folder(copy: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.npz"
    (copy / "stats.npz").rename(outside)
    (copy / "stats.npz").symlink_to(outside)
    assert "outside" in refusal(copy)


def test_zip_bomb_is_not_unpacked(copy: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in copy.iterdir():
            data = bytes(64 << 20) if file.name == "denoiser.onnx" else file.read_bytes()
            archive.writestr(file.name, data)
    assert "denoiser.onnx" in refusal(path)


def test_zip_bomb_with_an_honest_card_is_refused(copy: Path, tmp_path: Path) -> None:
    (copy / "denoiser.onnx").write_bytes(bytes(64 << 20))
    rewrite_card(copy)
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in copy.iterdir():
            archive.write(file, file.name)
    assert "swells" in refusal(path)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed on Linux alone")
def test_an_open_bundle_holds_no_file_open(copy: Path, tmp_path: Path) -> None:
    """Windows lets nobody replace or delete an open file, which would block updates of the extension."""
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in copy.iterdir():
            archive.write(file, file.name)
    bundle = Bundle.open(path)
    bundle.statistics()
    held = [os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.islink(entry.path)]
    assert str(path) not in held


def test_home_of_nobody() -> None:
    assert "~nobody-of-that-name" in refusal(Path("~nobody-of-that-name/b.zip"))


def test_no_such_bundle(tmp_path: Path) -> None:
    assert "no bundle" in refusal(tmp_path / "nothing.zip")


def test_unusable_statistics(copy: Path) -> None:
    np.savez(copy / "stats.npz", mean=np.zeros(268), std=np.zeros(268))
    rewrite_card(copy)
    with pytest.raises(BundleError, match="stats.npz"):
        Bundle.open(copy).statistics()


def test_changed_after_opening(copy: Path) -> None:
    bundle = Bundle.open(copy)
    data = bytearray((copy / "denoiser.onnx").read_bytes())
    data[-1] ^= 1
    (copy / "denoiser.onnx").write_bytes(data)
    with pytest.raises(BundleError, match="altered"):
        bundle.model("denoiser.onnx")


def test_interactions_are_read_and_printed(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Bundle.open(copy).card.interactions == (), "an older bundle lists none"
    rewrite_card(copy, interactions=[{"name": "fist_bump", "prompt": "two people bump fists", "seconds": 3}])
    (known,) = Bundle.open(copy).card.interactions
    assert (known.name, known.title, known.seconds) == ("fist_bump", "Fist bump", 3.0)
    assert main(["bundle", "inspect", str(copy)]) == 0
    assert re.search(r"knows Fist bump +3\.0 s  two people bump fists", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("interactions", "place"),
    [("hug", "interactions"), ([3], "interactions"), ([{"name": "hug", "seconds": 2}], r"\[0\]\.prompt"),
     ([{"name": "hug", "prompt": "they hug", "seconds": -1}], r"\[0\]\.seconds")],
)  # fmt: skip
def test_broken_interactions_are_refused(copy: Path, interactions: object, place: str) -> None:
    rewrite_card(copy, interactions=interactions)
    with pytest.raises(BundleError, match=place):
        Bundle.open(copy)
