# SPDX-License-Identifier: GPL-3.0-or-later
"""The two-person denoiser: noisy latents, step and text -> clean latents."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .attention import AdaLN, MultiheadAttention
from .config import ModelConfig
from .linear_filter import LinearFilter
from .moe import TemporalSelectiveMoE


def sinusoidal_table(positions: int, width: int) -> Tensor:
    """(positions, width): sine in even columns, cosine in odd ones (Vaswani et al. 2017)."""
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10000.0) / width))
    angle = torch.arange(positions, dtype=torch.float32).unsqueeze(1) * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


class TimestepEmbedding(nn.Module):
    """MLP of the position table at the diffusion step."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time_embed = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, table: Tensor, timesteps: Tensor) -> Tensor:
        return self.time_embed(table[timesteps])


class SelfAttentionBlock(nn.Module):
    """One person's frames x (B, T, W) among themselves; valid (B, T) bool, None: all."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = AdaLN(config.denoiser_width)
        self.attention = MultiheadAttention(
            config.denoiser_width, config.heads, config.dropout, add_zero_attn=True
        )

    def forward(self, x: Tensor, condition: Tensor, valid: Tensor | None) -> Tensor:
        return self.attention(self.norm(x, condition), valid=valid)


class CrossAttentionBlock(nn.Module):
    """One person's frames x (B, T, W) to the other's, of the same shape; see `SelfAttentionBlock`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = AdaLN(config.denoiser_width)
        self.xf_norm = AdaLN(config.denoiser_width)
        self.attention = MultiheadAttention(
            config.denoiser_width, config.heads, config.dropout, add_zero_attn=True
        )

    def forward(self, x: Tensor, other: Tensor, condition: Tensor, valid: Tensor | None) -> Tensor:
        return self.attention(self.norm(x, condition), self.xf_norm(other, condition), valid=valid)


class DenoiserBlock(nn.Module):
    """Self-attention, attention to the other person, mixture of experts; each with a residual."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.sa_block = SelfAttentionBlock(config)
        self.ca_block = CrossAttentionBlock(config)
        self.ffn = TemporalSelectiveMoE(
            config.denoiser_width,
            config.expert_width,
            config.experts,
            config.capacity,
            config.aux_bias_start,
            config.aux_bias_step,
            config.routing,
            config.router,
        )

    def forward(self, x: Tensor, condition: Tensor, valid: Tensor | None) -> Tensor:
        """x (2B, T, d): everyone's A, then everyone's B, so that swapping halves gives the other person."""
        other = swap_people(x)
        x = x + self.sa_block(x, condition, valid)
        x = x + self.ca_block(x, other, condition, None if valid is None else swap_people(valid))
        return x + self.ffn(x, condition, valid)


def swap_people(x: Tensor) -> Tensor:
    """(2B, ...) -> the same with its halves exchanged."""
    a, b = x.unflatten(0, (2, -1)).unbind(0)
    return torch.cat([b, a], dim=0)


class OutputLayer(nn.Module):
    """Linear to the latent. It starts at zero, so that an untrained model predicts the mean latent."""

    def __init__(self, width: int, latent_width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, latent_width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


class DenoiserNetwork(nn.Module):
    """Both people through the same blocks, stacked along the batch."""

    pe: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d = config.denoiser_width
        self.register_buffer("pe", sinusoidal_table(config.max_positions, d), persistent=False)
        self.embed_timestep = TimestepEmbedding(d)
        self.motion_embed = nn.Linear(config.latent_width, d)
        self.text_embed = nn.Linear(config.text_width, d)
        self.blocks = nn.ModuleList(DenoiserBlock(config) for _ in range(config.denoiser_blocks))
        self.out = OutputLayer(d, config.latent_width)
        self.person_embed = nn.Parameter(torch.zeros(2, d)) if config.person_embedding else None

    def forward(self, latents: Tensor, timesteps: Tensor, text: Tensor, valid: Tensor | None) -> Tensor:
        """latents (2B, T, D), timesteps (B), text (B, E), valid (2B, T) bool -> clean latents (2B, T, D)."""
        condition = self.embed_timestep(self.pe, timesteps) + self.text_embed(text)
        condition = torch.cat([condition, condition], dim=0)
        x = self.motion_embed(latents) + self.pe[: latents.shape[1]]
        if self.person_embed is not None:
            x = x + self.person_embed.repeat_interleave(len(text), dim=0).unsqueeze(1)
        for block in self.blocks:
            x = block(x, condition, valid)
        return self.out(x)


class Denoiser(nn.Module):
    """Predicts the clean latents of both people; with `prediction` "residual", beyond a linear filter."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.net = DenoiserNetwork(config)
        self.filter = LinearFilter(config.latent_width) if config.prediction == "residual" else None

    def forward(self, latents: Tensor, timesteps: Tensor, text: Tensor, mask: Tensor | None = None) -> Tensor:
        """Clean latents (B, T, 2D) of noisy ones.

        Args:
            latents: (B, T, 2D), person A's D = 7C numbers, then person B's.
            timesteps: (B,) int64 diffusion steps, 0..999.
            text: (B, E) sentence vectors; zeros for the unconditional prediction.
            mask: (B, T) or, per person, (B, T, 2); true or non-zero where a frame is real. None: all are.
        """
        valid: Tensor | None = None
        if mask is not None:
            mask = mask if mask.dtype == torch.bool else mask != 0
            valid = torch.cat([mask, mask] if mask.dim() == 2 else [mask[..., 0], mask[..., 1]], dim=0)
        a, b = latents.chunk(2, dim=-1)
        both = torch.cat([a, b], dim=0)
        clean = self.net(both, timesteps, text, valid)
        if self.filter is not None:
            clean = self.filter(both, timesteps, clean, valid)
        return torch.cat(clean.unflatten(0, (2, -1)).unbind(0), dim=-1)

    def moe_layers(self) -> list[TemporalSelectiveMoE]:
        """The mixture of experts of each block, in order."""
        return [module for module in self.modules() if isinstance(module, TemporalSelectiveMoE)]

    def use_dense_experts(self, dense: bool = True) -> None:
        """Run every expert on every frame (fixed shapes). Tracing and export do so by themselves."""
        for moe in self.moe_layers():
            moe.dense = dense

    def update_capacity_bias(self) -> None:
        """Balance the experts' loads: call once after each optimizer step."""
        for moe in self.moe_layers():
            moe.update_capacity_bias()
