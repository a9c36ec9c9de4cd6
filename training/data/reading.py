# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and checking clips in chunks, in this process or in several."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
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


def read_clips(chunk: Chunk) -> Iterator[Result]:
    """Every clip of the chunk, checked and at 30 frames a second, or why it is left out.

    Whatever a loader raises over one clip costs that clip alone. Raises DataError where the source as a
    whole cannot be read.
    """
    seen: set[str] = set()
    try:
        for result in _read(chunk, chunk.names):
            seen.add(result.name)
            yield result
    except DataError:
        raise
    except Exception:
        # Which clip it was is not known: read those that are left one by one.
        for name in (name for name in chunk.names if name not in seen):
            seen.add(name)
            yield _read_alone(chunk, name)
    for name in chunk.names:
        if name not in seen:
            yield Rejected(name, "it cannot be read: the loader gave nothing", chunk.source)


def read_chunk(chunk: Chunk) -> list[Result]:
    """`read_clips` at once, for another process to run."""
    return list(read_clips(chunk))


def read_chunks(chunks: Sequence[Chunk], workers: int) -> Iterator[tuple[Chunk, Result]]:
    """Every clip of every chunk, in order; with several workers, read in as many processes."""
    if workers <= 1 or len(chunks) <= 1:
        for chunk in chunks:
            for result in read_clips(chunk):
                yield chunk, result
        return
    # Fresh processes: a copy of one that has started threads (torch, OpenMP) may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(chunks)), context, initializer=_begin_worker)
    waiting: deque[tuple[Chunk, Future[list[Result]]]] = deque()
    todo = iter(chunks)
    try:
        while True:
            # No more than a few in flight: results wait in memory until they are written.
            for chunk in itertools.islice(todo, 2 * workers - len(waiting)):
                waiting.append((chunk, pool.submit(read_chunk, chunk)))
            if not waiting:
                return
            chunk, future = waiting.popleft()
            for result in future.result():
                yield chunk, result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read(chunk: Chunk, names: tuple[str, ...]) -> Iterator[Result]:
    options = replace(chunk.options, names=frozenset(names))
    for result in loader(chunk.format_name).clips(chunk.path, options):
        yield _judged(replace(result, source=chunk.source))


def _read_alone(chunk: Chunk, name: str) -> Result:
    try:
        for result in _read(chunk, (name,)):
            if result.name == name:
                return result
    except DataError:
        raise
    except Exception as error:
        told = " ".join(str(error).split()) or type(error).__name__
        return Rejected(name, f"it cannot be read: {told}", chunk.source)
    return Rejected(name, "it cannot be read: the loader gave nothing", chunk.source)


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
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
