# SPDX-License-Identifier: GPL-3.0-or-later
"""What `intermoe train compose` does."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from intermoe_engine.atomic import replacing
from intermoe_engine.cli.progress import ProgressBar
from intermoe_engine.errors import EngineError, RequestError

from ..data.cache import CacheWriter, PairCache
from .captions import MOST
from .compose import SOURCE, Plan, Tally, clip_name, compose, default_workers
from .fields import read_table
from .library import CLIPS, load_library, read_table_of_clips
from .score import Score
from .score_reading import INTERACTIONS, load_scores

SHEETS = "sheets"
SHEET_ROWS = 6
_FACTS = ".composed.json"
_CLIPS_KEPT = ".clips"


@dataclass(frozen=True, kw_only=True)
class ComposeRecipe:
    """A recipe of `compose`, TOML with these keys; what the command line says goes before it.

    hours: of motion, shared evenly by the scores. share: for some scores how many times as much as the
    others. scores: a folder of scores instead of the built-in ones. clips: a table of clips instead of the
    built-in one. held_out: share of clips in the splits val and test. captions: of each clip, at most.
    """

    hours: float = 2.0
    seed: float = 0.0
    held_out: float = 0.1
    captions: float = float(MOST)
    scores: str = ""
    clips: str = ""
    only: tuple[str, ...] = ()
    share: Mapping[str, float] = dataclasses.field(default_factory=dict)


def run(args: argparse.Namespace) -> int:
    """The command. Returns the exit status: 0, or 1 where it was stopped or made nothing."""
    recipe, beside = _recipe(args)
    workers = default_workers() if args.workers is None else args.workers
    if workers < 1 or not recipe.hours > 0 or not 0 <= recipe.held_out < 1:
        raise RequestError("--workers and --hours must be above zero, held_out from 0 to below 1")
    scores = _chosen(load_scores(beside / recipe.scores if recipe.scores else INTERACTIONS), recipe.only)
    table = read_table_of_clips(beside / recipe.clips if recipe.clips else CLIPS)
    bar = ProgressBar(log_seconds=30.0)
    try:
        kept = args.clips_cache or args.output / _CLIPS_KEPT
        names = set().union(*(_clip_names(score) for score in scores))
        library = load_library(names, args.clips, kept, table, workers, bar)
        plan = Plan(scores, _seconds(scores, recipe), int(recipe.seed), recipe.held_out, int(recipe.captions))
        with CacheWriter(args.output) as writer:
            _same_as_before(args.output, scores, table, recipe)
            earlier = earlier_results(args.output, scores)
            tallies = compose(plan, library, writer, earlier=earlier, workers=workers, progress=bar)
    except KeyboardInterrupt:
        bar.close()
        print("stopped; what was made is kept, and the same command goes on from here", file=sys.stderr)
        return 1
    finally:
        bar.close()
    cache = PairCache(args.output)
    draw_sheets(cache, scores)
    print("\n".join(_lines(cache, plan, tallies)))
    return 0 if len(cache) else 1


def draw_sheets(cache: PairCache, scores: Sequence[Score], rows: int = SHEET_ROWS) -> None:
    """Write CACHE/sheets/NAME.png with the first clips of each score."""
    from ..data.contact_sheet import draw_clips  # matplotlib takes its time to load

    for score in scores:
        numbers = [i for i, e in enumerate(cache.entries) if e.origin == score.name][:rows]
        if numbers:
            draw_clips(cache.path / SHEETS / f"{score.name}.png", [cache.load(i) for i in numbers])


def _recipe(args: argparse.Namespace) -> tuple[ComposeRecipe, Path]:
    """The recipe with what the command line says, and the folder that its paths start from."""
    recipe, beside = ComposeRecipe(), Path.cwd()
    if args.recipe is not None:
        try:
            data = tomllib.loads(args.recipe.read_text(encoding="utf-8"))
            recipe, beside = read_table(ComposeRecipe, data, "recipe"), args.recipe.parent
        except (tomllib.TOMLDecodeError, ValueError) as error:
            raise RequestError(f"{args.recipe}: {error}") from None
    said = {key: getattr(args, key) for key in ("hours", "seed", "only") if getattr(args, key) is not None}
    said = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
    return dataclasses.replace(recipe, **said), beside


def _chosen(scores: Sequence[Score], only: Sequence[str]) -> list[Score]:
    names = [score.name for score in scores]
    unknown = sorted(set(only) - set(names))
    if unknown:
        raise RequestError(f"no score is called {', '.join(unknown)}; there are {', '.join(names)}")
    return [score for score in scores if not only or score.name in only]


def _clip_names(score: Score) -> set[str]:
    """The names of clips that a score may ask for, words with {…} filled in with every value."""
    names = score.clips()
    for key, variation in score.vary.items():
        values = getattr(variation, "values", ())
        names = {n.replace(f"{{{key}}}", str(v)) for n in names for v in (values or ("",))}
    return names


def _seconds(scores: Sequence[Score], recipe: ComposeRecipe) -> dict[str, float]:
    shares = {score.name: float(recipe.share.get(score.name, 1.0)) for score in scores}
    whole = sum(shares.values())
    return {name: recipe.hours * 3600.0 * share / whole for name, share in shares.items()}


def _same_as_before(
    output: Path, scores: Sequence[Score], table: Mapping[str, object], recipe: ComposeRecipe
) -> None:
    """Nobody goes on with other scores, clips or another seed: the cache would be a mixture."""
    facts = {score.name: _digest(repr(score)) for score in scores}
    facts |= {"clips table": _digest(repr(sorted(table.items()))), "seed": str(int(recipe.seed))}
    facts |= {"held_out": str(recipe.held_out)}
    file = output / _FACTS
    before: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    changed = [name for name, digest in facts.items() if before.get(name, digest) != digest]
    if changed:
        raise EngineError(f"{output} was composed with another {', '.join(changed)}; name a new folder")
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(before | facts, indent=0, sort_keys=True), encoding="utf-8")


def earlier_results(output: Path, scores: Sequence[Score]) -> dict[str, list[tuple[str, float]]]:
    """What became of each score's clips so far, in order (see `compose`)."""
    try:
        cache = PairCache(output)
    except EngineError:
        return {}
    known = {e.name: ("", e.frames / e.fps) for e in cache.entries if e.source == SOURCE}
    known |= {r.name: (r.reason, 0.0) for r in cache.rejected if r.source == SOURCE}
    earlier: dict[str, list[tuple[str, float]]] = {}
    for score in scores:
        results = earlier.setdefault(score.name, [])
        while (name := clip_name(score, len(results))) in known:
            results.append(known[name])
    return earlier


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _lines(cache: PairCache, plan: Plan, tallies: Mapping[str, Tally]) -> Iterator[str]:
    width = max(len(name) for name in tallies)
    yield f"{'interaction':<{width}}  clips  minutes  left out  reasons"
    for name, tally in sorted(tallies.items()):
        share = 1.0 - tally.kept / max(tally.tried, 1)
        reasons = ", ".join(
            f"{reason} {n}" for reason, n in sorted(tally.reasons.items(), key=lambda x: -x[1])
        )
        short = "" if tally.seconds >= plan.seconds[name] else "  TOO FEW: mend its score or its limits"
        yield f"{name:<{width}}  {tally.kept:5d}  {tally.seconds / 60:7.1f}  {share:7.0%}   {reasons}{short}"
    minutes = sum(entry.frames / entry.fps for entry in cache.entries) / 60.0
    tried, kept = sum(t.tried for t in tallies.values()), sum(t.kept for t in tallies.values())
    yield (
        f"{cache.path}: {len(cache)} clips, {minutes:.1f} minutes, {1 - kept / max(tried, 1):.0%} of {tried} "
        f"left out, digest {cache.digest[:12]}"
    )
    yield f"look at {cache.path / SHEETS}"
