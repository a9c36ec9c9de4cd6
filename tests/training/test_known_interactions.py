# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cache of clips shows, as the card lists it."""

from __future__ import annotations

from training.data.cache import CacheEntry
from training.interactions import evenly, example_prompt, find_interactions


def entry(name: str, frames: int, captions: tuple[str, ...], origin: str, source: str) -> CacheEntry:
    return CacheEntry(name, frames, 30.0, captions, ("actor", "other"), "train", source, origin=origin)


def test_interactions_by_origin_else_source_with_median_lengths() -> None:
    entries = [
        entry("h1", 120, ("two people hug", "she hugs him"), "hug", "composed"),
        entry("h2", 150, ("two people hug",), "hug", "composed"),
        entry("h3", 600, ("they embrace",), "hug", "composed"),
        entry("h4", 30, (), "hug", "composed"),
        entry("s1", 150, ("two people dance salsa",), "", "salsa-windows"),
    ]
    hug, salsa = find_interactions(entries)
    assert hug.to_dict() == {"name": "hug", "prompt": "two people hug", "seconds": 5.0}
    assert hug.captions == ("two people hug", "she hugs him", "they embrace")
    assert salsa.to_dict() == {"name": "salsa", "prompt": "two people dance salsa", "seconds": 5.0}
    assert find_interactions(entries[:4]) == (), "one kind alone says nothing of what the clips show"


def test_the_plainest_caption_is_the_example() -> None:
    heard = ["he bows", "he bows", "two people bow low", "two people bow low", "two people bow"]
    assert example_prompt(heard) == "two people bow low", "said once is not typical"
    assert example_prompt(
        ["one person is hit by the other"] * 2 + ["one person hits the other hard"] * 2
    ) == ("one person hits the other hard")
    assert example_prompt(["they wave", "everybody waves"]) == "they wave"
    tie = ["two people wave"] * 2 + ["two people bows"] * 3
    assert example_prompt(tie) == "two people bows", "of equal length, the more frequent"


def test_evenly() -> None:
    assert evenly(range(10), 4) == [0, 3, 6, 9] and evenly("ab", 5) == ["a", "b"] and evenly("", 3) == []
