# SPDX-License-Identifier: GPL-3.0-or-later
"""The authors' release -> a bundle. Weights go from mapped checkpoints to the graphs tensor by tensor."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch
from tokenizers import Tokenizer

from export import parity
from export.bundle_writer import ExportError, bundle_card, check_new, stats_file, write_bundle
from export.captions import CAPTIONS
from export.clip_text import ClipSentenceEncoder, clip_text_graph
from export.denoiser_graph import denoiser_graph
from export.external_weights import SUFFIX, ExternalWeights
from export.graph_builder import Precision
from export.official_release import STATISTICS, OfficialRelease, load_release
from export.run import Log
from export.vae_graphs import vae_decoder_graph, vae_encoder_graph
from intermoe_engine.skeleton import SMPL22
from training.text.clip_tokenizer import clip_tokenizer, find_merges, read_merges, tokenizer_json
from training.text.clip_tower import CONTEXT
from training.text.clip_weights import load_clip

OfficialPrecision = Literal["fp32", "fp16"]
LICENCE = (
    "The authors' terms: InterMoE weights CC BY 4.0, trained on InterHuman (CC BY-NC-SA 4.0, non-commercial "
    "research); CLIP text encoder MIT"
)

_Write = Callable[[ExternalWeights], onnx.ModelProto]
_Check = Callable[[Path], parity.ParityResult]
_STORAGE: dict[OfficialPrecision, Precision] = {"fp32": "fp32", "fp16": "fp16-storage"}
_TOLERANCE = 1e-3  # of a float32 graph: eight blocks of width 768 round more than the models this tool trains
_DENOISER_CASES = ((1, 1), (1, 2), (2, 5), (1, 13))
_CAPTIONS_COMPARED = 6


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
    text = _text(files, release)
    for note in release.notes:
        log(f"note: {note}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        staging = tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent)
    except OSError as error:
        raise ExportError(f"{output} cannot be written ({error}); choose another place") from error
    with staging as folder:
        contents: dict[str, bytes | Path] = {}
        measured = _write_graphs(release, text, _STORAGE[precision], Path(folder), log)
        contents.update((path.name, path) for path in Path(folder).iterdir())
        contents["stats.npz"] = stats_file(release.mean, release.std, release.model.config.features)
        if text is not None:
            contents["tokenizer.json"] = tokenizer_json(text[1])
        card = _card(release, files, precision, measured, description or {})
        path = write_bundle(output, card, contents)
    log(f"wrote {path}")
    return path


def _text(files: OfficialFiles, release: OfficialRelease) -> tuple[ClipSentenceEncoder, Tokenizer] | None:
    if files.clip is None:
        return None
    clip = load_clip(files.clip)
    tokenizer = clip_tokenizer(read_merges(find_merges(files.clip, files.clip_merges)))
    if tokenizer.get_vocab_size() != clip.config.vocabulary:
        raise ExportError(
            f"{files.clip} has {clip.config.vocabulary} words where CLIP has {tokenizer.get_vocab_size()}; "
            "give ViT-L/14@336px"
        )
    try:
        return ClipSentenceEncoder(clip, release.model.text_head).eval(), tokenizer
    except ValueError as error:
        raise ExportError(f"{files.clip}: {error}") from error


def _write_graphs(
    release: OfficialRelease,
    text: tuple[ClipSentenceEncoder, Tokenizer] | None,
    precision: Precision,
    folder: Path,
    log: Log,
) -> list[dict[str, Any]]:
    """Write each graph into `folder` and prove it against torch; returns what the proofs measured."""
    model = release.model
    graphs: list[tuple[str, _Write, _Check]] = [
        (
            "denoiser",
            lambda external: denoiser_graph(model.denoiser, precision, external=external),
            lambda path: parity.check_denoiser(path, model.denoiser, precision, _DENOISER_CASES, _TOLERANCE),
        ),
        # The VAE is small: reduced weights would save nothing and blur every motion.
        (
            "vae_encoder",
            lambda _: vae_encoder_graph(model.vae),
            lambda path: parity.check_vae_encoder(path, model.vae, "fp32", _TOLERANCE),
        ),
        (
            "vae_decoder",
            lambda _: vae_decoder_graph(model.vae),
            lambda path: parity.check_vae_decoder(path, model.vae, "fp32", _TOLERANCE),
        ),
    ]
    if text is not None:
        encoder, tokenizer = text
        encodings = tokenizer.encode_batch(list(CAPTIONS[:_CAPTIONS_COMPARED]))
        ids, mask = (np.array([getattr(e, name) for e in encodings]) for name in ("ids", "attention_mask"))
        graphs.append(
            (
                "text_encoder",
                lambda external: clip_text_graph(encoder, precision, external),
                lambda path: parity.check_text_encoder(path, encoder, [(ids, mask)], precision, _TOLERANCE),
            )
        )
    measured = []
    for name, write, check in graphs:
        path = folder / f"{name}.onnx"
        with ExternalWeights(path) as external:
            path.write_bytes(write(external).SerializeToString(deterministic=True))
        weights = path.with_name(path.name + SUFFIX)
        if weights.stat().st_size == 0:
            weights.unlink()
        onnx.checker.check_model(str(path))
        result = check(path)
        measured.append(result.to_dict())
        log(f"{name} {result.precision}: error {result.max_abs_error:.2e} ({result.tolerance})")
    return measured


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
