# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe train prepare`: motion data of any known format into one cache, and what was left out and why."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from intermoe_engine.cli.progress import ProgressBar
from intermoe_engine.errors import RequestError

from .data.cache import REJECTED, CacheWriter, PairCache
from .data.checks import DataError, Rejected
from .data.loaders import FORMATS, LoaderOptions, detect, loader
from .data.pair_clip import PairClip
from .data.reading import Chunk, read_chunks

CONTACT_SHEET = "contact_sheet.png"
SAMPLES = 10
_CHUNK = 32
_SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class SplitRule:
    """Which split a clip belongs to.

    shares: of train, val and test, for clips whose source does not say; a clip's share is drawn from its
    name, so that it stays what it is when others come or go. fixed: one split for all clips.
    """

    shares: tuple[float, float, float] | None = None
    fixed: str = ""

    @staticmethod
    def parse(text: str) -> SplitRule:
        """From "own", "train", "val", "test", or shares such as "80/10/10". Raises RequestError."""
        if text == "own":
            return SplitRule()
        if text in _SPLITS:
            return SplitRule(fixed=text)
        try:
            numbers = [float(part) for part in text.split("/")]
        except ValueError:
            numbers = []
        if len(numbers) != 3 or min(numbers) < 0 or not 0 < sum(numbers) < float("inf"):
            raise RequestError(
                f"--split {text}: name own, train, val, test, or three shares such as 80/10/10"
            )
        total = sum(numbers)
        return SplitRule((numbers[0] / total, numbers[1] / total, numbers[2] / total))

    def of(self, clip: PairClip) -> str:
        """The clip's split."""
        if self.fixed:
            return self.fixed
        if clip.split or self.shares is None:
            return clip.split
        drawn = int.from_bytes(hashlib.sha256(clip.name.encode()).digest()[:8], "big") / 2.0**64
        train, val, _ = self.shares
        return "train" if drawn < train else "val" if drawn < train + val else "test"


@dataclass(frozen=True)
class Summary:
    """What a run of `prepare` did: clips added, left out, and found done already."""

    added: int
    rejected: int
    skipped: int


def prepare(
    sources: Iterable[Path],
    output: Path,
    *,
    format_name: str = "auto",
    options: LoaderOptions | None = None,
    split: SplitRule | None = None,
    workers: int = 1,
    retry_rejected: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    report: Callable[[Rejected], None] | None = None,
) -> Summary:
    """Read every source's clips into the cache at `output`, but for those that it has already.

    progress is called with (stage, done, total), report with every clip that is left out. An interruption at
    any time leaves a cache from which the next call goes on. Raises DataError, OSError.
    """
    options, split = options or LoaderOptions(), split or SplitRule()
    progress, report = progress or (lambda *_: None), report or (lambda _: None)
    with CacheWriter(output, retry_rejected) as writer:
        chunks, skipped = _plan(writer, sources, format_name, options, _CHUNK if workers > 1 else None)
        total, done = skipped + sum(len(chunk.names) for chunk in chunks), skipped
        added = rejected = 0
        progress("preparing", done, total)
        for chunk, result in read_chunks(chunks, workers):
            if isinstance(result, PairClip):
                writer.add(replace(result, split=split.of(result)), chunk.path.name)
                added += 1
            else:
                writer.reject(result)
                report(result)
                rejected += 1
            done += 1
            progress("preparing", done, total)
    return Summary(added, rejected, skipped)


def draw_contact_sheet(cache: PairCache, samples: int = SAMPLES, seed: int = 0) -> Path | None:
    """Write CACHE/contact_sheet.png with random clips; None where there is no clip to draw."""
    if not len(cache):
        return None
    from .data.contact_sheet import draw_clips, sample_clips  # matplotlib takes its time to load

    chosen = [cache.load(i) for i in sample_clips(samples, len(cache), seed)]
    return draw_clips(cache.path / CONTACT_SHEET, chosen)


