# SPDX-License-Identifier: GPL-3.0-or-later
"""How well a bundle's own VAE gives motions back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from intermoe_engine.bundle import Bundle
from intermoe_engine.reconstruction import actor_from_features
from intermoe_engine.representation import LAYOUTS, motion_from_features
from intermoe_engine.runtime.session import load_graph

from .motion import PairMotion


def reconstruction_errors(bundle: Bundle, motions: Sequence[PairMotion]) -> dict[str, float] | None:
    """Mean distances in mm of joints from those encoded and decoded.

    decoded_mm: of the joints as the decoder says them; posed_mm: on the bundle's bones. None for a bundle
    without an encoder. motions: at the bundle's frame rate.
    """
    card = bundle.card
    if "vae_encoder.onnx" not in card.files or not motions:
        return None
    encoder, decoder = (
        load_graph(name, bundle.model(name), "cpu") for name in ("vae_encoder.onnx", "vae_decoder.onnx")
    )
    layout, statistics = LAYOUTS[card.feature_layout], bundle.statistics()
    multiple = math.lcm(card.frames.multiple, card.latent.downsample)
    decoded_errors, posed_errors = [], []
    for motion in motions:
        whole = motion.frames // multiple * multiple
        cut = PairMotion(motion.positions[:, :whole], motion.rotations[:, :whole], motion.fps)
        features = cut.features(layout)
        latents = encoder.run(motion=((features - statistics.mean) / statistics.std).astype(np.float32))
        back = decoder.run(latents=latents) * statistics.std + statistics.mean
        for given, person in zip(features, back, strict=True):
            positions = motion_from_features(given, layout).positions
            decoded = motion_from_features(person, layout)
            decoded_errors.append(np.linalg.norm(decoded.positions - positions, axis=-1).mean())
            posed = actor_from_features(decoded, card.skeleton)[0].joint_positions
            posed_errors.append(np.linalg.norm(posed - positions, axis=-1).mean())
    return {
        "decoded_mm": float(np.mean(decoded_errors)) * 1000,
        "posed_mm": float(np.mean(posed_errors)) * 1000,
    }
