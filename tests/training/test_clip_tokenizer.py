# SPDX-License-Identifier: GPL-3.0-or-later
"""The tokenizer of an official bundle against OpenAI's own, on prompts that are hard to cut into tokens."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tokenizers import Tokenizer

from export.captions import CAPTIONS
from intermoe_engine.runtime.text import clean_prompt
from tests.training.clip_reference import reference_module
from training.text.clip_tokenizer import clip_tokenizer, find_merges, read_merges, tokenizer_json
from training.weights import WeightsError

START, END = 49406, 49407
TRICKY = (
    "Two people DANCE!!",
    "it's the dancers' turn; they'll go, we've seen, I'm sure, you'd say, don't 'stop'",
    "the person’s “quoted” ‘word’ – and a dash… •",
    "naïve café re\u0301sume\u0301 Å",
    "  many\t\n\u2028 kinds\u00a0of \u3000white space  ",
    "💃🕺 dance 💥!! 👍🏽 👨\u200d👩\u200d👧\u200d👦 ❤️ 🇫🇷",
    "a_b-c/d\\e @#$%^&*() ´`¨",
    "1234 5.67% x²½Ⅷ① 1st 2nd",
    "Ａ Ｗｉｄｅ ｓｅｎｔｅｎｃｅ！ ﾀｰﾝ",
    "ﬁne ﬂow ﬆ ﬅ ŉ ĳ ǅ",
    "&amp; &lt;tag&gt; &quot;x&quot; &amp;lt;",
    "<|endoftext|> in the middle <|startoftext|>",
    "ΟΔΟΣ Σας ΣΟΦΟΣ",
    "İstanbul ẞ straße",
    "日本語の踊り हिन्दी नाच عربي رقص Привет, как дела?",
    "\ufeffbom \u200bzero\u200dwidth",
    "rock'n'roll o'clock'll 'RE 'S",
    "a" * 300,
    "they walk and " * 60,
    "",
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    try:
        merges = find_merges(Path("clip.pt"), None)
    except WeightsError as error:
        pytest.skip(str(error))
    # Through the file, as the engine gets it.
    return Tokenizer.from_str(tokenizer_json(clip_tokenizer(read_merges(merges))).decode())


@pytest.fixture(scope="module")
def reference() -> Callable[[str], list[int]]:
    encode = reference_module("simple_tokenizer").SimpleTokenizer().encode

    def tokenize(text: str) -> list[int]:
        """What `clip.tokenize(text, truncate=True)` does with the ids."""
        ids = [START, *encode(text), END][:77]
        ids[-1] = END
        return ids + [0] * (77 - len(ids))

    return tokenize


@pytest.mark.parametrize("text", [*TRICKY, *CAPTIONS])
def test_ids_are_those_of_the_reference(
    tokenizer: Tokenizer, reference: Callable[[str], list[int]], text: str
) -> None:
    assert tokenizer.encode(text).ids == reference(text)


def test_random_strings_give_the_ids_of_the_reference(
    tokenizer: Tokenizer, reference: Callable[[str], list[int]]
) -> None:
    draw = random.Random(5)
    # Neither Latin-1 signs side by side (ftfy may see a wrong encoding) nor numbered entities.
    letters = "abc XYZ 12'’“.,!?-_😀👍🏽❤中я\n\t&;$%\u0301"
    for _ in range(1500):
        text = "".join(draw.choices(letters, k=draw.randint(1, 40)))
        assert tokenizer.encode(text).ids == reference(text), repr(text)


def test_known_ids(tokenizer: Tokenizer) -> None:
    # "a photo of a cat", as it is printed in many places.
    assert tokenizer.encode("a photo of a cat").ids[:7] == [START, 320, 1125, 539, 320, 2368, END]


def test_a_long_prompt_keeps_its_end_and_a_short_one_is_filled_with_zeros(tokenizer: Tokenizer) -> None:
    long = tokenizer.encode("step and turn " * 60)
    assert len(long.ids) == 77 and long.ids[-1] == END and long.ids.count(END) == 1
    short = tokenizer.encode("They hug.")
    assert short.ids[short.ids.index(END) + 1 :] == [0] * (77 - sum(short.attention_mask))


def test_the_engines_own_cleaning_changes_no_id(
    tokenizer: Tokenizer, reference: Callable[[str], list[int]]
) -> None:
    for text in TRICKY:
        if text:
            assert tokenizer.encode(clean_prompt(text)).ids == reference(text), text


def test_merges_come_from_each_kind_of_file(tokenizer: Tokenizer, tmp_path: Path) -> None:
    packed = find_merges(Path("clip.pt"), None)
    merges = read_merges(packed)
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (tmp_path / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_json(tokenizer))
    assert read_merges(tmp_path / "merges.txt") == merges
    assert read_merges(tmp_path / "tokenizer.json") == merges
    assert find_merges(tmp_path, None) == tmp_path / "merges.txt"  # what lies beside goes first
    assert find_merges(tmp_path, packed) == packed


def test_other_lists_are_refused(tmp_path: Path) -> None:
    short = tmp_path / "short.txt.gz"
    short.write_bytes(gzip.compress(b"#version\ni n\nt h\n"))
    with pytest.raises(WeightsError, match="2 merges where CLIP has 48894"):
        read_merges(short)
    for name, data in (("bad.txt.gz", b"no gzip"), ("bad.json", json.dumps({"model": 1}).encode())):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(WeightsError, match="cannot be read as CLIP's merges"):
            read_merges(tmp_path / name)
    with pytest.raises(WeightsError, match="there is no file"):
        find_merges(tmp_path, tmp_path / "absent.txt")
