# SPDX-License-Identifier: GPL-3.0-or-later
"""The retarget benchmark's tables."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import RequestError
from ..retarget import RetargetSettings, RigDescription, retarget_pair
from ..take import Take
from .methods import METHODS, outcome
from .metrics import Measures, measure
from .rigs import OWN, PAIRS, built_rigs, described_rigs, own_rig
from .takes import SCRIPTED, cleaned, salsa

_COLUMNS: tuple[tuple[str, Callable[[Measures], str]], ...] = (
    ("joints off take mm, max", lambda m: _mm(m.joint.max(initial=0.0))),
    ("hand contact mm, median / p95", lambda m: _pair(1000 * m.hand)),
    ("other contact mm", lambda m: _pair(1000 * m.other)),
    ("near distances mm", lambda m: _pair(1000 * m.near)),
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


@dataclass(frozen=True)
class Choice:
    """What to measure. rigs: folder of rig descriptions, None for the built rigs alone. takes, pairs ("A + B"
    of any two rigs), methods: by name, None for all. with_salsa: captured takes as well, where they are."""

    rigs: Path | None = None
    takes: list[str] | None = None
    pairs: list[str] | None = None
    methods: list[str] | None = None
    with_salsa: bool = True


def bench_takes(names: list[str] | None, with_salsa: bool) -> dict[str, list[Take]]:
    """The takes by kind, those of `names` or all. Raises RequestError for a name that is not there."""
    unknown = [n for n in names or () if n not in SCRIPTED and not n.startswith("salsa")]
    if unknown:
        raise RequestError(f"no take is called {unknown[0]!r}; use {', '.join(SCRIPTED)} or salsa")
    scripted = [make().take for name, make in SCRIPTED.items() if names is None or name in names]
    captured = salsa() if with_salsa and (names is None or any(n.startswith("salsa") for n in names)) else []
    captured = [t for t in captured if names is None or "salsa" in names or t.prompt in names]
    kinds = {"Scripted": scripted, "Captured": captured, "Cleaned": [cleaned(t) for t in captured]}
    return {kind: takes for kind, takes in kinds.items() if takes}


def retarget_tables(choice: Choice) -> Iterator[str]:
    """Lines of Markdown as they are measured: a table for each kind of take, with one row for each pair of
    rigs and method, the takes of a kind pooled; then the times. Raises RequestError."""
    kinds = bench_takes(choice.takes, choice.with_salsa)
    methods = tuple(choice.methods or METHODS)
    if unknown := set(methods) - set(METHODS):
        raise RequestError(f"no method is called {unknown.pop()!r}; use {', '.join(METHODS)}")
    rigs = built_rigs()
    described = {} if choice.rigs is None else described_rigs(choice.rigs)
    if choice.rigs is not None and not described:
        raise RequestError(f"{choice.rigs} holds no rig description (.json); save some there first")
    rigs |= described
    pairs = list(_pairs(choice.pairs, rigs, list(described)))
    for kind, takes in kinds.items():
        yield f"{kind} takes: {', '.join(take.prompt for take in takes)}."
        yield ""
        yield "| pair (A + B) | method | " + " | ".join(title for title, _ in _COLUMNS) + " |"
        yield "| --- | --- |" + " --- |" * len(_COLUMNS)
        for a, b in pairs:
            for method in methods:
                values = Measures.pooled([
                    measure(take, outcome(method, take, (_rig(a, rigs, take, 0), _rig(b, rigs, take, 1))))
                    for take in takes
                ])  # fmt: skip
                yield f"| {a} + {b} | {method} | {' | '.join(show(values) for _, show in _COLUMNS)} |"
        yield ""
    yield _times(rigs)


def _pairs(
    wanted: list[str] | None, rigs: dict[str, RigDescription], described: list[str]
) -> Iterator[tuple[str, str]]:
    """Names of rigs for A and B: those that are wanted, else each described rig with the next, else PAIRS."""
    if wanted is None:
        yield from zip(described, described[1:] + described[:1], strict=True) if described else PAIRS
    for text in wanted or ():
        a, _, b = text.partition(" + ")
        for name in (a, b):
            if name not in rigs and name != OWN:
                raise RequestError(f"no rig is called {name!r}; give A + B of {', '.join([OWN, *rigs])}")
        yield a, b


def _rig(name: str, rigs: dict[str, RigDescription], take: Take, actor: int) -> RigDescription:
    return own_rig(take, actor) if name == OWN else rigs[name]


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
