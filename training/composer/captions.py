# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences for a composed clip: a score's phrasings with words for the two people filled in.

What a phrasing may hold:

- {actor}, {other}: the person as subject ("one person", later "the first person"; of some nouns "he").
- {actor.him}: the same as object. {actor's}: whose ("the other's", "his"). {actor.his}: a pronoun back to
  somebody named before ("their", "her"). {actor.himself}: "themselves", "himself", "herself".
- {two}: both together ("two people", "a man and a woman"), with a verb in the plural.
- {hand}, {off_hand}: the side of the hand that acts, and the other side. {way}: "counterclockwise" as the
  score is written, seen from above; "clockwise" in the mirror.

The person named first is person A. A phrasing that names the score's `other` first therefore belongs to a
clip in which the other is person A; one that names nobody, or {two}, to one in which the actor is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from .draw import Draw
from .score import CaptionTemplate, Score

MOST = 10
"""Captions of one clip."""
_SLOT = re.compile(r"\{(actor|other|two|hand|off_hand|way)(?:\.(him|his|himself)|('s))?\}")
_THEY = ("they", "them", "their", "themselves")
_HE = ("he", "him", "his", "himself")
_SHE = ("she", "her", "her", "herself")


@dataclass(frozen=True)
class Noun:
    """Words for a person: when first named, later on, and the pronouns (subject, object, whose, self).

    by_pronoun: later mentions are pronouns, as they cannot be mistaken."""

    first: str
    later: str
    pronouns: tuple[str, str, str, str] = _THEY
    by_pronoun: bool = False


_MAN, _WOMAN = Noun("a man", "the man", _HE, True), Noun("a woman", "the woman", _SHE, True)
_PAIRS: tuple[tuple[Noun, Noun], ...] = (
    (Noun("one person", "the first person"), Noun("the other", "the other")),
    (Noun("one person", "the first"), Noun("the other person", "the other")),
    (Noun("one person", "the first person"), Noun("another person", "the other person")),
    (Noun("the first person", "the first"), Noun("the second person", "the second")),
    (Noun("the first person", "the first person"), Noun("the second person", "the second person")),
    (Noun("a person", "the first person"), Noun("another person", "the other")),
    (Noun("someone", "the first one"), Noun("somebody else", "the other")),
    (Noun("somebody", "the first one"), Noun("someone else", "the other")),
    (Noun("one", "the first"), Noun("the other", "the other")),
    (_MAN, _WOMAN),
    (_WOMAN, _MAN),
    (_MAN, _WOMAN),
    (_WOMAN, _MAN),
    (Noun("a man", "the first man", _HE), Noun("another man", "the other man", _HE)),
    (Noun("a woman", "the first woman", _SHE), Noun("another woman", "the other woman", _SHE)),
    (Noun("he", "he", _HE, True), Noun("she", "she", _SHE, True)),
    (Noun("she", "she", _SHE, True), Noun("he", "he", _HE, True)),
)
"""By the order in which they are named."""
_OF_TWO = (Noun("one of them", "the first"), Noun("the other", "the other"))
_TWO = ("two people", "two people", "they", "the two", "both people", "two friends", "the pair")


def order_of(text: str) -> str:
    """Which of the score's people is person A in a sentence: "actor" or "other"."""
    first = next((m[1] for m in _SLOT.finditer(text) if m[1] in ("actor", "other", "two")), "actor")
    return "other" if first == "other" else "actor"


def captions_of(plan: Draw, rng: np.random.Generator, most: int = MOST) -> tuple[str, list[str]]:
    """Who is person A in a clip ("actor" or "other"), and its captions.

    Phrasings that are held out go to held-out clips alone, and these take no others where there are any.
    Raises ValueError where no phrasing is true of the clip.
    """
    fitting = [caption for caption in plan.score.captions if _holds(caption, plan)]
    own = [c for c in fitting if c.held_out == plan.held_out]
    fitting = own or [c for c in fitting if not c.held_out]
    if not fitting:
        raise ValueError("no caption fits; give the score one without `when`")
    # As often as its phrasings call for it, each order has its clips.
    first = order_of(fitting[int(rng.integers(len(fitting)))].text)
    texts = [c.text for c in fitting if order_of(c.text) == first]
    chosen = [texts[i] for i in rng.permutation(len(texts))[:most]]
    filled = [fill(text, plan.score, plan.mirrored, rng) for text in chosen]
    return first, list(dict.fromkeys(filled))


def fill(text: str, score: Score, mirrored: bool, rng: np.random.Generator) -> str:
    """One phrasing with words for the people, drawn by `rng`."""
    order = ("other", "actor") if order_of(text) == "other" else ("actor", "other")
    pairs = list(_PAIRS)
    for actor, other in score.people:
        named = {"actor": _noun(actor), "other": _noun(other)}
        pairs += [(named[order[0]], named[order[1]])] * 2
    if "{two}" in text:
        drawn = _OF_TWO
        two = _TWO[int(rng.integers(len(_TWO)))]
    else:
        drawn, two = pairs[int(rng.integers(len(pairs)))], ""
    nouns: dict[str, Noun] = dict(zip(order, drawn, strict=True))
    sides = ("left", "right") if mirrored else ("right", "left")
    words = {"hand": sides[0], "off_hand": sides[1], "two": two}
    words["way"] = "clockwise" if mirrored else "counterclockwise"
    named_before: set[str] = set()

    def word(match: re.Match[str]) -> str:
        who = match[1]
        if who in words:
            return words[who]
        said = _mention(nouns[who], match[2] or match[3] or "", who in named_before, who == order[0])
        named_before.add(who)
        return said

    return " ".join(_SLOT.sub(word, text).split())


def _mention(noun: Noun, form: str, again: bool, leads: bool) -> str:
    """One mention of a person; leads: it is the one whom the sentence named first."""
    subject, object_, whose, self_ = noun.pronouns
    # "one person weeps and the other reassures them": who came first is meant, and no verb has to agree.
    neutral = noun.pronouns == _THEY and noun.later.startswith("the first")
    if again and leads and neutral and form in ("him", "'s"):
        return object_ if form == "him" else whose
    by_pronoun = noun.by_pronoun and (again or noun.first == subject)
    if form == "himself":
        return self_
    if form == "his" and again:
        return whose
    if form in ("his", "'s"):
        return whose if by_pronoun else (noun.later if again else noun.first) + "'s"
    if by_pronoun:
        return object_ if form == "him" else subject
    return noun.later if again else noun.first


def _noun(first: str) -> Noun:
    article, _, rest = first.partition(" ")
    return replace(
        Noun(first, first), later=f"the {rest}" if article in ("a", "an", "one") and rest else first
    )


def _holds(caption: CaptionTemplate, plan: Draw) -> bool:
    for key, wanted in caption.when.items():
        values = wanted if isinstance(wanted, list) else [wanted]
        if not plan.names[key] & set(values):
            return False
    return True
