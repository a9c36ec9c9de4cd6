# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bundle's model knows: interactions, each with a sentence that asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from .fields import Fields

LONGEST_SECONDS = 3600.0


@dataclass(frozen=True)
class KnownInteraction:
    """One interaction. prompt: a sentence that asks for it; seconds: how long it usually takes."""

    name: str
    prompt: str
    seconds: float

    @property
    def title(self) -> str:
        """The name as it is shown: "Fist bump" for fist_bump."""
        words = self.name.replace("_", " ")
        return words[:1].upper() + words[1:]


def read_interactions(card: Fields) -> tuple[KnownInteraction, ...]:
    """The card's `interactions`, none where it has none. Raises BundleError for a broken entry."""
    return tuple(
        KnownInteraction(
            entry.text("name"), entry.text("prompt"), entry.number("seconds", 0.1, LONGEST_SECONDS)
        )
        for entry in card.tables("interactions")
    )
