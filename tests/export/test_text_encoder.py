# SPDX-License-Identifier: GPL-3.0-or-later
"""The real sentence encoder, reduced to int8: small enough to ship, and the same sentences in the end."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnxruntime as ort  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

from export import parity  # noqa: E402
from export.captions import CAPTIONS  # noqa: E402
from export.text_encoder import SentenceEncoder, text_encoder_graph, tokenizer_json  # noqa: E402
from training.model import ModelConfig, TextHead  # noqa: E402
from training.text.minilm import MiniLMNotFound, load_minilm, tokenize  # noqa: E402


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    try:
        minilm, _ = load_minilm()
    except MiniLMNotFound as error:
        pytest.skip(str(error))
    with torch.random.fork_rng():
        torch.manual_seed(4)
        head = TextHead(ModelConfig.starter())
    return SentenceEncoder(minilm, head).eval().requires_grad_(False)


def test_int8_keeps_the_meaning_of_thirty_sentences(encoder: SentenceEncoder) -> None:
    _, tokenizer = load_minilm()
    assert len(CAPTIONS) == 30
    tokens = [tokenize(tokenizer, CAPTIONS[:1]), tokenize(tokenizer, CAPTIONS)]
    plain = text_encoder_graph(encoder)
    assert parity.check_text_encoder(plain, encoder, tokens, "fp32").max_abs_error < 1e-4
    small = text_encoder_graph(encoder, "int8-storage")
    result = parity.check_text_encoder(small, encoder, tokens, "int8-storage")
    assert result.cosine is not None and result.cosine > 0.995
    assert small.ByteSize() < 26e6 < 90e6 < plain.ByteSize()

    # Sentences that differ must stay further apart than rounding moves one of them.
    ids, mask = tokens[1]
    vectors = [
        np.asarray(
            ort.InferenceSession(g.SerializeToString()).run(None, {"input_ids": ids, "attention_mask": mask})[
                0
            ]
        )
        for g in (plain, small)
    ]
    exact, rounded = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in vectors)
    assert (np.argmax(rounded @ exact.T, axis=1) == np.arange(len(CAPTIONS))).all()


def test_tokenizer_file_cuts_and_keeps_the_end_token(encoder: SentenceEncoder) -> None:
    data = tokenizer_json(10)
    tokenizer = Tokenizer.from_str(data.decode())
    assert tokenizer.encode("step and turn " * 20).ids[-1] == 102
    assert len(tokenizer.encode("step and turn " * 20).ids) == 10
    assert tokenizer.encode("They hug.").ids == [101, 2027, 8549, 1012, 102]
    assert json.loads(data)["padding"]["strategy"] == "BatchLongest"
