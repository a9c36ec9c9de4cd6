# SPDX-License-Identifier: GPL-3.0-or-later
"""The denoiser as an ONNX graph.

Both people travel as a leading axis of size 2, (2, B, T, d), so that the condition, which they share,
broadcasts. What depends on the condition alone (every AdaLN scale and shift, the text half of every router)
is one matrix product for all blocks. The experts come in two forms with the same numbers: "sparse" runs each
expert on the frames that it takes, as in training, which saves much arithmetic on a CPU; "dense" is two
matrix products over all experts of a block, with gate zero where an expert does not take the frame: no shapes
depend on the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import onnx
from torch import nn

from export.bundle_writer import ExportError
from export.external_weights import ExternalWeights
from export.graph_builder import GraphBuilder, Precision
from export.linear_filter_graph import add_linear_filter
from export.vae_graphs import array
from training.model.attention import AdaLN, MultiheadAttention
from training.model.denoiser import Denoiser, DenoiserBlock, sinusoidal_table
from training.model.moe import TemporalSelectiveMoE

ExpertForm = Literal["sparse", "dense"]
EXPERT_FORMS: tuple[ExpertForm, ...] = get_args(ExpertForm)

_NORM_EPS = 1e-6  # of AdaLN


@dataclass(frozen=True)
class _Modulation:
    """1 + scale and shift of one AdaLN, both (B, 1, d)."""

    scale: str
    shift: str


def denoiser_graph(
    denoiser: Denoiser,
    precision: Precision = "fp32",
    experts: ExpertForm = "sparse",
    external: ExternalWeights | None = None,
) -> onnx.ModelProto:
    """latents (B, T, 2D), timesteps (B) int64, text (B, E), mask (B, T) bool -> clean_latents (B, T, 2D)."""
    net = denoiser.net
    width, latent = net.motion_embed.out_features, net.motion_embed.in_features
    blocks = [block for block in net.blocks if isinstance(block, DenoiserBlock)]
    if any(block.ffn.routing != "expert" or block.ffn.router != "both" for block in blocks):
        raise ExportError(
            'a model with a routing other than "expert" or a router other than "both" is for comparisons and '
            "has no export; train one with the published routing"
        )
    g = GraphBuilder("denoiser", precision, external)
    latents = g.input("latents", "float", ["B", "T", 2 * latent])
    timesteps = g.input("timesteps", "int64", ["B"])
    text = g.input("text", "float", ["B", net.text_embed.in_features])
    mask = g.input("mask", "bool", ["B", "T"])

    condition = g.op(
        "Add", _timestep_embedding(g, timesteps, net.embed_timestep, width), _linear(g, text, net.text_embed)
    )
    modulations = _modulations(g, condition, blocks, width)
    routers = _text_routers(g, condition, blocks)

    # The zero key that each attention may look at is always visible.
    visible = g.op("Pad", g.cast(mask, "int64"), g.constant([0, 0, 0, 1], np.int64), g.constant(1, np.int64))
    bias = g.unsqueeze(g.visibility(g.cast(visible, "bool")), 1, 2)  # (B, 1, 1, T + 1)

    people = g.transpose(g.reshape(latents, [0, 0, 2, latent]), 2, 0, 1, 3)
    frames = g.op("Squeeze", g.op("Shape", mask, start=1, end=2), g.constant([0], np.int64))
    x = g.op("Add", _linear(g, people, net.motion_embed), _positions(g, frames, width))
    if net.person_embed is not None:
        x = g.op("Add", x, g.constant(array(net.person_embed)[:, None, None]))
    for block, modulation, router in zip(blocks, modulations, routers, strict=True):
        x = _block(g, x, block, modulation, router, bias, experts)
    clean = _linear(g, x, net.out.linear)
    if denoiser.filter is not None:
        clean = add_linear_filter(g, denoiser.filter, people, timesteps, clean, mask, frames)
    g.output(
        g.reshape(g.transpose(clean, 1, 2, 0, 3), [0, 0, 2 * latent]),
        "clean_latents",
        ["B", "T", 2 * latent],
    )
    return g.build()


def _linear(g: GraphBuilder, x: str, layer: nn.Linear) -> str:
    return g.linear(x, array(layer.weight), None if layer.bias is None else array(layer.bias))


def _sinusoid(g: GraphBuilder, steps: str, width: int) -> str:
    """Rows of the sinusoidal table at whole numbers (N,) -> (N, width), sines in even columns."""
    # Row 1 of the table holds the rates; taking them back from it keeps one definition.
    row = sinusoidal_table(2, width)[1].double()
    rate = np.arctan2(row[0::2].numpy(), row[1::2].numpy())
    angle = g.op("Mul", g.unsqueeze(g.cast(steps, "float"), 1), g.constant(rate))
    pairs = g.op("Concat", g.unsqueeze(g.op("Sin", angle), 2), g.unsqueeze(g.op("Cos", angle), 2), axis=2)
    return g.reshape(pairs, [0, width])


def _positions(g: GraphBuilder, frames: str, width: int) -> str:
    return _sinusoid(g, g.op("Range", g.constant(0, np.int64), frames, g.constant(1, np.int64)), width)


def _timestep_embedding(g: GraphBuilder, timesteps: str, module: nn.Module, width: int) -> str:
    first, second = (module.get_submodule(f"time_embed.{i}") for i in (0, 2))
    assert isinstance(first, nn.Linear) and isinstance(second, nn.Linear)
    return _linear(g, g.silu(_linear(g, _sinusoid(g, timesteps, width), first)), second)


def _modulations(
    g: GraphBuilder, condition: str, blocks: list[DenoiserBlock], width: int
) -> list[list[_Modulation]]:
    """Per block, the modulations of self-attention, cross-attention, the other person, and the experts."""
    norms = [[b.sa_block.norm, b.ca_block.norm, b.ca_block.xf_norm, b.ffn.norm] for b in blocks]
    linears = [_adaln_linear(norm) for row in norms for norm in row]
    weight = np.concatenate([array(linear.weight) for linear in linears])
    biases = []
    for linear in linears:
        bias = array(linear.bias).copy()
        bias[:width] += 1.0  # the one of (1 + scale)
        biases.append(bias)
    rows = g.unsqueeze(g.linear(g.silu(condition), weight, np.concatenate(biases)), 1)
    parts = g.split(rows, 2 * len(linears))
    flat = [_Modulation(scale, shift) for scale, shift in zip(parts[::2], parts[1::2], strict=True)]
    return [flat[i : i + 4] for i in range(0, len(flat), 4)]


def _adaln_linear(norm: AdaLN) -> nn.Linear:
    linear = norm.emb_layers[1]
    assert isinstance(linear, nn.Linear)
    return linear


def _text_routers(g: GraphBuilder, condition: str, blocks: list[DenoiserBlock]) -> list[str]:
    """Per block, the text's part of the router logits, (B, 1, experts)."""
    weight = np.concatenate([array(block.ffn.text_gate_weight) for block in blocks])
    return g.split(g.unsqueeze(g.linear(condition, weight, None, exact=True), 1), len(blocks))


