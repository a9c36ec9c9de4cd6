# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe evaluate`: one table of figures, real motions beside generated ones."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EngineError, RequestError
from .progress import ProgressBar

if TYPE_CHECKING:
    from training.evaluation.embedding import Embedder

    from ..bundle import Bundle

RUN_EVALUATOR = "evaluator.safetensors"
EXTRA = 'evaluation needs more packages; install them with: pip install "intermoe-blender[train,cpu]"'


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `evaluate`."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score generated motions beside real ones",
        description=(
            "Score the motions of a bundle or a training run beside the real ones of prepared data: "
            "published metrics (with an evaluator), what an animator sees, who does what. Writes "
            "DIR/table.md and DIR/table.json. An interrupted evaluation is continued by the same command. "
            "Without --bundle and --run the real motions alone are scored."
        ),
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--bundle", metavar="PATH", help="model bundle")
    source.add_argument("--run", dest="training_run", type=Path, metavar="DIR", help="finished training run")
    parser.add_argument(
        "--data", required=True, type=Path, metavar="CACHE", help="prepared data (intermoe train prepare)"
    )
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="DIR", help="folder for the table"
    )
    parser.add_argument(
        "--evaluator",
        type=Path,
        metavar="FILE",
        help="interclip.ckpt, or a run's evaluator.safetensors (default: the one of --run, if it has one)",
    )
    parser.add_argument(
        "--tokenizer", type=Path, metavar="FILE", help="CLIP's tokenizer.json, for interclip.ckpt"
    )
    parser.add_argument(
        "--text-weights", default="", metavar="FILE", help="CLIP's weights, for an evaluator trained on them"
    )
    parser.add_argument(
        "--evaluator-heads", type=int, default=8, metavar="N", help="attention heads of interclip.ckpt"
    )
    parser.add_argument("--split", default="test", help='test (default), val, train, or "" for clips of none')
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="score N clips of the split")
    parser.add_argument(
        "--repetitions", type=int, default=20, metavar="N", help="of the published metrics (default 20)"
    )
    parser.add_argument(
        "--samples", type=int, default=1, metavar="K", help="motions generated for each clip (default 1)"
    )
    parser.add_argument(
        "--multimodality",
        type=int,
        nargs=2,
        default=(0, 0),
        metavar=("S", "K"),
        help="K motions of each of S sentences (default: none)",
    )
    parser.add_argument(
        "--published",
        action="store_true",
        help="the whole published protocol: --samples 20 --multimodality 100 30",
    )
    parser.add_argument(
        "--swaps", type=int, default=16, metavar="N", help="sentences tried with swapped roles (default 16)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (default 0)")
    parser.add_argument("--steps", type=int, metavar="N", help="sampling steps (default: the bundle's)")
    parser.add_argument("--guidance", type=float, metavar="G", help="guidance (default: the bundle's)")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Score and write. Returns the exit status."""
    for name, least in (("limit", 0), ("repetitions", 1), ("samples", 1), ("swaps", 0), ("seed", 0)):
        if getattr(args, name) < least:
            raise RequestError(f"--{name} must be {least} or more")
    texts, motions = args.multimodality
    if texts < 0 or not 0 <= motions <= 64:
        raise RequestError("--multimodality takes a number of sentences, and of motions up to 64")
    try:
        from training.data.cache import PairCache
        from training.evaluation.evaluate import (
            PUBLISHED_MULTIMODALITY,
            PUBLISHED_SAMPLES,
            EvaluationSettings,
            evaluate,
            write_report,
        )
        from training.evaluation.generation import MotionGenerator
    except ImportError as error:
        raise EngineError(f"{EXTRA} ({error})") from error
    from ..bundle import Bundle
    from ..generate import Engine

    settings = EvaluationSettings(
        split=args.split,
        limit=args.limit,
        repetitions=args.repetitions,
        samples=PUBLISHED_SAMPLES if args.published else args.samples,
        multimodality=PUBLISHED_MULTIMODALITY if args.published else (texts, motions),
        swaps=args.swaps,
        seed=args.seed,
    )
    cache = PairCache(args.data)
    bar = ProgressBar(log_seconds=60.0)
    with _bundle_path(args) as path:
        bundle = Bundle.open(path) if path is not None else None
        embedder = _embedder(args, bundle)
        generator = None
        if bundle is not None:
            generator = MotionGenerator(Engine(bundle, args.device), args.steps, args.guidance)
            print(f"bundle: {bundle.card.name} · device: {generator.engine.device}", file=sys.stderr)
        try:
            report = evaluate(cache, settings, generator, embedder, args.output / "parts", bar)
        except KeyboardInterrupt:
            print(f"\nthe same command goes on from {args.output / 'parts'}", file=sys.stderr)
            raise
        finally:
            bar.close()
    paths = write_report(report, args.output)
    print(paths[0].read_text(encoding="utf-8"))
    for written in paths:
        print(written)
    return 0


@contextlib.contextmanager
def _bundle_path(args: argparse.Namespace) -> Iterator[str | Path | None]:
    """The bundle to score: the one named, or one made of the training run for this time, in fp32."""
    if args.training_run is None:
        yield args.bundle
        return
    try:
        from export.run import ExportSettings, export_run
    except ImportError as error:
        raise EngineError(f"{EXTRA} ({error})") from error
    with tempfile.TemporaryDirectory(prefix="intermoe-evaluate-") as folder:
        settings = ExportSettings("fp32", "fp32", "fp32")
        bundle = Path(folder) / "run.zip"
        yield export_run(args.training_run, bundle, settings, text_weights=args.text_weights)


def _embedder(args: argparse.Namespace, bundle: Bundle | None) -> Embedder | None:
    path = args.evaluator
    if path is None and args.training_run is not None:
        trained = args.training_run / RUN_EVALUATOR
        path = trained if trained.is_file() else None
    if path is None:
        return None
    from training.evaluation.embedding import load_embedder

    tokenizer = args.tokenizer.read_bytes() if args.tokenizer is not None else None
    if tokenizer is None and bundle is not None and "tokenizer.json" in bundle.card.files:
        tokenizer = bundle.read("tokenizer.json")
    return load_embedder(
        path,
        heads=args.evaluator_heads,
        tokenizer_json=tokenizer,
        text_weights=args.text_weights,
        device=args.device,
    )
