# SPDX-License-Identifier: GPL-3.0-or-later
"""The VAE's encoder and decoder as ONNX graphs.

Inside, activations are (B, C, T, J), the layout of ONNX convolutions, so that nothing is transposed between
the layers. The first term of the graph convolution reaches as far as one tap of the causal kernel and is
folded into it; the statistics that standardise the latents are folded into the encoder's last layer.
"""

from __future__ import annotations

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from export.graph_builder import GraphBuilder, Precision
from training.model.config import FRAMES_PER_LATENT
from training.model.skeleton_graph import PARTS
from training.model.vae import (
    JointMLPs,
    MotionVAE,
    ResidualBlock,
    SkeletonPool,
    SkeletonTemporalConv,
    SkeletonUnpool,
    merge_joints,
    split_joints,
)

TIME = f"{FRAMES_PER_LATENT}*T"


def array(tensor: Tensor) -> np.ndarray:
    """A tensor's numbers as float32 numpy."""
    return tensor.detach().cpu().float().numpy()


def vae_encoder_graph(vae: MotionVAE, precision: Precision = "fp32") -> onnx.ModelProto:
    """motion (B, 4T, F), normalised -> latents (B, T, P, C): the mean, standardised."""
    g = GraphBuilder("vae_encoder", precision)
    motion = g.input("motion", "float", ["B", TIME, vae.features])
    columns, present = _joint_columns(vae.features)
    joints = g.transpose(g.op("Gather", motion, g.constant(columns, np.int64), axis=2), 0, 2, 1, 3)
    x = g.transpose(_joint_mlps(g, joints, vae.motion_enc, present), 0, 3, 2, 1)
    for level in vae.conv_enc.layers:
        x = _stack(g, x, level)
    channels = vae.latent_mean.shape[1]
    mean, std = array(vae.latent_mean)[:, None], array(vae.latent_std)[:, None]  # (P, 1, C)
    weight = array(vae.dist.weight)[..., :channels] / std
    bias = (array(vae.dist.bias)[:, None, :channels] - mean) / std
    parts = g.op(
        "Add", g.op("MatMul", g.transpose(x, 0, 3, 2, 1), g.weight(weight)), g.weight(bias, exact=True)
    )
    g.output(g.transpose(parts, 0, 2, 1, 3), "latents", ["B", "T", PARTS, channels])
    return g.build()


def vae_decoder_graph(vae: MotionVAE, precision: Precision = "fp32") -> onnx.ModelProto:
    """latents (B, T, P, C), standardised -> motion (B, 4T, F), normalised."""
    g = GraphBuilder("vae_decoder", precision)
    latents = g.input("latents", "float", ["B", "T", PARTS, vae.latent_mean.shape[1]])
    x = g.op("Mul", latents, g.weight(array(vae.latent_std), exact=True))
    x = g.op("Add", x, g.weight(array(vae.latent_mean), exact=True))
    x = g.transpose(x, 0, 3, 1, 2)
    for level in vae.conv_dec.layers:
        x = _stack(g, x, level)
    joints = _joint_mlps(g, g.transpose(x, 0, 3, 2, 1), vae.motion_dec)
    numbers = (len(vae.motion_dec.layers), vae.motion_dec.max_outputs)
    flat = g.reshape(g.transpose(joints, 0, 2, 1, 3), [0, 0, int(np.prod(numbers))])
    motion = g.op("Gather", flat, g.constant(_feature_columns(vae.features, *numbers), np.int64), axis=2)
    g.output(motion, "motion", ["B", TIME, vae.features])
    return g.build()


def _joint_columns(features: int) -> tuple[np.ndarray, np.ndarray]:
    """For each entry (J, 13; Inter-X: 12) of a joint, its column of the motion, and whether it has one."""
    numbered = torch.arange(1, features + 1, dtype=torch.float32).reshape(1, 1, features)
    columns = split_joints(numbered)[0, 0].numpy().astype(np.int64)
    return np.maximum(columns - 1, 0), columns > 0


def _feature_columns(features: int, joints: int, entries: int) -> np.ndarray:
    """For each motion feature, its place among the flattened (joints, entries)."""
    numbered = torch.arange(joints * entries, dtype=torch.float32).reshape(1, 1, joints, entries)
    return merge_joints(numbered, features)[0, 0].numpy().astype(np.int64)