def _block(
    g: GraphBuilder,
    x: str,
    block: DenoiserBlock,
    modulations: list[_Modulation],
    router: str,
    bias: str,
    form: ExpertForm,
) -> str:
    own, query, other, experts = modulations
    width = block.ffn.gate_weight.shape[1]
    plain = g.layer_norm(
        x, width, _NORM_EPS
    )  # both attentions read these features, each modulated in its own way
    seen = _modulate(g, g.op("Gather", plain, g.constant([1, 0], np.int64), axis=0), other)
    y = _modulate(g, plain, own)
    x = g.op("Add", x, _attention(g, y, y, block.sa_block.attention, bias, width))
    y = _modulate(g, g.layer_norm(x, width, _NORM_EPS), query)
    x = g.op("Add", x, _attention(g, y, seen, block.ca_block.attention, bias, width))
    y = _modulate(g, g.layer_norm(x, width, _NORM_EPS), experts)
    gates, takes = _route(g, x, block.ffn, router)
    if form == "sparse":
        return _sparse_experts(g, x, y, gates, takes, block.ffn)
    return g.op("Add", x, _dense_experts(g, y, gates, takes, block.ffn))


def _modulate(g: GraphBuilder, x: str, modulation: _Modulation) -> str:
    return g.op("Add", g.op("Mul", x, modulation.scale), modulation.shift)


