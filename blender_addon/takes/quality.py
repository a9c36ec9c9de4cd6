# SPDX-License-Identifier: GPL-3.0-or-later
"""What the retargeter measured, as a small table that an animator can read: before and after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .cast import ROLES


@dataclass(frozen=True)
class QualityRow:
    """One line: what is measured, before the two were solved together (for feet: in the take) and after."""

    name: str
    before: str
    after: str


def to_text(report: Mapping[str, Any]) -> str:
    """The report as it is kept with the scene."""
    return json.dumps(report, separators=(",", ":"))


@lru_cache(maxsize=8)
def rows(text: str) -> tuple[QualityRow, ...]:
    """The table of a report kept by `to_text`; what it does not hold is left out."""
    try:
        report = json.loads(text)
        actors = report["actors"]
    except (ValueError, KeyError, TypeError):
        return ()
    table = []
    for role, actor in zip(ROLES, actors, strict=False):
        take, rig = actor.get("foot_slide_source_mm_s"), actor.get("foot_slide_mm_s")
        if take is not None and rig is not None:
            table.append(QualityRow(f"{role}'s feet glide", _speed(take), _speed(rig)))
    touch = report.get("touch") or {}
    before, after = touch.get("gap_error_before_mm"), touch.get("gap_error_mm")
    if before and after:
        table.append(QualityRow("Touches off", _length(before["median"]), _length(after["median"])))
        table.append(QualityRow("  worst 5 %", _length(before["p95"]), _length(after["p95"])))
    overlap = touch.get("overlap_mm")
    if overlap:
        table.append(QualityRow("Overlap sum", _length(overlap["before"]), _length(overlap["after"])))
    return tuple(table)


def _speed(mm_s: float) -> str:
    return f"{mm_s / 1000:.2f} m/s"


def _length(mm: float) -> str:
    return f"{mm / 10:.1f} cm"
