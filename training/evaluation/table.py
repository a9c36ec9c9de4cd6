# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as Markdown: one line a figure, real motions always in the first column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .collect import CLEANED, DECODED, REAL

HEADINGS = {REAL: "real", DECODED: "generated", CLEANED: "generated, cleaned up"}

# name: (label, better towards, digits)
_PROTOCOL = {
    "r_precision_1": ("R-precision top 1", "↑", 3),
    "r_precision_2": ("R-precision top 2", "↑", 3),
    "r_precision_3": ("R-precision top 3", "↑", 3),
    "fid": ("FID", "↓", 3),
    "mm_dist": ("MM-dist", "↓", 3),
    "diversity": ("Diversity", "→", 3),
    "multimodality": ("Multimodality", "↑", 3),
}
_ANIMATOR = {
    "foot_slide_mm_s": ("Foot slide, lower toe near the floor, mm/s", "↓", 0),
    "contact_slide_mm_s": ("Foot slide, all low ankles and toes, mm/s", "↓", 0),
    "skating_ratio": ("Share of steps that skate", "↓", 3),
    "floating_mm": ("Floating, mm", "→", 1),
    "penetration_mm": ("Floor penetration, mm", "↓", 1),
    "jerk_m_s3": ("Jerk, m/s³", "→", 1),
    "bone_drift_mm": ("Bone-length drift, mm", "↓", 2),
    "fit_error_mm": ("Decoded joints off bones of constant length, mm", "↓", 1),
    "speed_a_m_s": ("Joint speed of A, m/s", "→", 2),
    "speed_b_m_s": ("Joint speed of B, m/s", "→", 2),
    "interpenetration_ml": ("Bodies in each other, ml", "↓", 0),
    "overlap_depth_mm": ("Depth of the deepest overlap, mm", "↓", 1),
    "touch_ratio": ("Share of frames that touch", "→", 3),
    "asked_contact": ("Contact asked for and there, share of clips", "↑", 3),
    "asked_touch_ratio": ("Contact asked for, share of frames that touch", "→", 3),
    "asked_hands_mm": ("Hands asked to meet, median wrist to wrist, mm", "→", 0),
    "asked_hands_least_mm": ("Hands asked to meet, least wrist to wrist, mm", "→", 0),
    "hand_to_body_mm": ("Nearest hand to the other's body, mm", "→", 0),
    "distance_m": ("Distance of the pelvises, m", "→", 2),
}
_DISTANCES = {
    "p5": ("Distance of the pelvises, 5th percentile, m", "→", 2),
    "median": ("Distance of the pelvises, median, m", "→", 2),
    "p95": ("Distance of the pelvises, 95th percentile, m", "→", 2),
    "from_real_m": ("Distance of the distribution from real (Wasserstein), m", "↓", 3),
}
_ROLES = {
    "role_accuracy": ("Role accuracy: the sentence prefers this order of the people", "↑", 3),
    "livelier_as_real": ("The livelier person is the one of the capture", "↑", 3),
    "swap_rate": ("Swapped roles swap the motions (what each does)", "↑", 3),
    "swap_margin": ("… by this margin, −1 to 1", "↑", 3),
    "swap_rate_evaluator": ("Swapped roles swap the motions (evaluator)", "↑", 3),
    "asked_still_ratio": ("One asked to be still: slower over faster person", "→", 3),
    "pose_difference_mm": ("Difference of the two people's poses, mm", "→", 0),
    "liveliness_ratio": ("Slower over faster person", "→", 3),
}


def markdown(report: Mapping[str, Any]) -> str:
    """The whole report."""
    lines = [f"# Evaluation: {report['name']}", "", *_facts(report), ""]
    sections: list[tuple[str, Mapping[str, Any], Mapping[str, tuple[str, str, int]]]] = [
        ("Published protocol", report["protocol"], _PROTOCOL),
        ("What an animator sees (means over clips)", report["animator"], _ANIMATOR),
        ("Distance between the people (all frames)", report["distance"], _DISTANCES),
        ("Who does what", _merged(report["roles"], report["animator"], _ROLES), _ROLES),
    ]
    for title, table, labels in sections:
        if any(table.values()):
            lines += [f"## {title}", "", *_table(table, labels), ""]
    lines += [f"- {note}" for note in report["notes"]]
    return "\n".join(lines).rstrip() + "\n"


def _facts(report: Mapping[str, Any]) -> list[str]:
    data = report["data"]
    facts = [f"{data['clips']} captioned clips of the split {data['split']!r} (data {data['digest'][:12]})"]
    if report["bundle"]:
        facts.append(f"bundle {report['bundle']['id']} ({report['bundle']['sha256'][:12]})")
    if report["evaluator"]:
        facts.append(f"evaluator {report['evaluator']['name']} ({report['evaluator']['sha256'][:12]})")
    facts.append(f"seed {report['settings']['seed']}, {report['settings']['repetitions']} repetitions")
    return ["; ".join(facts) + ". ↑ more is better, ↓ less is better, → nearer to real is better."]


def _merged(roles: Mapping[str, Any], animator: Mapping[str, Any], labels: Mapping[str, Any]) -> dict:
    """The figures of roles with those that are measured beside the animator's."""
    return {
        row: {k: v for k, v in {**figures, **roles.get(row, {})}.items() if k in labels}
        for row, figures in animator.items()
    }


def _table(table: Mapping[str, Any], labels: Mapping[str, tuple[str, str, int]]) -> list[str]:
    rows = [row for row in HEADINGS if row in table]
    lines = [
        "| | " + " | ".join(HEADINGS[row] for row in rows) + " |",
        "| --- |" + " ---: |" * len(rows),
    ]
    for key, (label, direction, digits) in labels.items():
        cells = [_cell(table[row].get(key), digits) for row in rows]
        if any(cells):
            counts = {table[row][key]["n"] for row in rows if _counted(table[row].get(key))}
            everything = {entry["n"] for row in rows for entry in table[row].values() if _counted(entry)}
            few = f" (n = {min(counts)})" if counts and min(counts) < max(everything) else ""
            lines.append(f"| {label}{few} {direction} | " + " | ".join(cell or "–" for cell in cells) + " |")
    return lines


def _counted(entry: Any) -> bool:
    return isinstance(entry, Mapping) and "n" in entry


def _cell(entry: float | Mapping[str, float] | None, digits: int) -> str:
    if entry is None:
        return ""
    if not isinstance(entry, Mapping):
        return f"{entry:.{digits}f}"
    half = f" ± {entry['half']:.{digits}f}" if "half" in entry else ""
    return f"{entry['mean']:.{digits}f}{half}"
