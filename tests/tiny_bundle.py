# SPDX-License-Identifier: GPL-3.0-or-later
"""A small bundle with the real graphs and random weights, for tests of everything but motion quality."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from export.denoiser_graph import denoiser_graph
from export.vae_graphs import vae_decoder_graph, vae_encoder_graph
from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.representation import LAYOUTS, features_from_motion
from intermoe_engine.skeleton import SMPL22
from training.model.config import ModelConfig
from training.model.intermoe import InterMoE

TEXT_WIDTH = 16
MAX_TOKENS = 12
WORDS = "two people dance salsa together a one person the other left right turn and while".split()


def write_folder(folder: Path, layout: str = "interhuman+root", seed: int = 3) -> Path:
    """Write an unpacked bundle of InterMoE with random weights into `folder`, and return it."""
    torch.manual_seed(seed)
    config = ModelConfig(
        feature_layout=layout, vae_channels=8, denoiser_width=32, denoiser_blocks=2, heads=4, experts=4,
        expert_width=32, text_width=TEXT_WIDTH, text_head_layers=1, text_head_ff=32, text_head_heads=4,
    )  # fmt: skip
    model = InterMoE(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():  # a fresh denoiser starts from zeros and would answer the same to everything
                parameter.normal_(0.0, 0.2)
    folder.mkdir(parents=True, exist_ok=True)
    graphs = {
        "denoiser.onnx": denoiser_graph(model.denoiser),
        "vae_encoder.onnx": vae_encoder_graph(model.vae),
        "vae_decoder.onnx": vae_decoder_graph(model.vae),
        "text_encoder.onnx": _text_graph(seed),
    }
    for name, graph in graphs.items():
        onnx.save(graph, str(folder / name))
    _tokenizer().save(str(folder / "tokenizer.json"))
    mean, std = _statistics(layout)
    np.savez(folder / "stats.npz", mean=mean, std=std)
    write_card(folder, card(layout))
    return folder


def card(layout: str = "interhuman+root") -> dict[str, Any]:
    """bundle.json without its `files`."""
    return {
        "schema": 1,
        "id": "tiny-test",
        "name": "Tiny test bundle",
        "skeleton": SMPL22.to_dict(),
        "feature_layout": layout,
        "fps": 30.0,
        "frames": {"min": 15, "max": 120, "multiple": 4},
        "latent": {"persons": 2, "groups": 7, "channels": 8, "downsample": 4},
        "text": {"max_tokens": MAX_TOKENS, "width": TEXT_WIDTH, "tokenizer": "tokenizer.json"},
        "diffusion": {
            "steps": 1000, "schedule": "cosine", "prediction": "x0", "sampler": "ddim",
            "default_steps": 10, "default_guidance": 2.0,
        },
        "licence": "GPL-3.0-or-later",
        "provenance": {"about": "random weights, knows nothing"},
        "example_prompts": ["two people dance"],
    }  # fmt: skip


def write_card(folder: Path, document: dict[str, Any]) -> None:
    """Write bundle.json with the sums of all other files in `folder`."""
    files = {}
    for path in sorted(folder.iterdir()):
        if path.name != "bundle.json":
            data = path.read_bytes()
            files[path.name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / "bundle.json").write_text(json.dumps({**document, "files": files}), encoding="utf-8")


def zip_folder(folder: Path, target: Path) -> Path:
    """The same bundle as one zip."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return target


def _tokenizer() -> Tokenizer:
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()  # type: ignore[assignment]
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[assignment]
    return tokenizer


def _text_graph(seed: int) -> onnx.ModelProto:
    """The mean embedding of the tokens that the mask shows."""
    table = np.random.default_rng(seed).standard_normal((len(WORDS) + 2, TEXT_WIDTH)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"], axis=0),
        helper.make_node("Cast", ["attention_mask"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["weights", "last"], ["column"]),
        helper.make_node("Mul", ["rows", "column"], ["shown"]),
        helper.make_node("ReduceSum", ["shown", "one"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["column", "one"], ["count"], keepdims=0),
        helper.make_node("Div", ["total", "count"], ["text"]),
    ]
    graph = helper.make_graph(
        nodes,
        "text",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["B", "N"]) for n in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("text", TensorProto.FLOAT, ["B", TEXT_WIDTH])],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.array([2]), "last"),
            numpy_helper.from_array(np.array([1]), "one"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _statistics(layout: str) -> tuple[np.ndarray, np.ndarray]:
    """Statistics of a body in T-pose on the floor, so that random latents give a body that wobbles."""
    rotations = np.zeros((2, 22, 4))
    rotations[..., 0] = 1.0
    pelvis = np.array([[0.0, 0.98, 0.0]] * 2)
    positions, _ = forward_kinematics(pelvis, rotations, SMPL22.parents, SMPL22.offsets)
    mean = features_from_motion(positions, rotations, np.ones((2, 4)), LAYOUTS[layout])[0]
    return mean.astype(np.float32), np.full(mean.shape, 0.02, dtype=np.float32)
