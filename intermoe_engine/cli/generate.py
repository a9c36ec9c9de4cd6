# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe generate`: one sentence to a take file, or to two BVH files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic import replacing_all
from ..errors import RequestError
from .progress import ProgressBar

if TYPE_CHECKING:
    from ..take import Take


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `generate`."""
    parser = subparsers.add_parser(
        "generate",
        help="a sentence to the motion of two people",
        description="Generate the motion of two people from one sentence.",
    )
    parser.add_argument("prompt", metavar="TEXT", help="what the two people do")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="OUT",
        help="OUT.npz, or OUT.bvh for two BVH files",
    )
    parser.add_argument(
        "--duration",
        type=float,
        metavar="S",
        help="seconds (default: as long as what is asked for usually takes, else 5)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="one seed is one motion (default 0)")
    parser.add_argument("--steps", type=int, metavar="N", help="sampling steps (default: the bundle's)")
    parser.add_argument("--guidance", type=float, metavar="G", help="how closely to follow the sentence")
    parser.add_argument(
        "--variations",
        type=int,
        default=1,
        metavar="K",
        help="K motions of seeds N, N+1, ... (OUT_1, OUT_2, ...)",
    )
    parser.add_argument(
        "--bundle", metavar="PATH", help="model bundle (default: $INTERMOE_BUNDLE, then the starter)"
    )
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--no-cleanup", action="store_true", help="leave floor, feet and jitter as decoded")
    parser.add_argument(
        "--keep-apart",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="part bodies that pass through each other (default; not with --no-cleanup)",
    )
    parser.add_argument(
        "--fps", type=float, metavar="F", help="resample to this frame rate (default: the model's)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Generate and write. Returns the exit status."""
    output: Path = args.output
    if output.suffix.lower() not in (".npz", ".bvh") or not output.stem:
        raise RequestError(f"the output must end in .npz or .bvh (it is {output.name!r})")
    if args.fps is not None and not 1.0 <= args.fps <= 1000.0:
        raise RequestError("--fps must be from 1 to 1000")

    from ..bundle import Bundle
    from ..generate import Engine, GenerateRequest
    from ..runtime.text import clean_prompt

    clean_prompt(args.prompt)
    bundle = Bundle.open(args.bundle)
    request = GenerateRequest(
        prompt=args.prompt,
        duration=args.duration,
        seed=args.seed,
        steps=args.steps,
        guidance=args.guidance,
        variations=args.variations,
        cleanup=not args.no_cleanup,
        keep_apart=args.keep_apart,
    )
    engine = Engine(bundle, args.device)
    engine.check(request)
    reason = " (no CUDA session to be had)" if args.device == "auto" and engine.device == "cpu" else ""
    print(f"bundle: {bundle.card.name} · device: {engine.device}{reason}", file=sys.stderr)
    bar = ProgressBar()
    files = _files(output, args.variations)
    with replacing_all(files) as temporaries:
        for temporary in temporaries:
            temporary.touch()  # what cannot be written is known before the work is done
        try:
            takes = engine.generate(request, bar)
        finally:
            bar.close()
        for warning in takes[0].meta["warnings"]:
            print(f"warning: {warning}", file=sys.stderr)
        if args.duration is None:
            print(f"length: {takes[0].meta['duration']:g} s (--duration S for another)", file=sys.stderr)
        if args.fps is not None:
            takes = [take.resampled(args.fps) for take in takes]
        _write(takes, temporaries, output.suffix.lower() == ".bvh")
    print(*files, sep="\n")
    return 0


def _files(output: Path, count: int) -> list[Path]:
    """What is written: OUT.npz, or OUT_a.bvh and OUT_b.bvh; OUT_1, OUT_2 … of several takes."""
    from ..formats.bvh_writer import bvh_paths

    takes = [output]
    if count > 1:
        takes = [output.with_name(f"{output.stem}_{k}{output.suffix}") for k in range(1, count + 1)]
    return [path for take in takes for path in bvh_paths(take)] if output.suffix.lower() == ".bvh" else takes


def _write(takes: list[Take], files: list[Path], as_bvh: bool) -> None:
    from ..formats.bvh_writer import bvh_text

    if as_bvh:
        texts = [bvh_text(actor, take.fps) for take in takes for actor in take.actors]
        for text, file in zip(texts, files, strict=True):
            file.write_text(text, encoding="utf-8", newline="\n")
    else:
        for take, file in zip(takes, files, strict=True):
            take.save(file)
