# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips of every score into a cache: in parallel, in an order that no number of workers changes.

Clip number i of a score is the same whoever makes it and whenever. The clips of a score are taken in order
until they are long enough together, so that a run that goes on, and one with more hours, only adds to what is
there.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from intermoe_engine.errors import EngineError
from intermoe_engine.skeleton import SMPL22

from ..data.cache import CacheWriter
from ..data.checks import Rejected
from ..data.pair_clip import PairClip
from .acceptance import measure, reason_against
from .captions import MOST, captions_of
from .draw import draw
from .library import Library
from .score import Score
from .stage import composed
from .timeline import FPS
from .touches import touching

SOURCE = "composed"
_CHUNK = 4
_GIVE_UP = 40
"""A score of which so many clips in a row are left out is left at that."""
Result = PairClip | Rejected


@dataclass(frozen=True)
class Plan:
    """What is to be composed.

    seconds: of motion for each score. held_out: share of the clips that are held out, half of them in the
    split "val" and half in "test". captions: of each clip at most.
    """

    scores: Sequence[Score]
    seconds: Mapping[str, float]
    seed: int = 0
    held_out: float = 0.1
    captions: int = MOST


@dataclass
class Tally:
    """How one score fares: clips kept and left out, seconds kept, reasons."""

    kept: int = 0
    seconds: float = 0.0
    tried: int = 0
    in_a_row: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def count(self, result: Result | tuple[str, float]) -> None:
        """Add one clip, one that was left out, or an earlier run's (reason or "", seconds)."""
        if isinstance(result, PairClip):
            reason, seconds = "", result.frames / result.fps
        elif isinstance(result, Rejected):
            reason, seconds = result.reason, 0.0
        else:
            reason, seconds = result
        self.tried += 1
        if reason:
            self.in_a_row += 1
            kind = reason.split(":", 1)[0]
            self.reasons[kind] = self.reasons.get(kind, 0) + 1
        else:
            self.kept, self.seconds, self.in_a_row = self.kept + 1, self.seconds + seconds, 0


def clip_name(score: Score, index: int) -> str:
    """The name of clip number `index` of a score."""
    return f"{score.name}_{index:05d}"


def split_of(plan: Plan, score: Score, index: int) -> str:
    """ "train", "val" or "test", drawn from seed, name and number."""
    digest = hashlib.sha256(f"split/{plan.seed}/{score.name}/{index}".encode()).digest()
    drawn = int.from_bytes(digest[:8], "big") / 2.0**64
    return "train" if drawn >= plan.held_out else "val" if drawn < plan.held_out / 2 else "test"


def compose_clip(plan: Plan, score: Score, index: int, library: Library) -> Result:
    """One clip with its captions, or why it is left out."""
    name = clip_name(score, index)
    split = split_of(plan, score, index)
    drawn = draw(score, plan.seed, index, held_out=split != "train")
    try:
        figures, touches = composed(drawn, library)
        figures = touching(figures, drawn, touches)
        first, captions = captions_of(drawn, drawn.rng, plan.captions)
    except (ValueError, EngineError) as error:
        return Rejected(name, f"cannot be played: {' '.join(str(error).split())}", SOURCE)
    clip = PairClip(
        name,
        FPS,
        np.stack([figure.root for figure in figures]),
        np.stack([figure.local for figure in figures]),
        np.stack([SMPL22.offsets] * 2),
        ("actor", "other"),
        split=split,
        source=SOURCE,
    )
    reason = reason_against(clip, measure(clip, figures, touches, score.looks), score.accept)
    if reason is not None:
        return Rejected(name, reason, SOURCE)
    if drawn.mirrored:
        clip = clip.mirrored()
    if first == "other":
        clip = clip.swapped()
    return replace(clip, captions=tuple(captions))


def compose(
    plan: Plan,
    library: Library,
    writer: CacheWriter,
    *,
    earlier: Mapping[str, Sequence[tuple[str, float]]] | None = None,
    workers: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Tally]:
    """Add clips to the cache until every score has its seconds; returns how each fared.

    earlier: for each score what became of its first clips in earlier runs, (reason or "", seconds) in order.
    progress is called with ("composing", seconds done, seconds wanted).
    """
    progress = progress or (lambda *_: None)
    tallies = {score.name: Tally() for score in plan.scores}
    for name, results in (earlier or {}).items():
        for result in results:
            tallies[name].count(result)
    total = round(sum(plan.seconds.values()))
    progress("composing", _done(plan, tallies), total)
    for score, results in _results(plan, library, tallies, workers):
        tally = tallies[score.name]
        for result in results:
            if _enough(plan, score, tally):
                break
            tally.count(result)
            if isinstance(result, PairClip):
                writer.add(result, origin=score.name)
            else:
                writer.reject(result)
        progress("composing", _done(plan, tallies), total)
    if _done(plan, tallies) < total:
        progress("composing", total, total)
    return tallies


def _enough(plan: Plan, score: Score, tally: Tally) -> bool:
    return tally.seconds >= plan.seconds[score.name] or tally.in_a_row >= _GIVE_UP


def _done(plan: Plan, tallies: Mapping[str, Tally]) -> int:
    return round(sum(min(tally.seconds, plan.seconds[name]) for name, tally in tallies.items()))


def _results(
    plan: Plan, library: Library, tallies: Mapping[str, Tally], workers: int
) -> Iterator[tuple[Score, list[Result]]]:
    """Chunks of results, the scores in turn, each score's clips in order; some may come that nobody needs."""
    chunks = _chunks(plan, tallies)
    if workers == 1:
        _start_worker(plan, library)
        for n, first in chunks:
            yield plan.scores[n], _make_chunk(n, first)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (plan, library)) as pool:
        running: deque[tuple[int, Future[list[Result]]]] = deque()
        try:
            for n, first in chunks:
                running.append((n, pool.submit(_make_chunk, n, first)))
                # No further ahead than keeps everybody busy, or much is made that nobody needs.
                while len(running) > 2 * workers:
                    done, future = running.popleft()
                    yield plan.scores[done], future.result()
            while running:
                done, future = running.popleft()
                yield plan.scores[done], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _chunks(plan: Plan, tallies: Mapping[str, Tally]) -> Iterator[tuple[int, int]]:
    """(number of the score, number of the chunk's first clip), until all have enough."""
    next_clip = {score.name: tallies[score.name].tried for score in plan.scores}
    while True:
        wanting = [n for n, s in enumerate(plan.scores) if not _enough(plan, s, tallies[s.name])]
        if not wanting:
            return
        for n in wanting:
            score = plan.scores[n]
            if not _enough(plan, score, tallies[score.name]):
                yield n, next_clip[score.name]
                next_clip[score.name] += _CHUNK


_worker: tuple[Plan, Library] | None = None


def _start_worker(plan: Plan, library: Library) -> None:
    global _worker
    _worker = plan, library


def _make_chunk(n: int, first: int) -> list[Result]:
    assert _worker is not None
    plan, library = _worker
    return [compose_clip(plan, plan.scores[n], first + i, library) for i in range(_CHUNK)]


def default_workers() -> int:
    """As many processes as there are cores for this one."""
    return max(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 1)
