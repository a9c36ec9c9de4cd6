# SPDX-License-Identifier: GPL-3.0-or-later
"""The retarget benchmark's table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import RequestError
from ..retarget import RetargetSettings, RigDescription, retarget_pair
from ..take import Take
from .methods import METHODS, outcome
from .metrics import Measures, measure
from .rigs import PAIRS, built_rigs, described_rigs
from .takes import SCRIPTED, salsa

_COLUMNS: tuple[tuple[str, Callable[[Measures], str]], ...] = (
    ("joints off take mm, max", lambda m: _mm(m.joint.max(initial=0.0))),
    ("hand contact mm, median / p95", lambda m: _pair(1000 * m.hand)),
    ("other contact mm", lambda m: _pair(1000 * m.other)),
    ("limb direction °, free", lambda m: _pair(m.limb_free)),
    ("all limbs °", lambda m: _pair(m.limb_all)),
    ("foot slide mm/s, mean (take)", lambda m: f"{_mm(m.slide.mean())} ({_mm(m.slide_take.mean())})"),
    ("below floor mm", lambda m: _mm(m.sunk.max(initial=0.0))),
    ("overlap mm a frame (take)", lambda m: f"{_mm(m.overlap.mean())} ({_mm(m.overlap_take.mean())})"),
    (
        "deepest overlap mm, p95 / max (take)",
        lambda m: f"{_top(1000 * m.deepest)} ({_top(1000 * m.deepest_take)})",
    ),
    ("deeper than take mm, p95 / max", lambda m: _top(1000 * m.deeper)),
    ("bent backwards %", lambda m: f"{100 * m.backward.mean():.1f}"),
    ("largest step ×", lambda m: f"{m.step.max(initial=0.0):.2f}"),
)


def bench_takes(names: list[str] | None, with_salsa: bool) -> list[Take]:
    """The takes by name, all where names is None. Raises RequestError for a name that is not there."""
    unknown = [n for n in names or () if n not in SCRIPTED and not n.startswith("salsa")]
    if unknown:
        raise RequestError(f"no take is called {unknown[0]!r}; use {', '.join(SCRIPTED)} or salsa")
    takes = [make().take for name, make in SCRIPTED.items() if names is None or name in names]
    if with_salsa and (names is None or any(n.startswith("salsa") for n in names)):
        takes += salsa()
    return takes


def retarget_table(
    rigs_folder: Path | None, names: list[str] | None, with_salsa: bool, only: list[str] | None = None
) -> str:
    """Markdown: one row for each pair of rigs and method, all takes pooled, then the times. only: pairs by
    name, as "A + B". Raises RequestError."""
    takes = bench_takes(names, with_salsa)
    built = built_rigs()
    pairs = [(f"{a} + {b}", built[a], built[b]) for a, b in PAIRS]
    if rigs_folder is not None:
        rigs = list(described_rigs(rigs_folder).items())
        if not rigs:
            raise RequestError(f"{rigs_folder} holds no rig description (.json); save some there first")
        others = rigs[1:] + rigs[:1]
        pairs += [(f"{a} + {b}", x, y) for (a, x), (b, y) in zip(rigs, others, strict=True)]
    unknown = set(only or ()) - {name for name, _, _ in pairs}
    if unknown:
        names_there = ", ".join(repr(name) for name, _, _ in pairs)
        raise RequestError(f"no pair is called {unknown.pop()!r}; use {names_there}")
    pairs = [pair for pair in pairs if only is None or pair[0] in only]
    lines = [
        f"Takes: {', '.join(take.prompt for take in takes)}.",
        "",
        "| pair (A + B) | method | " + " | ".join(title for title, _ in _COLUMNS) + " |",
        "| --- | --- |" + " --- |" * len(_COLUMNS),
    ]
    for name, a, b in pairs:
        for method in METHODS:
            values = Measures.pooled([measure(take, outcome(method, take, (a, b))) for take in takes])
            cells = " | ".join(show(values) for _, show in _COLUMNS)
            lines.append(f"| {name} | {method} | {cells} |")
    return "\n".join([*lines, "", _times(built)])


def _times(rigs: dict[str, RigDescription]) -> str:
    """Processor seconds for two people over 300 frames, without contacts and with them."""
    base = SCRIPTED["hug"]().take
    indices = np.arange(300) % base.frames
    actors = [
        replace(
            actor,
            **{
                name: getattr(actor, name)[indices]
                for name in ("root_translation", "joint_rotations", "joint_positions", "foot_contacts")
            },
        )
        for actor in base.actors
    ]
    take = Take("hug, twice", 0, base.fps, (actors[0], actors[1]))
    pair = (rigs["1.25"], rigs["1.0 A-pose"])
    seconds = []
    for keep in (False, True):
        runs = []
        for _ in range(3):
            start = time.process_time()
            retarget_pair(take, *pair, settings=RetargetSettings(keep_contacts=keep))
            runs.append(time.process_time() - start)
        seconds.append(statistics.median(runs))
    return (
        f"Two people, 300 frames: {seconds[0]:.2f} s of one core without contacts, {seconds[1]:.2f} s "
        "with those of two hugs (median of three runs)."
    )


def _mm(metres: float) -> str:
    return f"{1000 * metres:.1f}"


def _pair(values: np.ndarray) -> str:
    return f"{np.median(values):.1f} / {np.percentile(values, 95):.1f}" if len(values) else "–"


def _top(values: np.ndarray) -> str:
    return f"{np.percentile(values, 95):.1f} / {values.max():.1f}" if len(values) else "–"
