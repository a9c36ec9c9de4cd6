# SPDX-License-Identifier: GPL-3.0-or-later
"""People whom nobody would believe: who freeze, drift over the floor, or float above it."""

from __future__ import annotations

import numpy as np

from intermoe_engine.intervals import runs
from intermoe_engine.measures import toe_floor

from .quality import TOES, body_speeds

FAULTS = ("frozen", "drifting", "floating")
FROZEN = 0.012
"""m/s that the joints of somebody frozen move less than, about the pelvis; as the composer has it."""
_NEAR_FLOOR = 0.13
_FLOATING_SECONDS = 0.6
"""A leap of 40 cm takes as long."""
_DRIFT_SECONDS, _DRIFT_METRES = 0.5, 0.25
_TOE_HEIGHT = 0.03


def faults(positions: np.ndarray, fps: float) -> dict[str, bool]:
    """Which of FAULTS either person of one motion (2, T, 22, 3) shows.

    frozen: moves less than FROZEN. floating: nothing of somebody is within 13 cm of the floor for more than
    0.6 s. drifting: for half a second both toes stay within 3 cm of their own floor while both travel 25 cm
    the same way: a person carried along, rather than one who walks or turns.
    """
    floating = [
        longest(person[..., 1].min(axis=1) > _NEAR_FLOOR) > _FLOATING_SECONDS * fps for person in positions
    ]
    return {
        "frozen": bool(body_speeds(positions, fps).min() < FROZEN),
        "drifting": any(_drifts(person[:, TOES], fps) for person in positions),
        "floating": any(floating),
    }


def longest(mask: np.ndarray) -> int:
    """The length in frames of the longest run of true in a mask (T,)."""
    first, end = runs(mask)
    return int((end - first).max(initial=0))


def _drifts(toes: np.ndarray, fps: float) -> bool:
    """Whether toes (T, 2, 3) stay down and are both carried the same way."""
    step = round(_DRIFT_SECONDS * fps)
    if len(toes) <= step:
        return False
    down = (toes[..., 1] < toe_floor(toes) + _TOE_HEIGHT).all(axis=1)
    counted = np.concatenate([[0], np.cumsum(down)])
    always = counted[step + 1 :] - counted[: -step - 1] == step + 1
    travel = toes[step:, :, [0, 2]] - toes[:-step, :, [0, 2]]
    together = np.linalg.norm(travel.mean(axis=1), axis=-1)
    return bool((always & (together > _DRIFT_METRES)).any())
