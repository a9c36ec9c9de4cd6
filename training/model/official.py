# SPDX-License-Identifier: GPL-3.0-or-later
"""Read weights in the layout of the official InterMoE checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from .config import ModelConfig
from .denoiser import sinusoidal_table
from .intermoe import InterMoE
from .skeleton_graph import JOINTS, adjacency, pool_matrix, unpool_matrix

_VAE_PARTS = ("motion_enc.", "motion_dec.", "conv_enc.", "conv_dec.", "dist.")
_CLIP_KEYS = re.compile(r"(clip_transformer|token_embedding|positional_embedding|ln_final|clip_model)(\.|$)")
_UNUSED_BUFFERS = ("expert_threshold", "ema_decay")
_LATENT_STATISTICS = ("vae.latent_mean", "vae.latent_std")
_LISTED = 8


def _plain_key(key: str) -> str:
    """The key without `model.`, and with `vae.` where a VAE file leaves it out."""
    key = key.removeprefix("model.")
    return f"vae.{key}" if key.startswith(_VAE_PARTS) else key


def _collect(state: Mapping[str, Any]) -> dict[str, Tensor]:
    if isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    tensors: dict[str, Tensor] = {}
    for key, value in state.items():
        plain = _plain_key(key)
        if _CLIP_KEYS.match(plain):
            continue
        if plain in tensors:
            raise ValueError(f"the weights hold {plain} twice, with and without a prefix; remove one")
        if isinstance(value, Tensor):
            tensors[plain] = value.detach()
        else:
            tensors[plain] = torch.from_numpy(np.array(value))
    return tensors


def _listing(title: str, entries: list[str]) -> str:
    shown = ", ".join(entries[:_LISTED])
    more = f" and {len(entries) - _LISTED} more" if len(entries) > _LISTED else ""
    return f"{title} {len(entries)}: {shown}{more}"


def _count(tensors: Mapping[str, Tensor], pattern: str) -> int:
    """Highest index that the pattern captures in any key, plus one."""
    matcher = re.compile(pattern)
    return max((int(found.group(1)) + 1 for key in tensors if (found := matcher.match(key))), default=0)


def infer_config(
    tensors: Mapping[str, Tensor],
    heads: int = 8,
    text_head_heads: int = 8,
    feature_layout: str = "interhuman",
) -> ModelConfig:
    """Sizes from the shapes of unprefixed official keys. Raises ValueError when they cannot be told."""
    joints = _count(tensors, r"vae\.motion_enc\.layers\.(\d+)\.")
    if joints not in (0, JOINTS):
        raise ValueError(f"the VAE has {joints} joints; only the {JOINTS}-joint InterHuman form is read here")
    net = "denoiser.net."
    sources = {
        "vae_channels": ("vae.motion_enc.layers.0.2.weight", 0),
        "denoiser_width": (net + "motion_embed.weight", 0),
        "expert_width": (net + "blocks.0.ffn.experts.0.gate_proj.weight", 0),
        "text_width": (net + "text_embed.weight", 1),
        "text_head_ff": ("clipTransEncoder.layers.0.linear1.weight", 0),
    }
    counts = {
        "denoiser_blocks": (r"denoiser\.net\.blocks\.(\d+)\.", net + "blocks.0.*"),
        "experts": (r"denoiser\.net\.blocks\.0\.ffn\.experts\.(\d+)\.", net + "blocks.0.ffn.experts.0.*"),
        "text_head_layers": (r"clipTransEncoder\.layers\.(\d+)\.", "clipTransEncoder.layers.0.*"),
    }
    sizes: dict[str, Any] = {}
    missing: list[str] = []
    misshapen: list[str] = []
    for size, (key, axis) in sources.items():
        if key not in tensors:
            missing.append(key)
        elif tensors[key].dim() != 2:
            misshapen.append(f"{key} is {tuple(tensors[key].shape)}, expected 2 dimensions")
        else:
            sizes[size] = tensors[key].shape[axis]
    for size, (pattern, example) in counts.items():
        sizes[size] = _count(tensors, pattern)
        if not sizes[size]:
            missing.append(example)
    if missing or misshapen:
        _refuse(sorted(missing), misshapen, [])
    return ModelConfig(feature_layout=feature_layout, heads=heads, text_head_heads=text_head_heads, **sizes)


def _refuse(missing: list[str], misshapen: list[str], unexpected: list[str]) -> None:
    parts = [
        _listing(title, entries)
        for title, entries in (("missing", missing), ("misshapen", misshapen), ("unexpected", unexpected))
        if entries
    ]
    raise ValueError(
        f"these are not complete InterMoE weights: {'; '.join(parts)};"
        " give the merged state of denoiser.ckpt and vae.ckpt"
    )


def _fixed_value(key: str, tensor: Tensor) -> Tensor | None:
    """What the architecture itself puts under this key, or None when the key is no such constant."""
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "pe" and tensor.dim() >= 2 and tensor.shape[-1] % 2 == 0:
        return sinusoidal_table(tensor.numel() // tensor.shape[-1], tensor.shape[-1]).reshape(tensor.shape)
    found = re.match(r"vae\.conv_(enc|dec)\.layers\.(\d)\.", key)
    if found is None or int(found.group(2)) > 1:
        return None
    level = int(found.group(2)) if found.group(1) == "enc" else 1 - int(found.group(2))
    makers = {"adj_matrix": adjacency, "skeleton_pool": pool_matrix, "skeleton_unpool": unpool_matrix}
    return makers[leaf](level) if leaf in makers else None


@contextmanager
def _parameters_without_memory() -> Iterator[None]:
    """Modules made inside have real buffers, but parameters that wait to be assigned.

    A full-size model is near a gigabyte, which would otherwise be drawn at random and thrown away.
    """

    def replace(module: nn.Module, name: str, parameter: nn.Parameter | None) -> Any:
        return None if parameter is None else nn.Parameter(parameter.to("meta"))

    hook = register_module_parameter_registration_hook(replace)
    try:
        yield
    finally:
        hook.remove()


def load_official_state(
    state: Mapping[str, Any],
    heads: int = 8,
    *,
    text_head_heads: int = 8,
    feature_layout: str = "interhuman",
) -> InterMoE:
    """An `InterMoE` in eval mode from weights in the official layout. Float32 tensors are shared, not copied.

    Args:
        state: key -> tensor or numpy array, keys with or without `model.`; CLIP's own weights are ignored,
            and constants of the architecture (adjacency, pooling, position tables) may be absent.
        heads: attention heads of the denoiser, which no shape tells.
        text_head_heads: attention heads of the text head.
        feature_layout: "interhuman" or "interhuman+root", which no shape tells either.

    Raises:
        ValueError: names every key that is missing, has another shape, or is unknown.
    """
    tensors = _collect(state)
    config = infer_config(tensors, heads, text_head_heads, feature_layout)
    with torch.device("meta"):
        wanted = {key: tuple(value.shape) for key, value in InterMoE(config).state_dict().items()}
    misshapen: list[str] = []
    unexpected: list[str] = []
    weights: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if key in wanted:
            if tuple(tensor.shape) != wanted[key]:
                misshapen.append(f"{key} is {tuple(tensor.shape)}, expected {wanted[key]}")
            weights[key] = tensor.float()
        elif (fixed := _fixed_value(key, tensor)) is not None:
            if fixed.shape != tensor.shape:
                misshapen.append(f"{key} is {tuple(tensor.shape)}, expected {tuple(fixed.shape)}")
            elif not torch.allclose(fixed, tensor.float().cpu(), atol=1e-2):
                raise ValueError(
                    f"{key} holds other numbers than InterHuman's skeleton has; use InterHuman weights"
                )
        elif key.rsplit(".", 1)[-1] not in _UNUSED_BUFFERS:
            unexpected.append(key)
    missing = sorted(key for key in wanted if key not in tensors and key not in _LATENT_STATISTICS)
    if missing or misshapen or unexpected:
        _refuse(missing, misshapen, sorted(unexpected))
    with _parameters_without_memory():
        model = InterMoE(config)
    model.load_state_dict(weights, assign=True)
    return model.eval()
