# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole model. Its state-dict keys are the official ones without the `model.` prefix."""

from __future__ import annotations

from torch import nn

from .config import ModelConfig
from .denoiser import Denoiser
from .text_head import TextHead
from .vae import MotionVAE


class InterMoE(nn.Module):
    """VAE, denoiser and text head of one configuration.

    The text head's parts are registered here under their official names (`clipTransEncoder`,
    `clip_ln`); `text_head` is the callable that joins them.
    """

    text_head: TextHead

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.vae = MotionVAE(config)
        self.denoiser = Denoiser(config)
        head = TextHead(config)
        self.clipTransEncoder, self.clip_ln = head.clipTransEncoder, head.clip_ln
        object.__setattr__(self, "text_head", head)  # not a child: its keys would appear twice

    def train(self, mode: bool = True) -> InterMoE:
        super().train(mode)
        self.text_head.train(mode)
        return self

    def update_capacity_bias(self) -> None:
        """Balance the experts' loads: call once after each optimizer step."""
        self.denoiser.update_capacity_bias()
