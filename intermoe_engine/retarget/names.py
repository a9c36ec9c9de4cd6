# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bone's name says: the side, the part of the body, numbers and whether it is a helper.

The words of each language and the markers of left and right are tables in `presets/`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from .presets import load_table, load_tsv

_TOKEN = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
_UNDECOMPOSED = str.maketrans(
    {"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "Ae", "ß": "ss", "ı": "i"}
)
_GLUED_SIDES = ("左", "右", "왼쪽", "오른쪽", "왼", "오른")
FINGERS = ("thumb", "index", "middle", "ring", "pinky")


@dataclass(frozen=True)
class BoneName:
    """A name taken apart. key: its words without side, numbers and noise, joined. side: "l", "r" or "".
    finger: one of FINGERS or "". helper: no bone of the body by its name (control,
    twist, end marker, face, clothes). twist, palm: what kind of helper or finger bone."""

    key: str
    side: str = ""
    finger: str = ""
    helper: bool = False
    twist: bool = False
    palm: bool = False


@dataclass(frozen=True)
class Lexicon:
    """rows: row -> key -> weight (0 to 1). fingers: key -> finger. sides: markers with a fixed meaning.
    letters: (left, right) markers that count where a bone has its partner. words: all keys."""

    rows: dict[str, dict[str, float]]
    fingers: dict[str, str]
    sides: dict[str, str]
    letters: tuple[tuple[str, str], ...]
    words: frozenset[str]


@cache
def lexicon() -> Lexicon:
    """The packaged tables of words and sides."""
    rows: dict[str, dict[str, float]] = {}
    fingers: dict[str, str] = {}
    for entry in load_tsv("lexicon"):
        for word in entry["words"].split(","):
            key = "".join(_tokens(word))
            if entry["row"] in FINGERS:
                fingers.setdefault(key, entry["row"])
            else:
                weights = rows.setdefault(entry["row"], {})
                weights[key] = max(weights.get(key, 0.0), float(entry["weight"]))
    sides: dict[str, str] = {}
    letters = []
    for entry in load_tsv("sides"):
        left, right = plain(entry["left"]), plain(entry["right"])
        if entry["sure"] == "yes":
            sides |= {left: "l", right: "r"}
        else:
            letters.append((left, right))
    words = frozenset(k for weights in rows.values() for k in weights) | fingers.keys()
    return Lexicon(rows, fingers, sides, tuple(letters), words)


@cache
def _helper_words() -> dict[str, frozenset[str]]:
    return {kind: frozenset(words) for kind, words in load_table("words").items()}


def read_names(names: Sequence[str]) -> tuple[BoneName, ...]:
    """Every name of a rig. All are read together: what most names share is a prefix, and a letter marks a
    side where a bone with the opposite letter exists."""
    return _read_names(tuple(names))


@lru_cache(maxsize=8)
def _read_names(names: tuple[str, ...]) -> tuple[BoneName, ...]:
    split = [_tokens(name) for name in names]
    seen = {tuple(tokens) for tokens in split}
    counts = Counter(token for tokens in split for token in set(tokens))
    known = lexicon()
    shared = {
        token
        for token, count in counts.items()
        if count > 0.6 * len(names) > 2 and token not in known.words and token not in known.sides
    }
    numbers = {int(d[0]) for tokens in split if (d := _finger_digits(tokens))}
    first_finger = min(numbers) if len(numbers) > 2 else None  # fewer do not count the fingers of a hand
    return tuple(_read(tokens, seen, shared, first_finger) for tokens in split)


def plain(text: str) -> str:
    """Text in one form: compatibility characters folded, Latin letters without accents, lower case."""
    return _unaccented(text).lower()


def _unaccented(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).translate(_UNDECOMPOSED)
    out: list[str] = []
    for char in text:
        parts = unicodedata.normalize("NFD", char)
        out.append(parts[0] if parts[0].isascii() else char)  # й and が keep their marks
    return "".join(out)


def _tokens(name: str) -> list[str]:
    """Words and numbers of a name after its namespace, lower case, sides of East Asian names apart."""
    text = re.split(r"[:|]", _unaccented(name))[-1]
    text = re.sub(r"\[.*\]", "", text) or text  # a short form of the same name (Skyrim)
    out: list[str] = []
    for token in _TOKEN.findall(text):
        if token[0].isascii():
            out.append(token.lower())
            continue
        token = token.lower()
        for marker in _GLUED_SIDES:
            if token == marker:
                out.append(token)
                break
            if token.startswith(marker):
                out += [marker, token[len(marker) :]]
                break
            if token.endswith(marker):
                out += [token[: -len(marker)], marker]
                break
        else:
            out.append(token)
    return out


def _read(
    tokens: list[str], seen: set[tuple[str, ...]], shared: set[str], first_finger: int | None
) -> BoneName:
    known, table = lexicon(), _helper_words()
    words: list[str] = []
    sides: set[str] = set()
    for at in range(len(tokens)):
        side, rest = _side(tokens, at, seen)
        if side:
            sides.add(side)
        if rest and not rest.isdigit() and rest not in shared:
            words.append(rest)
    excluded = not table["not_a_body_bone"].isdisjoint(words)
    twist = not excluded and any(word.endswith(tuple(table["twist"])) for word in words)
    palm = any(word in table["palm"] for word in words)
    words = [w for w in words if w not in table["noise"]] or [w for w in words if w in known.words]
    key = "".join(words)
    helper = not words or len(sides) > 1 or excluded
    toe = "toe" in words or "toes" in words
    finger = "" if toe else _finger(words, _finger_digits(tokens), first_finger, table)
    # Some rigs call a part of the body by a helper's word: NeckTwist01, Spine_Middle.
    helper = helper or ((twist or palm or bool(finger)) and key not in known.words - known.fingers.keys())
    return BoneName(key, next(iter(sides)) if len(sides) == 1 else "", finger, helper, twist, palm)


def _side(tokens: list[str], at: int, seen: set[tuple[str, ...]]) -> tuple[str, str]:
    """The side that a token marks ("" for none) and what else it says."""
    known, token = lexicon(), tokens[at]
    if token in known.sides:
        return known.sides[token], ""

    def partner(other: str) -> bool:
        return (*tokens[:at], other, *tokens[at + 1 :]) in seen

    for left, right in known.letters:
        for mine, other, side in ((left, right, "l"), (right, left, "r")):
            if token == mine and (partner(other) or {left, right} == {"l", "r"}):
                return side, ""
            for rest, swapped in _attached(token, mine, other):
                if rest in known.words and token not in known.words and partner(swapped):
                    return side, rest
    for marker, side in known.sides.items():
        if len(marker) > 3 and len(token) > len(marker) + 2:
            if token.startswith(marker):
                return side, token[len(marker) :]
            if token.endswith(marker):
                return side, token[: -len(marker)]
    return "", token


def _finger_digits(tokens: list[str]) -> str:
    """The digits after the word "finger": "01" of Finger01 (thumb, second bone), "51" of finger5-1."""
    after = tokens[tokens.index("finger") + 1 :] if "finger" in tokens else []
    return "".join(token for token in after if token.isdigit())


def _attached(token: str, mine: str, other: str) -> Iterator[tuple[str, str]]:
    """What a token says without a marker at its start or end, and the token with the other marker."""
    if token.startswith(mine):
        yield token[len(mine) :], other + token[len(mine) :]
    if token.endswith(mine):
        yield token[: -len(mine)], token[: -len(mine)] + other


def _finger(words: list[str], digits: str, first_finger: int | None, table: dict[str, frozenset[str]]) -> str:
    """Which finger a name means, "" for none."""
    known = lexicon()
    rest = [w for w in words if w not in table["phalanx"]]
    for key in ("".join(words), "".join(rest)):
        if key in known.fingers:
            return known.fingers[key]
    if not rest and digits and first_finger is not None:
        number = int(digits[0]) - first_finger
        return FINGERS[number] if number < len(FINGERS) else ""
    return ""
