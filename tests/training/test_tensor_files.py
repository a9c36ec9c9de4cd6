# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights out of files of every kind, and files that would run code or reach outside themselves."""

from __future__ import annotations

import argparse
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from training.weights import WeightsError, read_tensors  # noqa: E402


class Small(nn.Module):
    """Modules within modules, two number types, a buffer without axes, a transposed parameter."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.narrow = nn.Linear(3, 4).half()
        self.chain = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
        self.turned = nn.Parameter(torch.randn(5, 3).t())
        self.register_buffer("count", torch.tensor(7))

    def forward(self, x: Tensor) -> Tensor:
        return self.chain(x) + self.turned.sum() + self.narrow.weight.sum() + self.count


class Trap:
    """Runs a function of the file's choosing when it is unpickled in the ordinary way."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def equal(got: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return got.keys() == expected.keys() and all(
        got[k].dtype == v.dtype and torch.equal(got[k], v) for k, v in expected.items()
    )


@pytest.fixture
def state() -> dict[str, Tensor]:
    return {key: value.detach() for key, value in Small().state_dict().items()}


@pytest.mark.parametrize("script", [torch.jit.script, lambda m: torch.jit.trace(m, torch.ones(1, 2))])
def test_torchscript_archive(tmp_path: Path, state: dict[str, Tensor], script: Any) -> None:
    torch.jit.save(script(Small()), str(tmp_path / "clip.pt"))
    assert equal(read_tensors(tmp_path / "clip.pt"), state)


@pytest.mark.parametrize("zipped", [True, False])
def test_plain_checkpoint(tmp_path: Path, state: dict[str, Tensor], zipped: bool) -> None:
    path = tmp_path / "plain.ckpt"
    torch.save({"state_dict": state, "epoch": 3}, path, _use_new_zipfile_serialization=zipped)
    assert equal(read_tensors(path), state)


def test_safetensors(tmp_path: Path, state: dict[str, Tensor]) -> None:
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "model.safetensors")
    assert equal(read_tensors(tmp_path / "model.safetensors"), state)


def test_objects_beside_the_weights_are_skipped_and_never_run(
    tmp_path: Path, state: dict[str, Tensor]
) -> None:
    target, path = tmp_path / "trapped", tmp_path / "lightning.ckpt"
    settings = {"cfg": argparse.Namespace(width=3), "folder": tmp_path, "trap": Trap(target)}
    parameters = {key: nn.Parameter(value) for key, value in state.items() if value.is_floating_point()}
    torch.save({"hyper_parameters": settings, "state_dict": {**state, **parameters}}, path)
    assert equal(read_tensors(path), state)
    assert not target.exists()
    torch.load(path, weights_only=False)
    assert target.exists()  # the trap works on whoever is not careful


def test_an_old_file_with_objects_is_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path, target = tmp_path / "old.ckpt", tmp_path / "trapped"
    torch.save({"state_dict": state, "trap": Trap(target)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(WeightsError, match="save its state_dict anew"):
        read_tensors(path)
    path.write_bytes(pickle.dumps(Trap(target)))
    with pytest.raises(WeightsError, match="no torch file"):
        read_tensors(path)
    assert not target.exists()


def rewrite(path: Path, change: Any) -> None:
    """Replace entries of a torch file; `change` maps (name, data) to data, or to None to leave it out."""
    with zipfile.ZipFile(path) as archive:
        entries = [(e.filename, archive.read(e)) for e in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries:
            if (changed := change(name, data)) is not None:
                archive.writestr(name, changed)


def test_damaged_archives_are_refused_in_one_line(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = tmp_path / "lightning.ckpt"

    def save() -> None:
        torch.save({"state_dict": state, "other": argparse.Namespace()}, path)

    damages = (
        lambda name, data: data[:-1] if name.endswith("data/1") else data,
        lambda name, data: None if name.endswith("data/1") else data,
        lambda name, data: data[:-20] if name.endswith("data.pkl") else data,
        lambda name, data: None if name.endswith("data.pkl") else data,
    )
    for damage in damages:
        save()
        rewrite(path, damage)
        with pytest.raises(WeightsError, match=r"cannot be read: .*lightning\.ckpt") as raised:
            read_tensors(path)
        assert "\n" not in str(raised.value)
    save()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(WeightsError):
        read_tensors(path)


def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lightning.ckpt"
    torch.save({"state_dict": {"a": torch.arange(6.0)}, "other": argparse.Namespace()}, path)
    assert read_tensors(path)["a"].tolist() == [0, 1, 2, 3, 4, 5]
    size = pickle.BININT1 + bytes([6]) + pickle.TUPLE1
    stored = zipfile.ZipFile(path).read("lightning/data.pkl")
    assert stored.count(size) == 1
    longer = stored.replace(size, pickle.BININT1 + bytes([200]) + pickle.TUPLE1)
    rewrite(path, lambda name, data: longer if name.endswith("data.pkl") else data)
    with pytest.raises(WeightsError, match="beyond its storage"):
        read_tensors(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name, data in (("text.ckpt", b"hello"), ("empty.ckpt", b""), ("bad.safetensors", b"\x00" * 20)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(WeightsError, match="cannot be read"):
            read_tensors(tmp_path / name)
    with pytest.raises(WeightsError, match="no file"):
        read_tensors(tmp_path / "absent.ckpt")
    torch.save({"epoch": 3}, tmp_path / "none.ckpt")
    with pytest.raises(WeightsError, match="holds no weights"):
        read_tensors(tmp_path / "none.ckpt")
