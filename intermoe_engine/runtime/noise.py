# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise that one seed gives on every machine, device, batch and numpy version."""

from __future__ import annotations

import numpy as np

MAX_SEED = 2**63 - 1


def latent_noise(seed: int, frames: int, width: int) -> np.ndarray:
    """Standard normal numbers (frames, width) float32 of `seed` (0 .. MAX_SEED).

    The bits are those of the counter-based Philox 4x64 with the seed as its key, which numpy
    guarantees never to change; its `standard_normal` carries no such promise, so the Box-Muller
    transform is done here. Frames are drawn in time order: the noise of a shorter motion is the
    beginning of that of a longer one.
    """
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"the seed must be from 0 to {MAX_SEED}")
    pairs = (frames * width + 1) // 2
    bits = np.random.Philox(key=seed).random_raw(2 * pairs).reshape(pairs, 2)
    # 53-bit fractions in (0, 1]: the logarithm never meets zero.
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 1.0) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log(uniform[:, 0]))
    angle = 2.0 * np.pi * uniform[:, 1]
    normal = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
    return normal[: frames * width].reshape(frames, width).astype(np.float32)
