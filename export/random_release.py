# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in the layout of the authors' release with random weights: for tests, and to try a conversion without
it.

    python -m export.random_release DIR [--size full]

writes DIR/config.yaml, DIR/model/denoiser.ckpt, DIR/model/vae.ckpt, DIR/global_mean.npy, DIR/global_std.npy
and CLIP's text tower as DIR/clip (a Transformers folder), which `intermoe import-official` takes.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from export.random_bundle import standing_statistics
from training.model import InterMoE, ModelConfig
from training.model.denoiser import sinusoidal_table
from training.model.skeleton_graph import adjacency, pool_matrix, unpool_matrix
from training.text.clip_tower import ClipText, ClipTextConfig

SMALL = ModelConfig(
    vae_channels=8,
    denoiser_width=64,
    denoiser_blocks=2,
    experts=4,
    expert_width=48,
    text_width=64,
    text_head_layers=1,
    text_head_ff=96,
)
SMALL_CLIP = ClipTextConfig(width=64, layers=2)
MIDDLE = ModelConfig(
    denoiser_width=256, denoiser_blocks=4, expert_width=256, text_width=256, text_head_ff=512
)
MIDDLE_CLIP = ClipTextConfig(width=256, layers=4)
SIZES = {
    "small": (SMALL, SMALL_CLIP),
    "middle": (MIDDLE, MIDDLE_CLIP),
    "full": (ModelConfig.official(), ClipTextConfig()),
}


def random_denoiser_and_vae(config: ModelConfig, seed: int = 0) -> dict[str, Tensor]:
    """Every entry of an official checkpoint under its full name, `model.…`, without CLIP."""
    with torch.device("meta"):
        shapes = {key: tuple(value.shape) for key, value in InterMoE(config).state_dict().items()}
    state = {
        f"model.{key}": _draw(key, shape, seed)
        for key, shape in shapes.items()
        if key not in ("vae.latent_mean", "vae.latent_std")
    }
    return {**state, **_fixed(config)}


def random_clip(config: ClipTextConfig, seed: int = 0) -> dict[str, Tensor]:
    """The text tower under OpenAI's names; every number is one that fp16 holds, as in OpenAI's file."""
    with torch.device("meta"):
        shapes = {key: tuple(value.shape) for key, value in ClipText(config).state_dict().items()}
    return {key: _draw(key, shape, seed).half().float() for key, shape in shapes.items()}


def write_release(
    folder: Path, config: ModelConfig, clip: ClipTextConfig | None = None, seed: int = 0
) -> Path:
    """Write the files of a release, and CLIP as a Transformers folder, into `folder`."""
    (folder / "model").mkdir(parents=True, exist_ok=True)
    state = random_denoiser_and_vae(config, seed)
    part = "model.vae."
    # As Lightning writes them: the VAE's file has its own prefix, the denoiser's carries all three parts.
    vae = {f"model.{key.removeprefix(part)}": value for key, value in state.items() if key.startswith(part)}
    for name, weights in (("denoiser", state), ("vae", vae)):
        content = {"state_dict": weights, "epoch": 1000, "global_step": 0, "hyper_parameters": {"lr": 1e-4}}
        torch.save(content, folder / "model" / f"{name}.ckpt")
    (folder / "config.yaml").write_text(yaml.safe_dump(config_document(config)), encoding="utf-8")
    mean, std = standing_statistics(config)
    np.save(folder / "global_mean.npy", mean)
    np.save(folder / "global_std.npy", std)
    if clip is not None:
        write_transformers_folder(folder / "clip", random_clip(clip, seed))
    return folder


def config_document(config: ModelConfig) -> dict[str, object]:
    """The entries of config.yaml that say anything about the network."""
    return {
        "GENERAL": {"EXP_NAME": "intermoe-interhuman"},
        "model": {
            "NAME": "InterMoE",
            "NUM_LAYERS": config.denoiser_blocks,
            "NUM_HEADS": config.heads,
            "INPUT_DIM": config.latent_width,
            "LATENT_DIM": config.denoiser_width,
            "FF_SIZE": config.expert_width,
            "MoE_config": {"num_experts": config.experts, "capacity": 1},
            "DIFFUSION_STEPS": 1000,
            "BETA_SCHEDULER": "cosine",
            "STRATEGY": "ddim50",
            "CFG_WEIGHT": 3.5,
        },
    }