def _joint_mlps(g: GraphBuilder, x: str, mlps: JointMLPs, present: np.ndarray | None = None) -> str:
    """x (B, J, T, in) -> (B, J, T, out). Entries that are not `present` (J, in) count as zero."""
    layers = [(layer.get_submodule("0"), layer.get_submodule("2")) for layer in mlps.layers]
    w1, b1 = _stacked([first for first, _ in layers])
    w2, b2 = _stacked([second for _, second in layers])
    if present is not None:
        w1 = w1 * present[..., None]
    hidden = g.silu(g.op("Add", g.op("MatMul", x, g.weight(w1)), g.weight(b1, exact=True)))
    return g.op("Add", g.op("MatMul", hidden, g.weight(w2)), g.weight(b2, exact=True))


def _stacked(linears: list[nn.Module]) -> tuple[np.ndarray, np.ndarray]:
    """Weights (J, in, out) and biases (J, 1, out) of linear layers, zero where one is smaller."""
    weights = [array(linear.get_parameter("weight")).T for linear in linears]
    inputs, outputs = (max(w.shape[axis] for w in weights) for axis in (0, 1))
    stack = np.zeros((len(weights), inputs, outputs), np.float32)
    biases = np.zeros((len(weights), 1, outputs), np.float32)
    for joint, (weight, linear) in enumerate(zip(weights, linears, strict=True)):
        stack[joint, : weight.shape[0], : weight.shape[1]] = weight
        biases[joint, 0, : weight.shape[1]] = array(linear.get_parameter("bias"))
    return stack, biases


def _stack(g: GraphBuilder, x: str, level: nn.Module) -> str:
    for part in level.children():
        if isinstance(part, ResidualBlock):
            x = _residual(g, x, part)
        elif isinstance(part, SkeletonPool):
            halved = g.op("AveragePool", x, kernel_shape=[2, 1], strides=[2, 1])
            x = g.op("MatMul", halved, g.constant(array(part.skeleton_pool).T))
        elif isinstance(part, SkeletonUnpool):
            x = _unpool(g, x, part)
        else:
            raise TypeError(f"no graph is written for {type(part).__name__} in the VAE")
    return x


def _residual(g: GraphBuilder, x: str, block: ResidualBlock) -> str:
    y = x
    for conv in (layer for layer in block.layers if isinstance(layer, SkeletonTemporalConv)):
        y = _skeleton_temporal_conv(g, g.silu(y), conv)
    return g.op("Add", x, y)


def _skeleton_temporal_conv(g: GraphBuilder, x: str, conv: SkeletonTemporalConv) -> str:
    """Graph convolution plus causal 3x3 convolution over (time, joint), (B, C, T, J) -> the same."""
    own, others = conv.graph_conv.linear1, conv.graph_conv.linear2
    kernel = array(conv.temp_conv.weight).copy()  # (out, in, time, joint)
    kernel[:, :, 2, 1] += array(own.weight)  # the tap of this frame and this joint
    assert conv.temp_conv.bias is not None
    bias = array(conv.temp_conv.bias) + array(own.bias)
    # Two frames of zeros before the first, none after the last; a joint of zeros on either side.
    temporal = g.op("Conv", x, g.weight(kernel, channel_axis=0), g.weight(bias), pads=[2, 1, 0, 1])
    mixed = g.op(
        "Conv",
        x,
        g.weight(array(others.weight)[:, :, None, None], channel_axis=0),
        g.weight(array(others.bias)),
    )
    return g.op("Add", temporal, g.op("MatMul", mixed, g.constant(array(conv.neighbours).T)))


def _unpool(g: GraphBuilder, x: str, part: SkeletonUnpool) -> str:
    """Spread parts over joints and double time inside each latent frame's chunk."""
    spread = array(part.skeleton_unpool)
    x = g.op("MatMul", x, g.constant(spread.T))
    # The module's own answer to unit vectors in time is the matrix of the doubling.
    unit = torch.eye(part.chunk)[..., None, None].expand(-1, -1, spread.shape[1], 1)
    doubled = part(unit)[:, :, 0, 0] / part(torch.ones(1, part.chunk, spread.shape[1], 1))[:, :, 0, 0]
    chunks = g.reshape(x, [0, 0, -1, part.chunk, spread.shape[0]])
    return g.reshape(g.op("MatMul", g.constant(array(doubled.T)), chunks), [0, 0, -1, spread.shape[0]])
