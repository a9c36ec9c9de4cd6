# SPDX-License-Identifier: GPL-3.0-or-later
"""Who of two people has which part of an interaction, told from what each of them does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..data.cache import PairCache
from ..interactions import interaction_of
from .motion import PairMotion
from .roles import signature

LEAST = 0.9
"""Of an interaction's training clips so many must be told apart from the same with the people swapped."""
_SMALLEST = 1e-3


@dataclass(frozen=True)
class RoleOrder:
    """For each interaction in which the two differ what its first role and its second do: mean signatures and
    their spread (2, 6) each, and the name of the first role."""

    usual: Mapping[str, tuple[np.ndarray, np.ndarray]]
    first: Mapping[str, str]

    @classmethod
    def of_training(cls, cache: PairCache, most: int = 16) -> RoleOrder:
        """From `most` training clips of each interaction, taken evenly. Left out are interactions of which
        fewer than LEAST are told from the same clip with the people swapped: both do much the same."""
        numbers: dict[str, list[int]] = defaultdict(list)
        for i in cache.select("train"):
            if all(cache.entries[i].roles):
                numbers[interaction_of(cache.entries[i])].append(i)
        usual, first = {}, {}
        for kind, found in numbers.items():
            chosen = [
                found[k] for k in np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int)
            ]
            first[kind] = min(cache.entries[found[0]].roles)
            shown = np.stack(
                [
                    _ordered(PairMotion.of_clip(cache.load(i)), cache.entries[i].roles[0] == first[kind])
                    for i in chosen
                ]
            )
            usual[kind] = shown.mean(axis=0), np.maximum(shown.std(axis=0), _SMALLEST)
            if np.mean([_margin(one, usual[kind]) > 0 for one in shown]) < LEAST:
                del usual[kind]
        return cls(usual, first)

    def margin(self, motion: PairMotion, kind: str, role_of_a: str) -> float:
        """Above 0 where person A does what `role_of_a` does and B the other part, not the reverse. NaN
        for an interaction in which both do much the same."""
        if kind not in self.usual:
            return float("nan")
        return _margin(_ordered(motion, role_of_a == self.first[kind]), self.usual[kind])


def _ordered(motion: PairMotion, a_is_first: bool) -> np.ndarray:
    shown = signature(motion.positions, motion.fps)
    return shown if a_is_first else shown[::-1]


def _margin(shown: np.ndarray, usual: tuple[np.ndarray, np.ndarray]) -> float:
    """How much farther signatures (2, 6) are from the usual ones with the people swapped than as they are."""
    mean, spread = usual
    scale = np.sqrt((spread**2).mean(axis=0))
    kept, swapped = (np.linalg.norm((one - mean) / scale) for one in (shown, shown[::-1]))
    return float(swapped - kept)
