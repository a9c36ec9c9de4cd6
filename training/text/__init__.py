# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentence encoders whose hidden states condition the denoiser."""

from training.text.minilm import MiniLM, encode_captions, load_minilm

__all__ = ["MiniLM", "encode_captions", "load_minilm"]
