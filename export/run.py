# SPDX-License-Identifier: GPL-3.0-or-later
"""A training run's folder -> a bundle."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from export import parity
from export.bundle_writer import ExportError, Log, bundle_card, check_new, stats_file, write_bundle
from export.captions import CAPTIONS
from export.clip_graphs import load_clip_text, staging_folder, write_clip_graphs
from export.denoiser_graph import ExpertForm, denoiser_graph
from export.graph_builder import Precision
from export.known_sentences import known_file
from export.text_encoder import SentenceEncoder, text_encoder_graph, tokenizer_json
from export.vae_graphs import vae_decoder_graph, vae_encoder_graph
from intermoe_engine.bundle.card import TextLimits
from intermoe_engine.runtime.familiar import KNOWN_FILE
from intermoe_engine.skeleton import Skeleton
from training.model import InterMoE, ModelConfig
from training.recipe import TextRecipe, load_recipe
from training.text.clip_tokenizer import tokenizer_json as clip_tokenizer_json
from training.text.clip_tower import CONTEXT
from training.text.minilm import DEFAULT_MAX_TOKENS, MODEL_ID, load_minilm, tokenize
from training.workspace import KNOWN


@dataclass(frozen=True)
class ExportSettings:
    """How the weights of each part are stored, and the form of the experts (see `denoiser_graph`).

    text_encoder_precision None: "int8-storage" for MiniLM, "fp16-storage" for CLIP.
    """

    denoiser_precision: Precision = "fp16-storage"
    vae_precision: Precision = "fp32"
    text_encoder_precision: Precision | None = None
    experts: ExpertForm = "sparse"


@dataclass(frozen=True)
class Run:
    """What a training run leaves behind."""

    model: InterMoE
    mean: np.ndarray
    std: np.ndarray
    skeleton: Skeleton
    card: Mapping[str, Any]
    text: TextRecipe
    known: Sequence[str] = ()
    known_interactions: Sequence[str] = ()
    """What each known sentence asks for, or empty."""


def load_run(folder: str | os.PathLike[str]) -> Run:
    """Read config.json, vae.safetensors, denoiser.safetensors, stats.npz, skeleton.json and card.json.

    recipe.toml and known.json, sentences that were trained on, are read where they are there.

    The weights are named as in `InterMoE`; `model.` and the part's own prefix (`vae.`, `denoiser.`) may be
    left out. Raises ExportError with what is missing or does not fit.
    """
    folder = Path(folder)
    names = (
        "config.json",
        "vae.safetensors",
        "denoiser.safetensors",
        "stats.npz",
        "skeleton.json",
        "card.json",
    )
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ExportError(f"{folder} is not a finished training run: it lacks {', '.join(missing)}")
    try:
        model = InterMoE(ModelConfig.from_dict(_json(folder / "config.json")))
        state = {
            **_named(load_file(folder / "vae.safetensors"), "vae"),
            **_named(load_file(folder / "denoiser.safetensors"), "denoiser"),
        }
        _load(model, state)
        skeleton = Skeleton.from_dict(_json(folder / "skeleton.json"))
        with np.load(folder / "stats.npz", allow_pickle=False) as arrays:
            mean, std = arrays["mean"], arrays["std"]
        card = _json(folder / "card.json")
        recipe = folder / "recipe.toml"
        text = load_recipe(recipe).text if recipe.is_file() else TextRecipe()
        known = folder / KNOWN
        told = _json(known) if known.is_file() else {"sentences": []}
        sentences = [str(s) for s in told["sentences"]]
        interactions = [str(s) for s in told.get("interactions", [])]
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise ExportError(f"{folder} cannot be exported: {error}") from error
    return Run(model.eval().requires_grad_(False), mean, std, skeleton, card, text, sentences, interactions)


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is not valid JSON ({error})") from error
    if not isinstance(document, dict):
        raise ValueError(f"{path.name} must hold one JSON object")
    return document


def _named(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """Keys as in InterMoE. A file speaks for its own part and, with the denoiser, for the text head."""
    named = {}
    for key, tensor in tensors.items():
        key = key.removeprefix("model.")
        if part == "denoiser" and key.startswith("vae."):
            continue  # a copy that the VAE's own file overrides
        known = key.startswith((f"{part}.", "clipTransEncoder.", "clip_ln."))
        named[key if known else f"{part}.{key}"] = tensor.float()
    return named


def _load(model: InterMoE, state: dict[str, Tensor]) -> None:
    wanted = model.state_dict()
    wrong = sorted(k for k in wanted.keys() & state.keys() if wanted[k].shape != state[k].shape)
    problems = {
        "lack": sorted(wanted.keys() - state.keys()),
        "hold unknown": sorted(state.keys() - wanted.keys()),
        "misshape": wrong,
    }
    for verb, keys in problems.items():
        if keys:
            raise ValueError(
                f"the weights {verb} {len(keys)} entries, the first is {keys[0]}; check config.json"
            )
    model.load_state_dict(state)


def export_model(
    model: InterMoE,
    encoder: SentenceEncoder,
    tokens: Sequence[tuple[np.ndarray, np.ndarray]],
    settings: ExportSettings,
    max_tokens: int,
    max_megabytes: float | None = None,
    log: Log = lambda line: None,
) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """The four graphs as files, each proved against torch, and what the proof measured.

    A graph with reduced weights is first proved in float32, so that what remains is rounding alone.
    Raises ParityError, and ExportError when the graphs weigh more than `max_megabytes` (10^6 bytes) together.
    """
    vae, denoiser = model.vae, model.denoiser
    graphs: list[
        tuple[Precision, Callable[[Precision], onnx.ModelProto], Callable[..., parity.ParityResult]]
    ] = [
        (
            settings.text_encoder_precision or "int8-storage",
            lambda p: text_encoder_graph(encoder, p, max_tokens),
            lambda graph, p: parity.check_text_encoder(graph, encoder, tokens, p),
        ),
        (
            settings.denoiser_precision,
            lambda p: denoiser_graph(denoiser, p, settings.experts),
            lambda graph, p: parity.check_denoiser(graph, denoiser, p),
        ),
        (
            settings.vae_precision,
            lambda p: vae_encoder_graph(vae, p),
            lambda graph, p: parity.check_vae_encoder(graph, vae, p),
        ),
        (
            settings.vae_precision,
            lambda p: vae_decoder_graph(vae, p),
            lambda graph, p: parity.check_vae_decoder(graph, vae, p),
        ),
    ]
    shipped = [(write(precision), precision, write, check) for precision, write, check in graphs]
    total = sum(graph.ByteSize() for graph, *_ in shipped) / 1e6
    if max_megabytes is not None and total > max_megabytes:
        raise ExportError(
            f"the graphs weigh {total:.1f} MB where {max_megabytes:g} MB are allowed; "
            "choose a lower precision for the denoiser or train a smaller one"
        )
    files: dict[str, bytes] = {}
    measured: list[dict[str, Any]] = []
    for graph, precision, write, check in shipped:
        results = [] if precision == "fp32" else [check(write("fp32"), "fp32")]
        for result in [*results, check(graph, precision)]:
            measured.append(result.to_dict())
            log(f"{result.graph} {result.precision}: error {result.max_abs_error:.2e} ({result.tolerance})")
        files[f"{graph.graph.name}.onnx"] = graph.SerializeToString(deterministic=True)
    log(f"the graphs weigh {total:.1f} MB")
    return files, measured


def export_run(
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    settings: ExportSettings | None = None,
    max_megabytes: float | None = None,
    text_weights: str = "",
    log: Log = lambda line: None,
) -> Path:
    """Make a bundle of the run in `folder` at `output` (.zip, or a folder that does not exist yet).

    max_megabytes: refuse when the four graphs weigh more together (10^6 bytes). None: any size. Of a run by
    CLIP it is not looked at. text_weights: CLIP's file or folder for such a run; default: its recipe's.
    Raises ExportError, ParityError, WeightsError, MiniLMNotFound or BundleError; nothing is written then.
    """
    settings = settings or ExportSettings()
    run = load_run(folder)
    if run.text.encoder == "clip":
        path = _export_clip_run(run, Path(text_weights or run.text.weights), Path(output), settings, log)
    else:
        path = _export_minilm_run(run, output, settings, max_megabytes, log)
    log(f"wrote {path}")
    return path


def _export_minilm_run(
    run: Run, output: str | os.PathLike[str], settings: ExportSettings, max_megabytes: float | None, log: Log
) -> Path:
    max_tokens = run.card.get("max_tokens", DEFAULT_MAX_TOKENS)
    if not isinstance(max_tokens, int) or max_tokens < 3:
        raise ExportError(f"max_tokens in card.json is {max_tokens!r}; it must be a whole number above 2")
    minilm, tokenizer = load_minilm(max_tokens)
    encoder = SentenceEncoder(minilm, run.model.text_head).eval()
    batches = [CAPTIONS[:1], CAPTIONS[1:3], CAPTIONS]
    tokens = [tokenize(tokenizer, batch) for batch in batches]
    files, measured = export_model(run.model, encoder, tokens, settings, max_tokens, max_megabytes, log)
    files["tokenizer.json"] = tokenizer_json(max_tokens)
    files["stats.npz"] = stats_file(run.mean, run.std, run.model.config.features)
    if run.known:
        limits = TextLimits(max_tokens, run.model.config.text_width, "tokenizer.json", False)
        files[KNOWN_FILE] = known_file(
            run.known, files["tokenizer.json"], files["text_encoder.onnx"], limits, run.known_interactions
        )
    text = {"model": MODEL_ID, "licence": "Apache-2.0", "head": "trained with the denoiser"}
    provenance = _provenance(run, measured, settings, text)
    return write_bundle(
        output, bundle_card(run.model.config, run.skeleton, run.card, max_tokens, provenance), files
    )


def _export_clip_run(run: Run, weights: Path, output: Path, settings: ExportSettings, log: Log) -> Path:
    """CLIP and the paper's denoiser are large: their graphs go through files, not through memory."""
    if not weights.exists():
        raise ExportError(
            f"the run reads CLIP, whose weights are not at {weights}; name them with --text-weights"
        )
    check_new(output)
    text = load_clip_text(weights, None, run.model.text_head)
    precisions = settings.denoiser_precision, settings.text_encoder_precision or "fp16-storage"
    with staging_folder(output) as folder:
        measured = write_clip_graphs(
            run.model, text, folder, *precisions, settings.experts, settings.vae_precision, log
        )
        files: dict[str, bytes | Path] = {path.name: path for path in folder.iterdir()}
        files["tokenizer.json"] = clip_tokenizer_json(text[1])
        files["stats.npz"] = stats_file(run.mean, run.std, run.model.config.features)
        described = {"model": "CLIP ViT-L/14@336px", "licence": "MIT", "head": "trained with the denoiser"}
        provenance = _provenance(run, measured, settings, described)
        card = bundle_card(run.model.config, run.skeleton, run.card, CONTEXT, provenance)
        return write_bundle(output, card, files)


def _provenance(
    run: Run, measured: list[dict[str, Any]], settings: ExportSettings, text: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "model": run.model.config.to_dict(),
        "parity": measured,
        "export_settings": asdict(settings),
        "text_encoder": text,
        "exported_with": {"torch": torch.__version__, "onnx": onnx.__version__},
    }
