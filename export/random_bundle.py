# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny bundle with random weights: every part has the real form, and a test can make it in seconds."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from export.bundle_writer import bundle_card, stats_file, write_bundle
from export.captions import CAPTIONS
from export.run import ExportSettings, export_model
from export.text_encoder import random_sentence_encoder, tokenizer_json
from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.representation import LAYOUTS, features_from_motion
from intermoe_engine.skeleton import SMPL22
from training.model import InterMoE, ModelConfig
from training.text.minilm import DEFAULT_MAX_TOKENS, load_tokenizer, tokenize

TINY = ModelConfig(
    feature_layout="interhuman+root",
    vae_channels=8,
    denoiser_width=32,
    denoiser_blocks=2,
    heads=4,
    expert_width=16,
    text_width=32,
    text_head_layers=1,
    text_head_ff=64,
    text_head_heads=4,
)


def random_model(config: ModelConfig = TINY, seed: int = 0) -> InterMoE:
    """An untrained model whose output depends on all of its inputs, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = InterMoE(config)
        # The output layer starts at zero, which would hide everything before it.
        torch.nn.init.normal_(model.denoiser.net.out.linear.weight, std=config.denoiser_width**-0.5)
        for moe in model.denoiser.moe_layers():
            moe.aux_bias.uniform_(-0.7, -0.3)
        model.vae.latent_mean.normal_()
        model.vae.latent_std.uniform_(0.5, 1.5)
    return model.eval().requires_grad_(False)


def standing_statistics(config: ModelConfig = TINY) -> tuple[np.ndarray, np.ndarray]:
    """Mean (F,) of a person in T-pose and a std (F,) of 5 cm: decoded noise still resembles a person."""
    frames = 2
    root = np.zeros((frames, 3))
    quats = np.zeros((frames, len(SMPL22), 4))
    quats[..., 0] = 1.0
    positions, _ = forward_kinematics(root, quats, SMPL22.parents, SMPL22.offsets)
    positions[..., 1] -= positions[..., 1].min()
    contacts = np.ones((frames, 4))
    features = features_from_motion(positions, quats, contacts, LAYOUTS[config.feature_layout])
    return features[0], np.full(features.shape[-1], 0.05, np.float32)


def write_random_bundle(
    path: str | os.PathLike[str],
    config: ModelConfig = TINY,
    seed: int = 0,
    settings: ExportSettings | None = None,
) -> Path:
    """Write a bundle of random weights to `path` (.zip or a new folder); the tokenizer is the real one.

    Raises MiniLMNotFound when the package with the tokenizer is not installed.
    """
    model = random_model(config, seed)
    tokenizer = load_tokenizer()
    encoder = random_sentence_encoder(model.text_head, tokenizer.get_vocab_size(), seed)
    tokens = [tokenize(tokenizer, CAPTIONS[:1]), tokenize(tokenizer, CAPTIONS[-8:])]
    settings = settings or ExportSettings(denoiser_precision="fp32")
    files, measured = export_model(model, encoder, tokens, settings, DEFAULT_MAX_TOKENS)
    files["tokenizer.json"] = tokenizer_json()
    files["stats.npz"] = stats_file(*standing_statistics(config), config.features)
    description = {
        "id": "random-tiny",
        "name": "Random weights",
        "licence": "GPL-3.0-or-later",
        "knows": "Nothing: its weights are random, for tests of everything around the model.",
        "example_prompts": ["two people dance salsa"],
    }
    provenance = {"model": config.to_dict(), "parity": measured}
    card = bundle_card(config, SMPL22, description, DEFAULT_MAX_TOKENS, provenance)
    return write_bundle(path, card, files)