def run(args: argparse.Namespace) -> int:
    """The command. Returns the exit status: 0, or 1 where it was stopped or nothing is in the cache."""
    if args.workers < 1:
        raise RequestError(f"--workers must be 1 or more, not {args.workers}")
    if args.format not in ("auto", *FORMATS):
        raise RequestError(f"--format {args.format}: there are auto, {', '.join(FORMATS)}")
    if args.captions is not None and not args.captions.is_file():
        raise RequestError(f"{args.captions}: there is no such table of captions")
    if args.scale is not None and not 0 < args.scale < float("inf"):
        raise RequestError(f"--scale {args.scale}: metres in one unit of the files, above zero")
    split = SplitRule.parse(args.split)
    bar = ProgressBar()

    def report(rejected: Rejected) -> None:
        bar.close()
        print(f"left out {rejected.source} {rejected.name}: {rejected.reason}", file=sys.stderr)

    try:
        summary = prepare(
            args.sources,
            args.output,
            format_name=args.format,
            options=LoaderOptions(
                captions=args.captions,
                body_models=args.body_models,
                source_fps=args.source_fps,
                scale=args.scale,
                up=args.up,
            ),
            split=split,
            workers=args.workers,
            retry_rejected=args.retry_rejected,
            progress=bar,
            report=report,
        )
    except KeyboardInterrupt:
        bar.close()
        print("stopped; what was read is kept, and the same command goes on from here", file=sys.stderr)
        return 1
    finally:
        bar.close()
    cache = PairCache(args.output)
    sheet = args.output / CONTACT_SHEET
    if summary.added or not sheet.is_file():
        sheet = draw_contact_sheet(cache)
    print("\n".join(_lines(cache, summary, sheet)))
    return 0 if len(cache) else 1


def _plan(
    writer: CacheWriter,
    sources: Iterable[Path],
    format_name: str,
    options: LoaderOptions,
    chunk_size: int | None,
) -> tuple[list[Chunk], int]:
    """What is to be read, up to `chunk_size` clips together (None: a source's all), and how many are done."""
    chunks: list[Chunk] = []
    skipped = 0
    planned: dict[tuple[str, str], Path] = {}
    for path in (Path(source) for source in sources):
        if not path.exists():
            raise DataError(f"{path}: nothing is there; check the path")
        # A source such as "." still has a name, by which its clips are known to come from it.
        path = path.resolve()
        chosen = detect(path) if format_name == "auto" else format_name
        source = loader(chosen).SOURCE
        todo = []
        for name in loader(chosen).names(path, options):
            before = planned.get((source, name))
            if before == path:
                continue
            origin = before.name if before is not None else writer.origin(name, source)
            if before is not None or origin not in ("", path.name):
                raise DataError(
                    f"{path}: its clip {name} has the name of one of {origin}; rename it, or prepare the two "
                    "sources into caches of their own"
                )
            planned[source, name] = path
            if writer.done(name, source):
                skipped += 1
            else:
                todo.append(name)
        size = chunk_size or max(len(todo), 1)
        chunks += [
            Chunk(path, chosen, source, tuple(todo[i : i + size]), options) for i in range(0, len(todo), size)
        ]
    return chunks, skipped


def _lines(cache: PairCache, summary: Summary, sheet: Path | None) -> Iterator[str]:
    minutes = sum(entry.frames / entry.fps for entry in cache.entries) / 60.0
    yield (
        f"{cache.path}: {len(cache)} clips, {minutes:.1f} minutes "
        f"({summary.added} new, {summary.skipped} done before), digest {cache.digest[:12]}"
    )
    counts = Counter((entry.source, entry.split or "no split") for entry in cache.entries)
    for (source, split), count in sorted(counts.items()):
        yield f"  {source}, {split}: {count}"
    bare = sum(not entry.captions for entry in cache.entries)
    if bare:
        yield f"  without captions: {bare}"
    if cache.rejected:
        reasons = Counter(r.reason.split(":", 1)[0] for r in cache.rejected)
        told = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        yield f"left out: {len(cache.rejected)} ({told}); each with its reason in {cache.path / REJECTED}"
    if sheet is not None:
        yield f"look at {sheet}"
