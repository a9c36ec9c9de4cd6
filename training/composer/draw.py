# SPDX-License-Identifier: GPL-3.0-or-later
"""One draw of what a score varies: from (seed, interaction, number) to the numbers that a clip is made
with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .expressions import evaluate
from .fields import Number, Point, Word
from .library import Library
from .score import Choice, Range, Score
from .segment import Segment

_BRACES = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Draw:
    """What was drawn for one clip.

    values: every name of [vary] and [let], and `end`. names: what captions may ask for: for each varied name
    the names that hold, and hand. mirrored: the finished clip is to be shown in a mirror. held_out: the clip
    is for the held-out split. rng: for what is chosen on the way, in the order of the score.
    """

    score: Score
    values: Mapping[str, float | str]
    names: Mapping[str, frozenset[object]]
    mirrored: bool
    held_out: bool
    rng: np.random.Generator
    chosen: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)

    def number(self, expression: Number) -> float:
        """The number that an expression gives."""
        return evaluate(expression, self.values)

    def optional(self, expression: Number | None, default: float) -> float:
        """The number, or the default where nothing is said."""
        return default if expression is None else self.number(expression)

    def point(self, expressions: Point | None, size: int = 3) -> np.ndarray:
        """Numbers (size,), zeros where nothing is said. Raises ValueError for another count."""
        if expressions is None:
            return np.zeros(size)
        if len(expressions) != size:
            raise ValueError(f"{list(expressions)} has {len(expressions)} numbers, {size} are needed")
        return np.array([self.number(e) for e in expressions])

    def word(self, text: Word) -> str:
        """A word with {name} filled in."""
        return _BRACES.sub(lambda m: str(self.values[m[1]]), text)

    def segment(self, words: Sequence[Word], library: Library, who: str) -> Segment:
        """One of several clips; those that are held out only where the whole clip is, and then first.

        Asked for the same clips again, a person (`who`) gets the same one: nobody changes their stance for no
        reason.
        """
        names = tuple(name for word in words for name in library.members(self.word(word)))
        if (who, names) not in self.chosen:
            fitting = [n for n in names if library.segments[n].held_out == self.held_out] or names
            self.chosen[who, names] = fitting[int(self.rng.integers(len(fitting)))]
        return library.segments[self.chosen[who, names]]


def draw(score: Score, seed: int, index: int, held_out: bool = False) -> Draw:
    """The draw of clip number `index` of a score; the same for the same seed, name and number."""
    key = hashlib.sha256(f"{seed}/{score.name}/{index}".encode()).digest()
    rng = np.random.Generator(np.random.Philox(key=int.from_bytes(key[:16], "big")))
    values: dict[str, float | str] = {}
    names: dict[str, frozenset[object]] = {}
    for name, variation in score.vary.items():
        values[name], names[name] = _drawn(variation, rng)
    mirrored = bool(rng.random() < score.mirror)
    names["hand"] = frozenset({"left" if mirrored else "right"})
    for name, expression in score.let.items():
        if "end" not in values and _speaks_of_end(expression):
            values["end"] = evaluate(score.stage.seconds, values)
        values[name] = evaluate(expression, values)
    values["end"] = evaluate(score.stage.seconds, values)
    return Draw(score, values, names, mirrored, held_out, rng)


def _drawn(variation: Range | Choice, rng: np.random.Generator) -> tuple[float | str, frozenset[object]]:
    if isinstance(variation, Range):
        value = float(rng.uniform(variation.low, variation.high))
        named = variation.names.items()
        return value, frozenset(name for name, (low, high) in named if low <= value <= high)
    i = int(rng.integers(len(variation.values)))
    return variation.values[i], frozenset({variation.values[i], variation.names[i]} - {""})


def _speaks_of_end(expression: Number) -> bool:
    return isinstance(expression, str) and re.search(r"\bend\b", expression) is not None
