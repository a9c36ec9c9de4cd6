# SPDX-License-Identifier: GPL-3.0-or-later
"""Two people who pass through each other, parted: the model knows joints, not bodies."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ..retarget.touch import touch_take
from ..take import Take
from .pair import Pair


@dataclass(frozen=True)
class ApartReport:
    """Metres by which two parts overlap at most, before and after; hips_moved: metres by which a pelvis
    was moved at most."""

    overlap_before: float
    overlap_after: float
    hips_moved: float

    def to_dict(self) -> dict[str, float]:
        """Plain numbers, as written into a take's meta."""
        return asdict(self)


def part_pair(actors: Pair, fps: float) -> tuple[Pair, ApartReport]:
    """Both actors with their bodies beside each other, touches that they have kept, feet planted as they are.

    Actors who do not overlap come back as they are. See `retarget.touch.touch_take`.
    """
    take, touch = touch_take(Take("", 0, fps, actors))
    moved = max(touch.hips_moved())
    return take.actors, ApartReport(touch.deepest(touch.before), touch.deepest(touch.after), moved)
