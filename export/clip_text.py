# SPDX-License-Identifier: GPL-3.0-or-later
"""CLIP's text tower and the trained text head as one graph: `text_encoder.onnx` of an official bundle."""

from __future__ import annotations

import numpy as np
import onnx
from torch import Tensor, nn

from export.external_weights import ExternalWeights
from export.graph_builder import GraphBuilder, Precision
from export.text_encoder import head_layer, layer_norm, linear, self_attention
from export.vae_graphs import array
from training.model.text_head import TextHead, TextLayer
from training.text.clip_tower import CONTEXT, QUICK_GELU, ClipLayer, ClipText


class ClipSentenceEncoder(nn.Module):
    """CLIP, then the text head, read at the end-of-text token."""

    def __init__(self, clip: ClipText, head: TextHead) -> None:
        super().__init__()
        width = head.clip_ln.normalized_shape[0]
        if width != clip.config.width:
            raise ValueError(
                f"the checkpoint's text head is {width} wide but this CLIP gives {clip.config.width}; "
                "give ViT-L/14@336px"
            )
        self.clip, self.head = clip, head

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """input_ids, attention_mask (1 token, 0 padding on the right), both (B, 77) int64 -> text (B, E)."""
        ids = input_ids * attention_mask  # whatever fills the line, CLIP was given zeros
        return self.head(self.clip(ids), ids.argmax(dim=1))


def clip_text_graph(
    encoder: ClipSentenceEncoder, precision: Precision = "fp32", external: ExternalWeights | None = None
) -> onnx.ModelProto:
    """input_ids (B, 77) int64, attention_mask (B, 77) int64 -> text (B, E)."""
    clip, head = encoder.clip, encoder.head
    width = clip.config.width
    g = GraphBuilder("text_encoder", precision, external)
    ids = g.input("input_ids", "int64", ["B", CONTEXT])
    ids = g.op("Mul", ids, g.input("attention_mask", "int64", ["B", CONTEXT]))
    causal = g.constant(np.triu(np.full((CONTEXT, CONTEXT), -1e9, np.float32), k=1))
    x = g.op(
        "Add",
        g.embedding(array(clip.token_embedding.weight), ids),
        g.weight(array(clip.positional_embedding), channel_axis=0),
    )
    for layer in clip.layers:
        x = _clip_layer(g, x, layer, causal, width)
    x = layer_norm(g, x, clip.ln_final)
    everything = g.constant(0.0)
    for layer in head.clipTransEncoder.layers:
        assert isinstance(layer, TextLayer)
        x = head_layer(g, x, layer, everything, width)
    vector = g.op("GatherND", x, g.op("ArgMax", ids, axis=1, keepdims=1), batch_dims=1)
    g.output(layer_norm(g, vector, head.clip_ln), "text", ["B", width])
    return g.build()


def _clip_layer(g: GraphBuilder, x: str, layer: ClipLayer, causal: str, width: int) -> str:
    attention = layer.attn
    mixed = self_attention(
        g,
        layer_norm(g, x, layer.ln_1),
        attention.in_proj_weight,
        attention.in_proj_bias,
        attention.heads,
        causal,
        width,
    )
    x = g.op("Add", x, linear(g, mixed, attention.out_proj))
    expand, contract = layer.mlp["c_fc"], layer.mlp["c_proj"]
    assert isinstance(expand, nn.Linear) and isinstance(contract, nn.Linear)
    inner = linear(g, layer_norm(g, x, layer.ln_2), expand)
    gate = g.op("Sigmoid", g.op("Mul", inner, g.constant(QUICK_GELU)))
    return g.op("Add", x, linear(g, g.op("Mul", inner, gate), contract))
