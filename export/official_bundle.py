# SPDX-License-Identifier: GPL-3.0-or-later
"""The authors' release -> a bundle. Weights go from mapped checkpoints to the graphs tensor by tensor."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnx
import torch

from export.bundle_writer import Log, bundle_card, check_new, stats_file, write_bundle
from export.clip_graphs import load_clip_text, staging_folder, write_clip_graphs
from export.graph_builder import Precision
from export.official_release import STATISTICS, OfficialRelease, load_release
from intermoe_engine.skeleton import SMPL22
from training.text.clip_tokenizer import tokenizer_json
from training.text.clip_tower import CONTEXT

OfficialPrecision = Literal["fp32", "fp16"]
LICENCE = (
    "The authors' terms: InterMoE weights CC BY 4.0, trained on InterHuman (CC BY-NC-SA 4.0, non-commercial "
    "research); CLIP text encoder MIT"
)

_STORAGE: dict[OfficialPrecision, Precision] = {"fp32": "fp32", "fp16": "fp16-storage"}


@dataclass(frozen=True)
class OfficialFiles:
    """Where the user keeps the release. `clip` None: a bundle without text encoder."""

    denoiser: Path
    vae: Path
    config: Path
    stats: Path
    clip: Path | None
    clip_merges: Path | None = None


def import_official(
    files: OfficialFiles,
    output: str | os.PathLike[str],
    precision: OfficialPrecision = "fp32",
    description: Mapping[str, Any] | None = None,
    log: Log = lambda line: None,
) -> Path:
    """Make a bundle at `output` (.zip, or a folder that does not exist yet).

    precision: how large weights are stored; arithmetic is float32 in any case. description: entries of the
    card to replace, such as id, name or licence. Raises ExportError, WeightsError, ParityError or
    BundleError; nothing is written then.
    """
    output = Path(output)
    check_new(output)
    release = load_release(files.denoiser, files.vae, files.config, files.stats)
    text = None
    if files.clip is not None:
        text = load_clip_text(files.clip, files.clip_merges, release.model.text_head)
    for note in release.notes:
        log(f"note: {note}")
    storage = _STORAGE[precision]
    with staging_folder(output) as folder:
        measured = write_clip_graphs(release.model, text, folder, storage, storage, log=log)
        contents: dict[str, bytes | Path] = {path.name: path for path in folder.iterdir()}
        contents["stats.npz"] = stats_file(release.mean, release.std, release.model.config.features)
        if text is not None:
            contents["tokenizer.json"] = tokenizer_json(text[1])
        card = _card(release, files, precision, measured, description or {})
        path = write_bundle(output, card, contents)
    log(f"wrote {path}")
    return path


def _card(
    release: OfficialRelease,
    files: OfficialFiles,
    precision: OfficialPrecision,
    measured: list[dict[str, Any]],
    description: Mapping[str, Any],
) -> dict[str, Any]:
    sources = {
        "denoiser": files.denoiser,
        "vae": files.vae,
        "config": files.config,
        **{name: files.stats / name for name in STATISTICS},
    }
    if files.clip is not None and files.clip.is_file():
        sources["clip"] = files.clip
    described = {
        "id": f"intermoe-interhuman-{precision}",
        "name": f"InterMoE, official InterHuman weights ({precision})",
        "licence": LICENCE,
        "default_steps": release.sampling.steps,
        "default_guidance": release.sampling.guidance,
        "example_prompts": [
            "Two people bow to each other.",
            "Two fencers exchange quick thrusts until one of them scores.",
            "One person pushes the other, who stumbles backwards.",
        ],
        "knows": "two-person interactions of InterHuman: daily motions, dance, martial arts, sports",
        **description,
    }
    provenance = {
        "model": release.model.config.to_dict(),
        "parity": measured,
        "precision": precision,
        "sources": {name: {"file": path.name, "sha256": _sha256(path)} for name, path in sources.items()},
        "notes": release.notes,
        "text_encoder": {"model": "CLIP ViT-L/14@336px", "licence": "MIT"} if files.clip else None,
        "exported_with": {"torch": torch.__version__, "onnx": onnx.__version__},
    }
    card = bundle_card(release.model.config, SMPL22, described, CONTEXT, provenance)
    if files.clip is None:
        card["text"]["encoder"] = False
    return card


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
