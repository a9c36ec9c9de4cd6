# SPDX-License-Identifier: GPL-3.0-or-later
"""The sentences that a model was trained on, as a bundle brings them: known.npz."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import onnx

from export.bundle_writer import ExportError
from intermoe_engine.bundle.card import TextLimits
from intermoe_engine.runtime.session import load_graph
from intermoe_engine.runtime.text import TextEncoder

LEAST_SIMILARITY = 0.65
"""Cosine of all-MiniLM-L6-v2 below which a sentence counts as unlike; chosen in docs/starter.md."""


def known_file(
    sentences: Sequence[str],
    tokenizer_json: bytes,
    graph: bytes | onnx.ModelProto,
    limits: TextLimits,
    interactions: Sequence[str] = (),
) -> bytes:
    """`known.npz`: the sentences and their vectors, by the very graph that the bundle ships.

    interactions: which of the card's interactions each sentence asks for, by name; empty: not told.
    Raises ExportError where that graph does not compare sentences, or the lists differ in length.
    """
    if interactions and len(interactions) != len(sentences):
        raise ExportError("known.json must name one interaction for each sentence, or none at all")
    model = graph.SerializeToString() if isinstance(graph, onnx.ModelProto) else graph
    encoder = TextEncoder(tokenizer_json, load_graph("text_encoder.onnx", model, "cpu"), limits)
    vectors = [encoder.sentence_vector(sentence) for sentence in sentences]
    if not vectors or any(vector is None for vector in vectors):
        raise ExportError("known sentences need a text encoder that compares them; leave known.json out")
    buffer = io.BytesIO()
    arrays = {
        "sentences": np.array(sentences),
        "vectors": np.array(vectors, dtype=np.float16),
        "least": np.float32(LEAST_SIMILARITY),
    }
    if interactions:
        arrays["interactions"] = np.array(interactions)
    np.savez(buffer, **arrays)
    return buffer.getvalue()
