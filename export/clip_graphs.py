# SPDX-License-Identifier: GPL-3.0-or-later
"""Graphs of a model that reads CLIP, written tensor by tensor: of the authors' release, and of own runs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from tokenizers import Tokenizer

from export import parity
from export.bundle_writer import ExportError, Log
from export.captions import CAPTIONS
from export.clip_text import ClipSentenceEncoder, clip_text_graph
from export.denoiser_graph import ExpertForm, denoiser_graph
from export.external_weights import SUFFIX, ExternalWeights
from export.graph_builder import Precision
from export.vae_graphs import vae_decoder_graph, vae_encoder_graph
from training.model import InterMoE, TextHead
from training.text.clip_tokenizer import clip_tokenizer, find_merges, read_merges
from training.text.clip_weights import load_clip

ClipText = tuple[ClipSentenceEncoder, Tokenizer]

_Write = Callable[[ExternalWeights], onnx.ModelProto]
_Check = Callable[[Path], parity.ParityResult]
_TOLERANCE = 1e-3  # of a float32 graph: eight blocks of width 768 round more than the models this tool trains
_DENOISER_CASES = ((1, 1), (1, 2), (2, 5), (1, 13))
_CAPTIONS_COMPARED = 6


def load_clip_text(weights: Path, merges: Path | None, head: TextHead) -> ClipText:
    """CLIP with a trained text head, and its tokenizer. Raises ExportError or WeightsError."""
    clip = load_clip(weights)
    tokenizer = clip_tokenizer(read_merges(find_merges(weights, merges)))
    if tokenizer.get_vocab_size() != clip.config.vocabulary:
        raise ExportError(
            f"{weights} has {clip.config.vocabulary} words where CLIP has {tokenizer.get_vocab_size()}; "
            "give ViT-L/14@336px"
        )
    try:
        return ClipSentenceEncoder(clip, head).eval(), tokenizer
    except ValueError as error:
        raise ExportError(f"{weights}: {error}") from error


@contextmanager
def staging_folder(output: Path) -> Iterator[Path]:
    """A folder beside `output` for files that are too large for memory; it goes when the bundle is there."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        staging = tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent)
    except OSError as error:
        raise ExportError(f"{output} cannot be written ({error}); choose another place") from error
    with staging as folder:
        yield Path(folder)


def write_clip_graphs(
    model: InterMoE,
    text: ClipText | None,
    folder: Path,
    denoiser_precision: Precision,
    text_precision: Precision,
    experts: ExpertForm = "sparse",
    vae_precision: Precision = "fp32",
    log: Log = lambda line: None,
) -> list[dict[str, Any]]:
    """Write each graph into `folder` and prove it against torch; returns what the proofs measured.

    text None: no text encoder is written.
    """
    graphs: list[tuple[str, _Write, _Check]] = [
        (
            "denoiser",
            lambda external: denoiser_graph(model.denoiser, denoiser_precision, experts, external),
            lambda path: parity.check_denoiser(
                path, model.denoiser, denoiser_precision, _DENOISER_CASES, _TOLERANCE
            ),
        ),
        # The VAE is small: reduced weights would save nothing and blur every motion.
        (
            "vae_encoder",
            lambda _: vae_encoder_graph(model.vae, vae_precision),
            lambda path: parity.check_vae_encoder(path, model.vae, vae_precision, _TOLERANCE),
        ),
        (
            "vae_decoder",
            lambda _: vae_decoder_graph(model.vae, vae_precision),
            lambda path: parity.check_vae_decoder(path, model.vae, vae_precision, _TOLERANCE),
        ),
    ]
    if text is not None:
        encoder, tokenizer = text
        encodings = tokenizer.encode_batch(list(CAPTIONS[:_CAPTIONS_COMPARED]))
        ids, mask = (np.array([getattr(e, name) for e in encodings]) for name in ("ids", "attention_mask"))
        graphs.append(
            (
                "text_encoder",
                lambda external: clip_text_graph(encoder, text_precision, external),
                lambda path: parity.check_text_encoder(
                    path, encoder, [(ids, mask)], text_precision, _TOLERANCE
                ),
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
