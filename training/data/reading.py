# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and checking clips in chunks, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from .cache import FPS
from .checks import DataError, Rejected, check
from .loaders import LoaderOptions, loader
from .pair_clip import PairClip

Result = PairClip | Rejected


@dataclass(frozen=True)
class Chunk:
    """Some clips of one source, read together because opening a source costs time."""

    path: Path
    format_name: str
    source: str
    names: tuple[str, ...]
    options: LoaderOptions


def read_chunk(chunk: Chunk) -> list[Result]:
    """Every clip of the chunk, checked and at 30 frames a second, or why it is left out.

    Whatever a loader raises over one clip costs that clip alone. Raises DataError where the source as a
    whole cannot be read.
    """
    results: dict[str, Result] = {}
    try:
        _read(chunk, chunk.names, results)
    except DataError:
        raise
    except Exception:
        # Which clip it was is not known: read those that are left one by one.
        for name in (name for name in chunk.names if name not in results):
            try:
                _read(chunk, (name,), results)
            except DataError:
                raise
            except Exception as error:
                told = " ".join(str(error).split()) or type(error).__name__
                results[name] = Rejected(name, f"it cannot be read: {told}", chunk.source)
    for name in chunk.names:
        results.setdefault(name, Rejected(name, "it cannot be read: the loader gave nothing", chunk.source))
    return list(results.values())


def read_chunks(chunks: Sequence[Chunk], workers: int) -> Iterator[tuple[Chunk, list[Result]]]:
    """Every chunk with its results, in order; with several workers, in as many processes."""
    if workers <= 1 or len(chunks) <= 1:
        for chunk in chunks:
            yield chunk, read_chunk(chunk)
        return
    # Fresh processes: a copy of one that has started threads (torch, OpenMP) may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(chunks)), context, initializer=_begin_worker)
    try:
        waiting: deque[tuple[Chunk, Future[list[Result]]]] = deque()
        for chunk in chunks:
            waiting.append((chunk, pool.submit(read_chunk, chunk)))
            # No more than a few in flight: results wait in memory until they are written.
            if len(waiting) > 2 * workers:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read(chunk: Chunk, names: tuple[str, ...], results: dict[str, Result]) -> None:
    options = replace(chunk.options, names=frozenset(names))
    for result in loader(chunk.format_name).clips(chunk.path, options):
        results[result.name] = _judged(replace(result, source=chunk.source))


def _judged(result: Result) -> Result:
    if isinstance(result, Rejected):
        return result
    reason = check(result)
    return result.resampled(FPS) if reason is None else Rejected(result.name, reason, result.source)


def _begin_worker() -> None:
    """A worker leaves Ctrl-C to its parent, and ends when the parent does, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
