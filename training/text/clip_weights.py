# SPDX-License-Identifier: GPL-3.0-or-later
"""CLIP's text tower out of OpenAI's file, a Transformers folder, or a checkpoint that carries it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..weights import WeightsError, read_tensors
from .clip_tower import ClipText

_FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")
_PATCHES_336 = (336 // 14) ** 2 + 1
_VISION_POSITIONS = ("visual.positional_embedding", "vision_model.embeddings.position_embedding.weight")
_KEEP = re.compile(r"(transformer\.resblocks\.\d+\.|token_embedding\.|ln_final\.|positional_embedding$)")
# Transformers' names of what OpenAI's file calls otherwise.
_RENAMED = (
    (re.compile(r"embeddings\.token_embedding\."), "token_embedding."),
    (re.compile(r"embeddings\.position_embedding\.weight"), "positional_embedding"),
    (re.compile(r"final_layer_norm\."), "ln_final."),
    (re.compile(r"encoder\.layers\."), "transformer.resblocks."),
    (re.compile(r"\.self_attn\.out_proj\."), ".attn.out_proj."),
    (re.compile(r"\.layer_norm(\d)\."), r".ln_\1."),
    (re.compile(r"\.mlp\.fc1\."), ".mlp.c_fc."),
    (re.compile(r"\.mlp\.fc2\."), ".mlp.c_proj."),
)
_SEPARATE = re.compile(r"(.*)\.self_attn\.([qkv])_proj\.(weight|bias)")


def load_clip(path: Path) -> ClipText:
    """The text tower in `path`: OpenAI's .pt, a checkpoint with `clip_transformer.*`, or a Transformers
    folder.

    Raises WeightsError with what is missing or does not fit.
    """
    tensors = _folder_tensors(path) if path.is_dir() else read_tensors(path)
    for name in _VISION_POSITIONS:
        if name in tensors and tensors[name].shape[0] != _PATCHES_336:
            raise WeightsError(f"{path} is another CLIP than InterMoE was trained with; give ViT-L/14@336px")
    try:
        return ClipText.from_state(text_tower(tensors))
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error


def text_tower(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tower's float32 tensors under OpenAI's names, from any of the three layouts; empty without one."""
    if any(key.startswith("text_model.") for key in tensors):
        named = _from_transformers(tensors)
    else:
        named = {
            key.removeprefix("model.").replace("clip_transformer.", "transformer.", 1): tensor
            for key, tensor in tensors.items()
        }
    return {key: tensor.float() for key, tensor in named.items() if _KEEP.match(key)}


def _folder_tensors(folder: Path) -> dict[str, Tensor]:
    config = folder / "config.json"
    try:
        document = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    except ValueError as error:
        raise WeightsError(f"{config} is not valid JSON; download the folder again") from error
    activation = {**document, **(document.get("text_config") or {})}.get("hidden_act", "quick_gelu")
    if activation != "quick_gelu":
        raise WeightsError(
            f"{folder} has the activation {activation}, which is not OpenAI's CLIP; "
            "give openai/clip-vit-large-patch14-336"
        )
    for name in _FOLDER_FILES:
        if (folder / name).is_file():
            return read_tensors(folder / name)
    raise WeightsError(
        f"{folder} holds neither {' nor '.join(_FOLDER_FILES)}; give a Transformers model folder"
    )


def _from_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named: dict[str, Tensor] = {}
    separate: dict[tuple[str, str], dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if not key.startswith("text_model."):
            continue
        key = key.removeprefix("text_model.")
        for pattern, name in _RENAMED:
            key = pattern.sub(name, key)
        if found := _SEPARATE.fullmatch(key):
            separate.setdefault((found[1], found[3]), {})[found[2]] = tensor
        else:
            named[key] = tensor
    for (layer, kind), parts in separate.items():
        if len(parts) == 3:
            named[f"{layer}.attn.in_proj_{kind}"] = torch.cat([parts[part] for part in "qkv"])
    return named
