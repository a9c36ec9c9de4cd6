# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip from beginning to end: phases, feet, postures, looks, gestures, touches."""

from __future__ import annotations

from .draw import Draw
from .feet import foot_goals, on_feet
from .figure import Figure
from .gestures import with_gestures
from .library import Library
from .look import with_looks
from .meeting import Meeting, meetings
from .posture import with_postures
from .reach import brought_near, within_reach
from .timeline import play


def composed(plan: Draw, library: Library) -> tuple[tuple[Figure, Figure], list[Meeting]]:
    """Both people of one draw and their touches. Raises ValueError where the score cannot be played."""
    score = plan.score
    figures = []
    for person, figure in enumerate(play(plan, library)):
        goals = foot_goals(figure)
        figures.append(on_feet(with_postures(figure, plan, score.postures, person), goals))
    a, b = with_looks((figures[0], figures[1]), plan)
    a, b = (with_gestures(f, plan, score.gestures, person) for person, f in enumerate((a, b)))
    touches = meetings(plan, a.frames, a.fps)
    return brought_near(within_reach((a, b), plan, touches), plan, touches), touches
