# SPDX-License-Identifier: GPL-3.0-or-later
"""InterMoE in PyTorch: causal skeleton-temporal VAE, two-person denoiser, text head, diffusion."""

from .config import ModelConfig
from .denoiser import Denoiser
from .diffusion import GaussianDiffusion, drop_condition, spaced_timesteps
from .intermoe import InterMoE
from .official import load_official_state
from .text_head import TextHead
from .vae import MotionVAE

__all__ = [
    "Denoiser",
    "GaussianDiffusion",
    "InterMoE",
    "ModelConfig",
    "MotionVAE",
    "TextHead",
    "drop_condition",
    "load_official_state",
    "spaced_timesteps",
]
