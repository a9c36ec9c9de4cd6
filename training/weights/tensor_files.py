# SPDX-License-Identifier: GPL-3.0-or-later
"""Tensors by name out of whatever weights come in: torch files, TorchScript archives, safetensors.

Nothing that a file names is imported or called, and large files are mapped instead of read.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .errors import WeightsError
from .torch_archive import ArchiveError, TorchArchive


def read_metadata(path: Path) -> dict[str, str]:
    """The text that a .safetensors file carries beside its tensors; nothing for other files.

    Raises WeightsError as `read_tensors` does.
    """
    if path.suffix != ".safetensors" or not path.is_file():
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of the file under its own name; what lies under `state_dict` alone, where there is one.

    `torch.load(weights_only=True)` reads what it can. TorchScript archives, and checkpoints in which objects
    of other packages lie beside the weights, go through `TorchArchive`, which skips the objects.

    Raises:
        WeightsError: no such file, another kind of file, or a damaged one.
    """
    if not path.is_file():
        raise WeightsError(f"there is no file {path}; check the path")
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
        tensors = _torch_tensors(path)
    except (ArchiveError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    if not tensors:
        raise WeightsError(f"{path} holds no weights; give a checkpoint (.ckpt, .pt, .bin or .safetensors)")
    return tensors


def _torch_tensors(path: Path) -> dict[str, Tensor]:
    zipped = zipfile.is_zipfile(path)
    if zipped and _is_torchscript(path):
        return TorchArchive(path).tensors()
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except Exception as error:  # a file of another kind can raise anything
        if zipped:
            return TorchArchive(path).tensors()
        raise ArchiveError(
            "it is no torch file, or an old one with more than weights in it; save its state_dict anew"
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        return {}
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}


def _is_torchscript(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.count("/") == 1 and name.endswith("/constants.pkl") for name in archive.namelist())
