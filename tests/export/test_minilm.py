# SPDX-License-Identifier: GPL-3.0-or-later
"""The sentence encoder against numbers recorded from Hugging Face transformers 5.23 on the same weights."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
minilm = pytest.importorskip("training.text.minilm")

CAPTIONS = [
    "two people dance salsa",
    "a couple is dancing together",
    "the man punches the other person",
    "One person turns the other under his arm while both step forward and back.",
]
# Per caption: token ids, first six numbers of the [SEP] state, first three of the [CLS] state, and the
# Frobenius norm of all states (BertModel.last_hidden_state, float32, CPU).
REFERENCE = [
    (
        [101, 2048, 2111, 3153, 26509, 102],
        [-0.53259665, -0.42328936, -0.39347678, 0.24669431, -0.60231501, -0.24030621],
        [-0.60915536, -0.56062424, -0.36911359],
        22.68575859,
    ),
    (
        [101, 1037, 3232, 2003, 5613, 2362, 102],
        [-0.20335215, -0.19596620, -0.30815399, -0.10388778, -0.52632827, 0.17882488],
        [-0.22849360, -0.23985678, -0.00672751],
        19.74783897,
    ),
    (
        [101, 1996, 2158, 17957, 1996, 2060, 2711, 102],
        [0.00342632, 0.45223626, -0.41499689, 0.44205484, -0.01876560, 0.37319663],
        [0.09704778, 0.21752392, -0.07601073],
        22.18358612,
    ),
    (
        [101, 2028, 2711, 4332, 1996, 2060, 2104, 2010, 2849, 2096, 2119, 3357, 2830, 1998, 2067, 1012, 102],
        [-0.01327466, 0.30404004, -0.26178670, -0.06007966, -0.35732383, 0.08413467],
        [-0.24683671, 0.39679953, 0.10663538],
        27.72936630,
    ),
]


@pytest.fixture(scope="module")
def encoded() -> tuple[np.ndarray, np.ndarray]:
    try:
        return minilm.encode_captions(CAPTIONS)
    except minilm.MiniLMNotFound as error:
        pytest.skip(str(error))


def test_token_ids_match_reference(encoded: tuple[np.ndarray, np.ndarray]) -> None:
    ids, mask = minilm.tokenize(minilm.load_tokenizer(), CAPTIONS)
    for row, (expected, *_) in enumerate(REFERENCE):
        assert ids[row, : mask[row].sum()].tolist() == expected


def test_hidden_states_match_reference(encoded: tuple[np.ndarray, np.ndarray]) -> None:
    hidden, mask = encoded
    assert hidden.dtype == np.float32 and hidden.shape == (4, 17, 384)
    for row, (ids, end_state, start_state, norm) in enumerate(REFERENCE):
        assert mask[row].sum() == len(ids)
        np.testing.assert_allclose(hidden[row, len(ids) - 1, :6], end_state, atol=2e-5)
        np.testing.assert_allclose(hidden[row, 0, :3], start_state, atol=2e-5)
        assert np.linalg.norm(hidden[row]) == pytest.approx(norm, abs=1e-3)
        assert not hidden[row, len(ids) :].any()


def test_batching_and_padding_do_not_change_states(encoded: tuple[np.ndarray, np.ndarray]) -> None:
    together, mask = encoded
    for row, caption in enumerate(CAPTIONS):
        alone, _ = minilm.encode_captions([caption], batch_size=1)
        np.testing.assert_allclose(alone[0], together[row, mask[row]], atol=2e-5)


def test_long_captions_are_cut_and_keep_their_end_token(encoded: tuple[np.ndarray, np.ndarray]) -> None:
    tokenizer = minilm.load_tokenizer(max_tokens=12)
    ids, mask = minilm.tokenize(tokenizer, ["they walk and " * 40])
    assert mask.sum() == 12 and ids[0, -1] == 102


def test_empty_list_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        minilm.encode_captions([])
