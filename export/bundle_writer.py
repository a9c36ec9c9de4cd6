# SPDX-License-Identifier: GPL-3.0-or-later
"""Write bundles: graphs, tokenizer, statistics and the card with the checksum of each file."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from intermoe_engine.atomic import replacing
from intermoe_engine.bundle.card import CARD_NAME, SCHEMA, BundleCard
from intermoe_engine.errors import EngineError
from intermoe_engine.skeleton import Skeleton
from training.model.config import FRAMES_PER_LATENT, ModelConfig
from training.model.skeleton_graph import PARTS

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say: the same input gives the same bytes
_CHUNK = 1 << 20
_TOP_LEVEL = (
    "id",
    "name",
    "licence",
    "fps",
    "frames",
    "default_steps",
    "default_guidance",
    "max_tokens",
    "example_prompts",
    "interactions",
)


Log = Callable[[str], None]


class ExportError(EngineError):
    """The bundle cannot be made; the message is one line that says why and what to do."""


def bundle_card(
    config: ModelConfig,
    skeleton: Skeleton,
    description: Mapping[str, Any],
    max_tokens: int,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of bundle.json without `files`.

    description: the run's card. Its entries id, name, licence, fps (30), frames ({min, max}; 15 and 300),
    default_steps (50), default_guidance (3.5), example_prompts and interactions ([{name, prompt, seconds}])
    have places of their own; all others, such as how it was trained and how it scored, go into `provenance`
    as they are.
    """
    missing = [key for key in ("id", "name", "licence") if not description.get(key)]
    if missing:
        raise ExportError(f"the run's card.json lacks {', '.join(missing)}; add them and export again")
    frames = description.get("frames") or {}
    free = {key: value for key, value in description.items() if key not in _TOP_LEVEL}
    return {
        "schema": SCHEMA,
        "id": description["id"],
        "name": description["name"],
        "skeleton": skeleton.to_dict(),
        "feature_layout": config.feature_layout,
        "fps": description.get("fps", 30),
        "frames": {
            "min": frames.get("min", 15),
            "max": frames.get("max", 300),
            "multiple": FRAMES_PER_LATENT,
        },
        "latent": {
            "persons": 2,
            "groups": PARTS,
            "channels": config.vae_channels,
            "downsample": FRAMES_PER_LATENT,
        },
        "text": {"max_tokens": max_tokens, "width": config.text_width, "tokenizer": "tokenizer.json"},
        "diffusion": {
            "steps": 1000,
            "schedule": "cosine",
            "prediction": "x0",
            "sampler": "ddim",
            "default_steps": description.get("default_steps", 50),
            "default_guidance": description.get("default_guidance", 3.5),
        },
        "licence": description["licence"],
        "provenance": {**free, **provenance},
        "example_prompts": list(description.get("example_prompts", [])),
        "interactions": list(description.get("interactions", [])),
    }


def stats_file(mean: np.ndarray, std: np.ndarray, features: int) -> bytes:
    """`stats.npz` with the features' mean and std, both (F,). Raises ExportError for anything else."""
    arrays = {"mean": np.asarray(mean, np.float32), "std": np.asarray(std, np.float32)}
    if (
        any(a.shape != (features,) or not np.isfinite(a).all() for a in arrays.values())
        or not (arrays["std"] > 0).all()
    ):
        raise ExportError(
            f"stats.npz must hold mean and std with {features} finite numbers each, std above zero"
        )
    contents: dict[str, bytes | Path] = {}
    for name, values in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, values, allow_pickle=False)
        contents[f"{name}.npy"] = buffer.getvalue()
    buffer = io.BytesIO()
    _zip(buffer, contents, zipfile.ZIP_STORED)
    return buffer.getvalue()


def write_bundle(
    path: str | os.PathLike[str], card: Mapping[str, Any], files: Mapping[str, bytes | Path]
) -> Path:
    """Write a bundle to `path`: a zip where it ends in .zip, else a new folder.

    files: the content of each, or where it lies; a file that lies somewhere is moved into a folder bundle and
    copied into a zip, and never read into memory. The card gets the size and SHA-256 of each file and is read
    back through the engine's own checks first. All or nothing: the bundle appears under its name when it is
    complete.

    Raises:
        ExportError: the card holds NaN, the folder exists already, or `path` cannot be written.
        BundleError: the card would not be accepted by the engine.
    """
    path = Path(path)
    records = {name: _record(content) for name, content in sorted(files.items())}
    try:
        text = json.dumps({**card, "files": records}, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ExportError(
            f"the card cannot be said in JSON ({error}); correct the run's card.json"
        ) from error
    document = text.encode()
    BundleCard.from_json(document)
    contents: dict[str, bytes | Path] = {CARD_NAME: document, **{name: files[name] for name in records}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".zip":
            _write_zip(path, contents)
        else:
            _write_folder(path, contents)
    except OSError as error:
        raise ExportError(
            f"the bundle cannot be written to {path} ({error}); choose another place"
        ) from error
    return path


def check_new(path: Path) -> None:
    """Raises ExportError where a folder bundle cannot be written because something lies there already."""
    if path.suffix.lower() != ".zip" and path.exists():
        raise ExportError(f"{path} exists already; remove it or choose another place")


def _record(content: bytes | Path) -> dict[str, Any]:
    if isinstance(content, bytes):
        return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    with content.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": content.stat().st_size}


def _write_zip(path: Path, contents: Mapping[str, bytes | Path]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        _zip(file, contents, zipfile.ZIP_DEFLATED)


def _write_folder(path: Path, contents: Mapping[str, bytes | Path]) -> None:
    check_new(path)
    partial = Path(tempfile.mkdtemp(prefix=path.name, suffix=".part", dir=path.parent))
    try:
        for name, content in contents.items():
            if isinstance(content, Path):
                shutil.move(content, partial / name)
            else:
                (partial / name).write_bytes(content)
        partial.chmod(0o755)
        partial.rename(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _zip(file: BinaryIO, contents: Mapping[str, bytes | Path], compression: int) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # the same bytes from every platform
            # Weights that lie in a file of their own are large and hardly pack.
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".data") else compression
            if isinstance(content, bytes):
                packed = entry.compress_type == zipfile.ZIP_DEFLATED
                archive.writestr(entry, content, compresslevel=6 if packed else None)
                continue
            entry.file_size = content.stat().st_size
            with content.open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, _CHUNK)
