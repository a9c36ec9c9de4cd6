# SPDX-License-Identifier: GPL-3.0-or-later
"""Which interactions a cache of clips holds, as a bundle's card lists them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from .data.cache import CacheEntry

_T = TypeVar("_T")
_PLAIN = ("two people ", "one person ")


@dataclass(frozen=True)
class Interaction:
    """Clips of one kind. seconds: their median length; captions: all of their sentences, each once."""

    name: str
    seconds: float
    captions: tuple[str, ...]
    prompt: str

    def to_dict(self) -> dict[str, Any]:
        """An entry of the card's `interactions`."""
        return {"name": self.name, "prompt": self.prompt, "seconds": self.seconds}


def interaction_of(entry: CacheEntry) -> str:
    """What a clip shows, as far as the cache tells: the score of a composed clip, the folder or file that a
    captured one comes from, else its source."""
    return entry.origin or entry.source.removesuffix("-windows")


def find_interactions(entries: Iterable[CacheEntry]) -> tuple[Interaction, ...]:
    """The interactions of captioned clips, by name (see `interaction_of`).

    Where all clips come from one place, that says nothing of what they show: none.
    """
    groups: dict[str, list[CacheEntry]] = {}
    for entry in entries:
        if entry.captions:
            groups.setdefault(interaction_of(entry), []).append(entry)
    if len(groups) < 2:
        return ()
    return tuple(_interaction(name, clips) for name, clips in sorted(groups.items()))


def example_prompt(captions: Sequence[str]) -> str:
    """The plainest of the captions of an interaction's clips, of which many are given more than once.

    The shortest that was heard more than once, speaks of "two people" or "one person", and says who does
    something rather than by whom it is done; less where there is none such.
    """
    heard = Counter(captions)
    often = [text for text, count in heard.items() if count > 1] or list(heard)
    plain = [text for text in often if text.startswith(_PLAIN)] or often
    active = [text for text in plain if " by " not in text] or plain
    return min(active, key=lambda text: (len(text), -heard[text], text))


def evenly(items: Sequence[_T], most: int) -> list[_T]:
    """At most `most` of the items, taken evenly, in order."""
    chosen = np.linspace(0, len(items) - 1, min(len(items), most)).round().astype(int)
    return [items[k] for k in chosen]


def _interaction(name: str, clips: Sequence[CacheEntry]) -> Interaction:
    seconds = statistics.median(clip.frames / clip.fps for clip in clips)
    captions = [text for clip in clips for text in dict.fromkeys(clip.captions)]
    return Interaction(name, round(seconds, 1), tuple(dict.fromkeys(captions)), example_prompt(captions))
