# SPDX-License-Identifier: GPL-3.0-or-later
"""From collected parts to the figures of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from .collect import CLEANED, DECODED, REAL, Plan
from .figures import summary
from .journal import Part
from .protocol import (
    BATCH,
    DIVERSITY_PAIRS,
    EmbeddedSet,
    multimodality_scores,
    protocol_scores,
)
from .proximity import distribution_distance
from .roles import names_an_actor, order_preference, same_person_is_livelier, swap_margin

ROWS = (REAL, DECODED, CLEANED)
_SMALLEST_SCALE = 1e-3


def present_rows(parts: Sequence[Part]) -> list[str]:
    """The rows that were collected, real first."""
    return [row for row in ROWS if f"{row}/signature" in parts[0]]


def protocol_figures(
    parts: Sequence[Part], modes: np.ndarray | None, repetitions: int, seed: int, batch: int = BATCH
) -> dict[str, dict[str, dict[str, float]]]:
    """Row → metric → mean and half the 95 % interval. Raises ValueError for fewer than two clips."""
    text = np.stack([part["text"] for part in parts])
    real = np.broadcast_to(parts[0][f"{REAL}/motion"], text.shape)
    rows = {REAL: EmbeddedSet(real, text)}
    for row in present_rows(parts)[1:]:
        rows[row] = EmbeddedSet(np.stack([part[f"{row}/motion"] for part in parts]), text)
    table = protocol_scores(rows, rows[REAL], repetitions, seed, batch)
    if modes is not None:
        table[DECODED]["multimodality"] = multimodality_scores(modes, repetitions, seed)
    return {row: {key: asdict(value) for key, value in scores.items()} for row, scores in table.items()}


def protocol_notes(plan: Plan, repetitions: int, generated: bool, batch: int = BATCH) -> list[str]:
    """In what the run departs from the published protocol, one sentence each. generated: not real alone."""
    clips, notes = len(plan.clips), []
    if min(clips, batch) != BATCH:
        size = f"one batch of {clips} clips" if clips <= batch else f"batches of {batch} clips"
        notes.append(
            f"R-precision and MM-dist are of {size}, not of batches of {BATCH}, thus "
            f"{'easier' if min(clips, batch) < BATCH else 'harder'} and not comparable with papers."
        )
    if clips < DIVERSITY_PAIRS:
        notes.append(f"Diversity is of {clips} pairs, not of {DIVERSITY_PAIRS}.")
    if generated and plan.samples < repetitions:
        notes.append(
            f"{plan.samples} generated motion{'s' if plan.samples > 1 else ''} per clip served {repetitions} "
            "repetitions; the published protocol generates anew for each, so the intervals are too narrow."
        )
    if plan.multimodality[0] and plan.multimodality != (100, 30):
        texts, motions = plan.multimodality
        notes.append(
            f"Multimodality is of {texts} sentences with {motions} motions each, not of 100 with 30."
        )
    return notes


def animator_figures(part: Part) -> dict[str, dict[str, Any]]:
    """Row → figure → mean, median, p5, p95 and n over clips; what applies to no clip is left out."""
    table: dict[str, dict[str, Any]] = {}
    for row in present_rows([part]):
        prefix = f"{row}/figure/"
        summed = {k.removeprefix(prefix): summary(v) for k, v in part.items() if k.startswith(prefix)}
        table[row] = {key: value for key, value in summed.items() if value is not None}
    return table


def distance_figures(part: Part) -> dict[str, dict[str, float]]:
    """Row → quantiles in metres of the distance between the pelvises over all frames, and `from_real_m`: the
    Wasserstein-1 distance of the row's distribution from the real one."""
    real = part[f"{REAL}/distances"]
    table = {}
    for row in present_rows([part]):
        own = part[f"{row}/distances"]
        p5, p25, median, p75, p95 = (float(v) for v in np.percentile(own, [5, 25, 50, 75, 95]))
        table[row] = {"p5": p5, "p25": p25, "median": median, "p75": p75, "p95": p95}
        table[row]["from_real_m"] = distribution_distance(own, real)
    return table


def role_table(part: Part, swaps: Part, captions: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Row → role_accuracy, livelier_as_real, and of swapped sentences swap_margin and swap_rate (see docs).

    Each is a summary over the sentences to which it applies; those that apply to none are left out.
    """
    named = np.array([names_an_actor(caption) for caption in captions])
    table: dict[str, dict[str, Any]] = {}
    for row in present_rows([part]):
        figures: dict[str, Any] = {}
        if f"{row}/swapped" in part:
            preferred = order_preference(part["text"], part[f"{row}/motion"], part[f"{row}/swapped"])
            figures["role_accuracy"] = summary(preferred[named])
        if row != REAL:
            livelier = [
                same_person_is_livelier(own, real)
                for own, real in zip(part[f"{row}/energy"], part[f"{REAL}/energy"], strict=True)
            ]
            figures["livelier_as_real"] = summary(np.array(livelier)[named])
        table[row] = figures
    if swaps:
        table[CLEANED] |= _swap_figures(part, swaps)
    return {
        row: {k: v for k, v in figures.items() if v is not None} for row, figures in table.items() if figures
    }


def _swap_figures(part: Part, swaps: Part) -> dict[str, Any]:
    scale = np.maximum(part[f"{REAL}/signature"].reshape(-1, 6).std(axis=0), _SMALLEST_SCALE)
    before = part[f"{CLEANED}/signature"][swaps["position"]]
    margins = [swap_margin(a, b, scale) for a, b in zip(before, swaps["signature"], strict=True)]
    figures: dict[str, Any] = {
        "swap_margin": summary(margins),
        "swap_rate": summary([float(margin > 0) for margin in margins]),
    }
    if "motion" in swaps:
        first = part[f"{CLEANED}/motion"][swaps["position"]]
        figures["swap_rate_evaluator"] = summary(order_preference(first, swaps["swapped"], swaps["motion"]))
    return figures
