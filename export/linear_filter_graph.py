# SPDX-License-Identifier: GPL-3.0-or-later
"""Wiener's filter of noisy latents as part of the denoiser's ONNX graph; see training.model.linear_filter."""

from __future__ import annotations

import numpy as np

from export.graph_builder import GraphBuilder
from export.vae_graphs import array
from training.model.linear_filter import REACH, LinearFilter


def add_linear_filter(
    g: GraphBuilder, module: LinearFilter, noisy: str, timesteps: str, output: str, mask: str, frames: str
) -> str:
    """noisy and output (2, B, T, D), timesteps (B), mask (B, T) bool, frames: T -> clean (2, B, T, D)."""
    # Its numbers are few and everything rests on them, so they stay exact at every precision.
    signal, deviation, gain = (
        g.unsqueeze(g.op("Gather", g.constant(array(table)), timesteps), 1, 2)
        for table in (module.signal, module.deviation, module.gain)
    )
    spectrum = g.constant(array(module.spectrum))
    power = g.op("Mul", deviation, deviation)
    heard = g.op("Add", g.op("Mul", g.op("Mul", signal, signal), spectrum), power)
    taps = _of_gains(g, g.op("Div", g.op("Mul", signal, spectrum), heard), array(module.cosines))
    left = _of_gains(g, g.op("Div", g.op("Mul", power, spectrum), heard), array(module.cosines)[:, :1])
    tap = g.split(taps, REACH + 1, axis=1)

    basis = array(module.basis)
    present = g.unsqueeze(g.cast(mask, "float"), 2)
    mean = g.constant(array(module.mean)[:, None, None])
    centred = g.op("Sub", noisy, g.op("Mul", signal, mean))
    turned = g.op("Mul", g.linear(centred, basis.T, None, exact=True), present)
    guess, weight, whole = g.op("Mul", turned, tap[0]), g.op("Mul", present, tap[0]), tap[0]
    wide = g.op("Pad", turned, g.constant([0, 0, REACH, 0, 0, 0, REACH, 0], np.int64))
    seen = g.op("Pad", present, g.constant([0, REACH, 0, 0, REACH, 0], np.int64))
    for k in range(1, REACH + 1):
        whole = g.op("Add", whole, g.op("Mul", tap[k], g.constant(2.0)))
        for start in (REACH - k, REACH + k):
            guess = g.op("Add", guess, g.op("Mul", tap[k], _shifted(g, wide, start, frames, 2)))
            weight = g.op("Add", weight, g.op("Mul", tap[k], _shifted(g, seen, start, frames, 1)))
    # At the ends, where neighbours are missing, the others count for them.
    share = g.op("Div", whole, g.op("Max", weight, g.constant(1e-3)))
    guess = g.op("Mul", guess, g.op("Clip", share, g.constant(1.0), g.constant(2.0)))
    rest = g.op("Mul", g.op("Sqrt", left), output)
    clean = g.linear(g.op("Add", guess, rest), basis, None, exact=True)
    return g.op("Add", mean, g.op("Mul", gain, clean))


def _of_gains(g: GraphBuilder, gains: str, cosines: np.ndarray) -> str:
    """Gains (B, D, frequencies) -> taps (B, taps, D)."""
    return g.transpose(g.op("MatMul", gains, g.constant(cosines)), 0, 2, 1)


def _shifted(g: GraphBuilder, x: str, start: int, frames: str, axis: int) -> str:
    """`frames` entries of an axis from `start` on."""
    first = g.constant([start], np.int64)
    end = g.op("Add", first, g.op("Unsqueeze", frames, g.constant([0], np.int64)))
    return g.op("Slice", x, first, end, g.constant([axis], np.int64))
