# SPDX-License-Identifier: GPL-3.0-or-later
"""A small bundle with the real graphs and random weights, for tests of everything but motion quality.

Its text encoder is the mean of word vectors, so that no model has to be installed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from export.bundle_writer import bundle_card, stats_file, write_bundle
from export.denoiser_graph import denoiser_graph
from export.random_bundle import random_model, standing_statistics
from export.vae_graphs import vae_decoder_graph, vae_encoder_graph
from intermoe_engine.skeleton import SMPL22
from training.model import ModelConfig

TEXT_WIDTH = 16
MAX_TOKENS = 12
WORDS = ("two", "people", "dance", "salsa", "together", "one", "person", "the", "other", "left", "turn")
DESCRIPTION = {
    "id": "tiny-test",
    "name": "Tiny test bundle",
    "licence": "GPL-3.0-or-later",
    "frames": {"min": 15, "max": 120},
    "default_steps": 10,
    "default_guidance": 2.0,
    "about": "random weights, knows nothing",
    "example_prompts": ["two people dance"],
}


def write_folder(folder: Path, layout: str = "interhuman+root", seed: int = 3) -> Path:
    """Write an unpacked bundle of InterMoE with random weights to the new `folder`, and return it."""
    config = ModelConfig(
        feature_layout=layout,
        vae_channels=8,
        denoiser_width=32,
        denoiser_blocks=2,
        heads=4,
        experts=4,
        expert_width=32,
        text_width=TEXT_WIDTH,
        text_head_layers=1,
        text_head_ff=32,
        text_head_heads=4,
    )
    model = random_model(config, seed)
    files = {
        "denoiser.onnx": denoiser_graph(model.denoiser).SerializeToString(),
        "vae_encoder.onnx": vae_encoder_graph(model.vae).SerializeToString(),
        "vae_decoder.onnx": vae_decoder_graph(model.vae).SerializeToString(),
        "text_encoder.onnx": _text_graph(seed).SerializeToString(),
        "tokenizer.json": _tokenizer().to_str().encode(),
        "stats.npz": stats_file(*standing_statistics(config), config.features),
    }
    return write_bundle(folder, bundle_card(config, SMPL22, DESCRIPTION, MAX_TOKENS, {}), files)


def rewrite_card(folder: Path, **changes: Any) -> None:
    """Change entries of bundle.json and bring its checksums up to date."""
    path = folder / "bundle.json"
    files = {}
    for file in folder.iterdir():
        if file != path:
            data = file.read_bytes()
            files[file.name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    document = {**json.loads(path.read_text(encoding="utf-8")), "files": files, **changes}
    path.write_text(json.dumps(document), encoding="utf-8")


def zip_folder(folder: Path, target: Path) -> Path:
    """The same bundle as one zip."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return target


def copy_folder(folder: Path, target: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(folder, target))


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
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["B", "N"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("text", TensorProto.FLOAT, ["B", TEXT_WIDTH])
    constants = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.array([2]), "last"),
        numpy_helper.from_array(np.array([1]), "one"),
    ]
    graph = helper.make_graph(nodes, "text", inputs, [output], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