def write_transformers_folder(folder: Path, clip: Mapping[str, Tensor]) -> None:
    """The tower as `transformers` saves a CLIPTextModel: query, key and value apart."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {
        "token_embedding.weight": "embeddings.token_embedding.weight",
        "positional_embedding": "embeddings.position_embedding.weight",
        "ln_final.weight": "final_layer_norm.weight",
        "ln_final.bias": "final_layer_norm.bias",
    }
    leaves = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    state: dict[str, Tensor] = {}
    for key, value in clip.items():
        if key in names:
            state[names[key]] = value
            continue
        _, _, number, rest = key.split(".", 3)
        layer = f"encoder.layers.{number}"
        if rest.startswith("attn.in_proj_"):
            kind = rest.removeprefix("attn.in_proj_")
            for part, chunk in zip("qkv", value.chunk(3), strict=True):
                state[f"{layer}.self_attn.{part}_proj.{kind}"] = chunk
        elif rest.startswith("attn."):
            state[f"{layer}.self_{rest}"] = value
        else:
            leaf, kind = rest.rsplit(".", 1)
            state[f"{layer}.{leaves[leaf]}.{kind}"] = value
    save_file(
        {f"text_model.{key}": value.contiguous() for key, value in state.items()},
        folder / "model.safetensors",
    )
    (folder / "config.json").write_text(json.dumps({"hidden_act": "quick_gelu"}), encoding="utf-8")


def _draw(key: str, shape: tuple[int, ...], seed: int) -> Tensor:
    """Weights by the key alone, of a size that keeps the signal alive and makes the experts choose.

    The denoiser's are as large as torch starts linear layers. With larger ones its fifty calls in a row are
    chaotic, as no trained denoiser is, and every rounding error grows until it drowns the sample.
    """
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{key}".encode()))
    values = torch.randn(shape, generator=generator)
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "aux_bias":
        return values.mul_(0.1).sub_(0.5)
    if "gate_weight" in key:
        return values.mul_(4.0 / shape[-1] ** 0.5)
    if key.endswith("out.linear.weight"):
        return values.mul_(0.2 / shape[1] ** 0.5)
    if "_embedding" in key:
        return values.mul_(0.1)
    if len(shape) >= 2:
        fan_in = shape[1] if key.endswith("dist.weight") else int(np.prod(shape[1:]))
        return values.mul_((0.58 if key.startswith("denoiser.") else 1.0) / fan_in**0.5)
    if leaf == "weight":  # of a LayerNorm
        return values.mul_(0.1).add_(1.0)
    return values.mul_(0.1)


def _fixed(config: ModelConfig) -> dict[str, Tensor]:
    """Constants of the architecture that official files hold besides the weights."""
    makers: dict[str, tuple[str, Callable[[int], Tensor]]] = {
        "enc": ("skeleton_pool", pool_matrix),
        "dec": ("skeleton_unpool", unpool_matrix),
    }
    fixed: dict[str, Tensor] = {}
    for half, (name, make) in makers.items():
        for index in range(2):
            level = index if half == "enc" else 1 - index
            place, blocks = (2, (0, 1)) if half == "enc" else (0, (1, 2))
            stack = f"model.vae.conv_{half}.layers.{index}"
            fixed[f"{stack}.{place}.{name}"] = make(level)
            for block in blocks:
                for conv in (2, 5):
                    fixed[f"{stack}.{block}.layers.{conv}.adj_matrix"] = adjacency(level)
    net, table = "model.denoiser.net.", sinusoidal_table(config.max_positions, config.denoiser_width)
    for owner in ("", "embed_timestep."):
        fixed[f"{net}{owner}sequence_pos_encoder.pe"] = table
    for block in range(config.denoiser_blocks):
        fixed[f"{net}blocks.{block}.ffn.expert_threshold"] = torch.zeros(config.experts)
        fixed[f"{net}blocks.{block}.ffn.ema_decay"] = torch.full((1,), 0.99)
    return fixed


def main(arguments: list[str] | None = None) -> int:
    """Write a release of random weights; exit status 0."""
    parser = argparse.ArgumentParser(
        prog="python -m export.random_release", description="Write files like the authors' release."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=tuple(SIZES), default="small")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    print(write_release(options.folder, *SIZES[options.size], seed=options.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
