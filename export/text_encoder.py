# SPDX-License-Identifier: GPL-3.0-or-later
"""The text encoder of a bundle: MiniLM and the trained text head in one ONNX graph, with its tokenizer."""

from __future__ import annotations

import json

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from export.graph_builder import GraphBuilder, Precision
from export.vae_graphs import array
from training.model.attention import MultiheadAttention
from training.model.text_head import TextHead, TextLayer
from training.text.minilm import DEFAULT_MAX_TOKENS, EncoderLayer, MiniLM, MiniLMConfig, load_tokenizer


class SentenceEncoder(nn.Module):
    """MiniLM, then the text head, read at the end token [SEP]: the torch side of `text_encoder.onnx`."""

    def __init__(self, minilm: MiniLM, head: TextHead) -> None:
        super().__init__()
        if head.clip_ln.normalized_shape[0] != minilm.config.width:
            raise ValueError(
                f"the text head is {head.clip_ln.normalized_shape[0]} wide but the sentence encoder gives "
                f"{minilm.config.width}; train the head on this encoder's hidden states"
            )
        self.minilm, self.head = minilm, head

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """input_ids, attention_mask (1 token, 0 padding on the right), both (B, N) int64 -> text (B, E)."""
        hidden = self.minilm(input_ids, attention_mask)
        return self.head(hidden, attention_mask.sum(1) - 1, attention_mask == 0)


def text_encoder_graph(
    encoder: SentenceEncoder, precision: Precision = "fp32", max_tokens: int = DEFAULT_MAX_TOKENS
) -> onnx.ModelProto:
    """input_ids (B, N), attention_mask (B, N), int64 -> text (B, E), sentence (B, E); N up to `max_tokens`.

    sentence: what all-MiniLM-L6-v2 says of the whole, its mean token state at length 1.
    """
    minilm, head = encoder.minilm, encoder.head
    width = minilm.config.width
    g = GraphBuilder("text_encoder", precision)
    ids = g.input("input_ids", "int64", ["B", "N"])
    mask = g.input("attention_mask", "int64", ["B", "N"])
    bias = g.unsqueeze(g.visibility(g.cast(mask, "bool")), 1, 2)  # (B, 1, 1, N)

    table = g.weight(array(minilm.position_embedding.weight)[:max_tokens], channel_axis=0)
    tokens = g.op("Shape", ids, start=1, end=2)
    positions = g.op("Slice", table, g.constant([0], np.int64), tokens, g.constant([0], np.int64))
    x = g.op("Add", g.embedding(array(minilm.word_embedding.weight), ids), positions)
    x = layer_norm(g, x, minilm.embedding_norm)
    for layer in minilm.layers:
        assert isinstance(layer, EncoderLayer)
        x = _minilm_layer(g, x, layer, bias, width)
    states = x
    for layer in head.clipTransEncoder.layers:
        assert isinstance(layer, TextLayer)
        x = head_layer(g, x, layer, bias, width)

    end = g.op("Sub", g.op("ReduceSum", mask, g.constant([1], np.int64), keepdims=1), g.constant(1, np.int64))
    vector = g.op("GatherND", x, end, batch_dims=1)
    g.output(layer_norm(g, vector, head.clip_ln), "text", ["B", width])
    present = g.unsqueeze(g.cast(mask, "float"), 2)
    total = g.op("ReduceSum", g.op("Mul", states, present), g.constant([1], np.int64), keepdims=0)
    g.output(g.op("LpNormalization", total, axis=1, p=2), "sentence", ["B", width])
    return g.build()


def tokenizer_json(max_tokens: int = DEFAULT_MAX_TOKENS) -> bytes:
    """The tokenizer file of a bundle: cuts at `max_tokens` and keeps the end token."""
    document = json.loads(load_tokenizer(max_tokens).to_str())
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def random_sentence_encoder(head: TextHead, vocabulary: int, seed: int = 0) -> SentenceEncoder:
    """An untrained encoder of the head's width with one small layer, for tests."""
    width = head.clip_ln.normalized_shape[0]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        minilm = MiniLM(
            MiniLMConfig(vocabulary=vocabulary, width=width, layers=1, heads=2, feed_forward=2 * width)
        )
    return SentenceEncoder(minilm, head).eval()


def layer_norm(g: GraphBuilder, x: str, norm: nn.LayerNorm) -> str:
    """torch's LayerNorm with its weights."""
    return g.layer_norm(x, norm.normalized_shape[0], norm.eps, array(norm.weight), array(norm.bias))


def linear(g: GraphBuilder, x: str, layer: nn.Linear) -> str:
    """torch's Linear with its weights."""
    return g.linear(x, array(layer.weight), array(layer.bias))


def self_attention(
    g: GraphBuilder, x: str, weight: Tensor, offset: Tensor, heads: int, bias: str, width: int
) -> str:
    """Joined projection (3 width, width) of query, key and value, then attention before its output one."""
    joined, shift = array(weight).copy(), array(offset).copy()
    root = np.float32(np.sqrt(width / heads))
    joined[:width] /= root
    shift[:width] /= root
    query, key, value = g.split(g.linear(x, joined, shift), 3)
    return g.attention(query, key, value, heads, width, bias)


def _minilm_layer(g: GraphBuilder, x: str, layer: EncoderLayer, bias: str, width: int) -> str:
    projection = layer.query_key_value
    mixed = self_attention(g, x, projection.weight, projection.bias, layer.heads, bias, width)
    x = layer_norm(g, g.op("Add", x, linear(g, mixed, layer.attention_output)), layer.attention_norm)
    inner = g.gelu(linear(g, x, layer.expand))
    return layer_norm(g, g.op("Add", x, linear(g, inner, layer.contract)), layer.output_norm)


def head_layer(g: GraphBuilder, x: str, layer: TextLayer, bias: str, width: int) -> str:
    """One layer of the trained text head, x (B, N, width); `bias` is added to the attention scores."""
    attention: MultiheadAttention = layer.self_attn
    mixed = self_attention(
        g, x, attention.in_proj_weight, attention.in_proj_bias, attention.heads, bias, width
    )
    x = layer_norm(g, g.op("Add", x, linear(g, mixed, attention.out_proj)), layer.norm1)
    inner = g.gelu(linear(g, x, layer.linear1))
    return layer_norm(g, g.op("Add", x, linear(g, inner, layer.linear2)), layer.norm2)
