# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a sentence when its motion is mirrored, or when person A and person B change places.

Both work on whole words. Replacing letters inside words is the published code's mistake: "upright" becomes
"upleft" and "counterclockwise" becomes "countercounterclockwise".
"""

from __future__ import annotations

import re

_SIDES = {"left": "right", "right": "left"}
# Not where "right" or "left" is no side; compounds such as "leftwards" and "right-handed" are.
_IDIOMS = "away|now|after|before|behind|beside|then|there|here|angled?|angles|next to|in front|in the middle"
_SIDE = re.compile(
    r"\b(?<!all )(?<!has )(?<!have )(?<!had )(left|right)"
    r"(s|y|wards?|most|hand(?:ed|er)?|side|foot(?:ed)?|)\b"
    rf"(?![ -](?:{_IDIOMS})\b)",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"(\ban )?\b((?:(?:counter|anti|contra)[-\ ]?)?clockwise)\b", re.IGNORECASE)

_ORDINALS = {"first": "second", "second": "first"}
_LABELS = {"1": "2", "2": "1", "one": "two", "two": "one", "a": "b", "b": "a"}
_PEOPLE = (
    "person|man|woman|guy|girl|boy|lady|individual|dancer|fighter|boxer|player|partner|actor|character|"
    "performer|participant|figure|human|one"
)
_ORDINAL = re.compile(rf"\b(first|second)(?=\s+(?:{_PEOPLE})\b)", re.IGNORECASE)
_LABEL = re.compile(r"\b(person|character|actor|player|dancer|p)(\s?)(1|2|one|two|a|b)\b", re.IGNORECASE)
_LETTER = re.compile(r"(?<![\w'-])([AB])(?![\w-])")
_ARTICLE = re.compile(rf"A(?=\s+(?:\w+\s+)?(?:{_PEOPLE}|pair|couple|dance|few|bit|lot|fight|match|game)\b)")


def mirror_caption(text: str) -> str:
    """The sentence for the motion seen in a mirror: left and right, clockwise and counterclockwise swap.

    The case of the first letter is kept. Idioms in which "right" or "left" is no side ("right away", "has
    left") stay.
    """
    text = _SIDE.sub(lambda m: _like(m[1], _SIDES[m[1].lower()]) + m[2], text)
    return _CLOCK.sub(_other_way, text)


def swap_roles(text: str) -> str:
    """The sentence for the same motion with person A and person B in each other's place.

    Only words that name a place change: "the first person" and "the second person", "person 1" and
    "person 2", "P1" and "P2", and the letters A and B where a sentence uses both. "One person … the other",
    "the lead" or "the actor" name whoever does it, whatever the place, and stay.
    """
    text = _ORDINAL.sub(lambda m: _like(m[1], _ORDINALS[m[1].lower()]), text)
    text = _LABEL.sub(lambda m: m[1] + m[2] + _like(m[3], _LABELS[m[3].lower()]), text)
    labels = [m for m in _LETTER.finditer(text) if not _ARTICLE.match(text, m.start()) and not _labelled(m)]
    if {m[1] for m in labels} != {"A", "B"}:
        return text
    letters = list(text)
    for match in labels:
        letters[match.start()] = _LABELS[match[1].lower()].upper()
    return "".join(letters)


def _other_way(match: re.Match[str]) -> str:
    article, word = match[1] or "", match[2]
    if word.lower() == "clockwise":
        return article + _like(word, "counterclockwise")
    return article.replace("n ", " ") + _like(word, "clockwise")


def _labelled(match: re.Match[str]) -> bool:
    """Whether the letter belongs to "person A", which has been dealt with."""
    before = match.string[: match.start()]
    return bool(re.search(r"\b(?:person|character|actor|player|dancer|p)\s?$", before, re.IGNORECASE))


def _like(model: str, word: str) -> str:
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