def _attention(
    g: GraphBuilder, x: str, memory: str, module: MultiheadAttention, bias: str, width: int
) -> str:
    """x and memory (2, B, T, d) -> (2, B, T, d), with one more key and value of zeros."""
    weight, offset = array(module.in_proj_weight), array(module.in_proj_bias)
    root = np.float32(np.sqrt(width / module.heads))
    query = g.linear(x, weight[:width] / root, offset[:width] / root)
    joined = g.linear(memory, weight[width:], offset[width:])
    key, value = g.split(g.op("Pad", joined, g.constant([0, 0, 0, 0, 0, 0, 1, 0], np.int64)), 2)
    mixed = g.attention(query, key, value, module.heads, width, g.unsqueeze(bias, 0), lead=2)
    return _linear(g, mixed, module.out_proj)


def _route(g: GraphBuilder, x: str, moe: TemporalSelectiveMoE, router: str) -> tuple[str, str]:
    """Gates (2, B, T, experts) and which frames each expert takes, bool, from features before the AdaLN."""
    # The router decides by comparison, so its weights stay exact at every precision.
    logits = g.op("Add", g.linear(x, array(moe.gate_weight), None, exact=True), router)
    chance = g.op("Add", g.op("Sigmoid", logits), g.constant(array(moe.aux_bias)[:, 0]))
    return g.op("Softmax", logits, axis=-1), g.op("Greater", chance, g.constant(0.0))


def _expert_weights(moe: TemporalSelectiveMoE, name: str) -> list[np.ndarray]:
    return [array(expert.get_parameter(f"{name}.weight")) for expert in moe.experts]


def _sparse_experts(
    g: GraphBuilder, x: str, normed: str, gates: str, takes: str, moe: TemporalSelectiveMoE
) -> str:
    """x plus each expert's gated answer on its own frames, (2, B, T, d)."""
    width = moe.gate_weight.shape[1]
    tokens, total = g.reshape(normed, [-1, width]), g.reshape(x, [-1, width])
    count = len(moe.experts)
    gate_of = g.split(g.reshape(gates, [-1, count]), count)
    taken_by = g.split(g.reshape(takes, [-1, count]), count)
    weights = (_expert_weights(moe, name) for name in ("gate_proj", "up_proj", "down_proj"))
    for gate, taken, gate_proj, up_proj, down_proj in zip(gate_of, taken_by, *weights, strict=True):
        rows = g.op("NonZero", g.reshape(taken, [-1]))  # (1, frames taken)
        index = g.reshape(rows, [-1])
        joined = g.linear(g.op("Gather", tokens, index, axis=0), np.concatenate([gate_proj, up_proj]), None)
        inner, up = g.split(joined, 2)
        answer = g.linear(g.op("Mul", g.silu(inner), up), down_proj, None)
        gated = g.op("Mul", answer, g.op("Gather", gate, index, axis=0))
        total = g.op("ScatterND", total, g.transpose(rows, 1, 0), gated, reduction="add")
    return g.op("Reshape", total, g.op("Shape", x))


def _dense_experts(g: GraphBuilder, normed: str, gates: str, takes: str, moe: TemporalSelectiveMoE) -> str:
    """The gated sum over all experts, (2, B, T, d)."""
    gate_proj, up_proj = _expert_weights(moe, "gate_proj"), _expert_weights(moe, "up_proj")
    count, hidden = len(gate_proj), gate_proj[0].shape[0]
    gate, up = g.split(g.linear(normed, np.concatenate(gate_proj + up_proj), None), 2)
    gates = g.op("Mul", gates, g.cast(takes, "float"))
    inner = g.reshape(g.op("Mul", g.silu(gate), up), [0, 0, 0, count, hidden])
    inner = g.reshape(g.op("Mul", inner, g.unsqueeze(gates, 4)), [0, 0, 0, count * hidden])
    # Stacked before joined, so that int8 scales each expert by itself.
    down = np.stack([weight.T for weight in _expert_weights(moe, "down_proj")])
    return g.op("MatMul", inner, g.reshape(g.weight(down), [count * hidden, -1]))
