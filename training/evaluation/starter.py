# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a starter has to show, in one table: `python -m training.evaluation.starter`.

The published protocol and the animator's figures of `intermoe evaluate`, and the checks of `starter_checks`,
on held-out clips with sentences that were never trained on. Without a bundle real motions alone are scored:
what the evaluator can tell at best.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from intermoe_engine.atomic import replacing
from intermoe_engine.bundle import Bundle
from intermoe_engine.cli.progress import ProgressBar
from intermoe_engine.errors import EngineError
from intermoe_engine.generate import Engine

from ..composer.score_reading import load_scores
from ..data.cache import PairCache
from .collect import Progress, make_plan
from .embedding import Embedder, load_embedder
from .evaluate import EvaluationSettings, chosen_clips, evaluate
from .generation import RememberingGenerator
from .phrases import PHRASES, load_phrases
from .starter_checks import StarterChecks
from .starter_material import Counts
from .starter_table import markdown
from .vae_error import reconstruction_errors

_BATCH = 32


def score(
    cache: PairCache,
    embedder: Embedder,
    generator: RememberingGenerator | None,
    settings: EvaluationSettings,
    counts: Counts,
    phrases: Path = PHRASES,
    work: Path | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """The report, ready for JSON: evaluation (see `evaluate`), checks (see `StarterChecks`), vae, notes.

    Raises RequestError where the split holds no captioned clip or the list of sentences cannot be read.
    """
    began = time.process_time()
    evaluation = evaluate(cache, settings, generator, embedder, work, progress)
    clips = chosen_clips(cache, settings)
    plan = make_plan(cache, clips, 1, settings.multimodality, 0, settings.seed)
    scores = {found.name: found for found in load_scores()}
    checks = StarterChecks(cache, plan, embedder, generator, scores, load_phrases(phrases), counts, progress)
    found = checks.all()
    vae = None
    if generator is not None:
        vae = reconstruction_errors(generator.engine.bundle, checks.real[:: max(len(clips) // 32, 1)])
    facts = f"{len(clips)} clips of the split {settings.split!r}, seed {settings.seed}."
    if evaluation["bundle"]:
        facts += f" Bundle {evaluation['bundle']['id']} ({evaluation['bundle']['sha256'][:12]}),"
        facts += f" {evaluation['bundle']['steps']} steps, guidance {evaluation['bundle']['guidance']:g}."
    return {
        "name": evaluation["name"],
        "facts": facts,
        "evaluation": evaluation,
        "checks": found,
        "vae": vae,
        "notes": evaluation["notes"],
        "cpu_seconds": round(time.process_time() - began, 1),
    }


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluation.starter",
        description="Score a starter on held-out clips of its cache; DIR/scores.md and DIR/scores.json.",
    )
    parser.add_argument("--bundle", type=Path, help="the starter (default: real motions alone)")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="CACHE", help="the cache it was trained on"
    )
    parser.add_argument("--evaluator", type=Path, required=True, help="evaluator.safetensors for that cache")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--split", default="test", help="test (default) or val")
    parser.add_argument("--limit", type=int, default=64, help="clips of the split (default 64; 0: all)")
    parser.add_argument("--multimodality", type=int, nargs=2, default=(8, 4), metavar=("S", "K"),
                        help="K motions of each of S sentences (default 8 4)")  # fmt: skip
    parser.add_argument("--swaps", type=int, default=10, help="pairs of sentences with roles swapped")
    parser.add_argument("--solves", type=int, default=10, help="takes that go through the contact solve")
    parser.add_argument("--prompts", type=int, default=1, help="sentences for each length")
    parser.add_argument("--phrases", type=Path, default=PHRASES, help="sentences that no score has (TOML)")
    parser.add_argument("--steps", type=int, help="sampling steps (default: the bundle's)")
    parser.add_argument("--guidance", type=float, help="guidance (default: the bundle's)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    settings = EvaluationSettings(
        split=args.split,
        limit=args.limit,
        multimodality=tuple(args.multimodality),
        swaps=0,
        seed=args.seed,
        batch=_BATCH,
    )
    counts = Counts(swaps=args.swaps, solves=args.solves, prompts=args.prompts)
    bar = ProgressBar(log_seconds=30.0)
    try:
        generator = None
        if args.bundle is not None:
            generator = RememberingGenerator(Engine(Bundle.open(args.bundle)), args.steps, args.guidance)
        embedder = load_embedder(args.evaluator)
        report = score(PairCache(args.data), embedder, generator, settings, counts, args.phrases, None, bar)
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        bar.close()
    text = markdown(report)
    for name, content in (("scores.md", text), ("scores.json", json.dumps(report, indent=1))):
        with replacing(args.output / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    print(text)
    print(f"{args.output / 'scores.md'} and scores.json; {report['cpu_seconds']:.0f} s of CPU time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
