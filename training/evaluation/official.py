# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluator weights: the authors' `interclip.ckpt`, and our own files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from intermoe_engine.atomic import replacing
from intermoe_engine.errors import EngineError

from ..model.evaluator import EvaluatorConfig, PairEvaluator
from ..weights import read_metadata, read_tensors

_MOTION_LAYER = r"motion_encoder\.transformer\.layers\.(\d+)\."
_TEXT_LAYER = r"textTransEncoder\.layers\.(\d+)\."
# size of the configuration -> (key, dimensions that it must have, which of them it is)
_SOURCES = {
    "width": ("motion_encoder.embed_motion.weight", 2, 0),
    "hidden": ("motion_encoder.transformer.layers.0.linear1.weight", 2, 0),
    "embedding": ("motion_encoder.out.weight", 2, 0),
    "vocabulary": ("token_embedding.weight", 2, 0),
    "text_width": ("token_embedding.weight", 2, 1),
    "positions": ("positional_embedding", 2, 0),
    "text_hidden": ("textTransEncoder.layers.0.linear1.weight", 2, 0),
}
_CONTACTS = 4
_LISTED = 8


class EvaluatorError(EngineError, ValueError):
    """Evaluator weights that cannot be used; the message says why and what to do."""


def load_official_evaluator(state: Mapping[str, Any], heads: int = 8) -> PairEvaluator:
    """InterCLIP in eval mode from weights in the official layout.

    Args:
        state: key -> tensor or numpy array, with or without `model.` before the keys, or a Lightning
            checkpoint with a `state_dict`. The sinusoidal table may be absent.
        heads: attention heads of the motion encoder, which no shape tells; the text encoder has 8, or as
            many as the motion encoder where 8 does not divide its width.

    Raises:
        EvaluatorError: names every key that is missing, has another shape, or is unknown.
    """
    tensors = _collect(state)
    config = _infer_config(tensors, heads)
    with torch.device("meta"):
        wanted = {key: tuple(value.shape) for key, value in PairEvaluator(config).state_dict().items()}
    if "latent_scale" in tensors and tensors["latent_scale"].numel() == 1:
        tensors["latent_scale"] = tensors["latent_scale"].reshape(1)
    tensors.pop("motion_encoder.sequence_pos_encoder.pe", None)  # a constant: sines and cosines
    misshapen = [
        f"{key} is {tuple(tensors[key].shape)}, expected {shape}"
        for key, shape in wanted.items()
        if key in tensors and tuple(tensors[key].shape) != shape
    ]
    missing = sorted(wanted.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - wanted.keys())
    if missing or misshapen or unexpected:
        raise _refusal(missing, misshapen, unexpected)
    evaluator = PairEvaluator(config)
    evaluator.load_state_dict(tensors)
    return evaluator.eval()


def _collect(state: Mapping[str, Any]) -> dict[str, Tensor]:
    if isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    tensors: dict[str, Tensor] = {}
    for key, value in state.items():
        plain = key.removeprefix("model.")
        if plain in tensors:
            raise EvaluatorError(f"the weights hold {plain} twice, with and without `model.`; remove one")
        tensor = value.detach() if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
        tensors[plain] = tensor.float()
    return tensors


def _infer_config(tensors: Mapping[str, Tensor], heads: int) -> EvaluatorConfig:
    sizes: dict[str, Any] = {}
    missing: set[str] = set()
    misshapen: list[str] = []
    for size, (key, dimensions, axis) in _SOURCES.items():
        if key not in tensors:
            missing.add(key)
        elif tensors[key].dim() != dimensions:
            misshapen.append(f"{key} is {tuple(tensors[key].shape)}, expected {dimensions} dimensions")
        else:
            sizes[size] = tensors[key].shape[axis]
    for size, pattern in (("layers", _MOTION_LAYER), ("text_layers", _TEXT_LAYER)):
        matcher = re.compile(pattern)
        sizes[size] = max((int(m.group(1)) + 1 for key in tensors if (m := matcher.match(key))), default=0)
    if missing or misshapen:
        raise _refusal(sorted(missing), misshapen, [])
    features = tensors["motion_encoder.embed_motion.weight"].shape[1] // 2 + _CONTACTS
    text_heads = 8 if sizes["text_width"] % 8 == 0 else heads
    try:
        return EvaluatorConfig(
            features=features,
            contacts=(features - _CONTACTS, features),
            heads=heads,
            text_heads=text_heads,
            **sizes,
        )
    except ValueError as error:
        raise EvaluatorError(str(error)) from error


def _refusal(missing: list[str], misshapen: list[str], unexpected: list[str]) -> EvaluatorError:
    def listing(title: str, entries: list[str]) -> str:
        more = f" and {len(entries) - _LISTED} more" if len(entries) > _LISTED else ""
        return f"{title} {len(entries)}: {', '.join(entries[:_LISTED])}{more}"

    parts = [
        listing(title, entries)
        for title, entries in (("missing", missing), ("misshapen", misshapen), ("unexpected", unexpected))
        if entries
    ]
    return EvaluatorError(
        f"these are not complete evaluator weights: {'; '.join(parts)}; give interclip.ckpt"
    )


def save_evaluator(evaluator: PairEvaluator, path: str | os.PathLike[str]) -> None:
    """Write one .safetensors file that holds the weights and, as metadata, the configuration."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in evaluator.state_dict().items()}
    metadata = {"evaluator": json.dumps(evaluator.config.to_dict())}
    with replacing(Path(path)) as temporary:
        save_file(tensors, str(temporary), metadata)


def load_evaluator(path: str | os.PathLike[str], heads: int = 8) -> PairEvaluator:
    """An evaluator in eval mode: our own .safetensors, or the official weights in any file of tensors.

    Nothing that the file names is executed. heads: see `load_official_evaluator`; our own files know
    theirs. Raises WeightsError for a file without readable tensors, EvaluatorError for other tensors.
    """
    path = Path(path)
    state = read_tensors(path)
    own = read_metadata(path).get("evaluator")
    if own is None:
        return load_official_evaluator(state, heads)
    try:
        evaluator = PairEvaluator(EvaluatorConfig.from_dict(json.loads(own)))
        evaluator.load_state_dict(state)
    except (RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise EvaluatorError(f"{path} does not hold the evaluator it promises ({reason})") from error
    return evaluator.eval()
