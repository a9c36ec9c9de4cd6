# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m export`: a training run becomes a bundle."""

from __future__ import annotations

import argparse
import sys

from export.denoiser_graph import EXPERT_FORMS
from export.graph_builder import PRECISIONS
from export.run import ExportSettings, export_run
from intermoe_engine.errors import EngineError


def parser() -> argparse.ArgumentParser:
    """The command line of the export."""
    standard = ExportSettings()
    arguments = argparse.ArgumentParser(
        prog="python -m export", description="Make a bundle of a training run."
    )
    arguments.add_argument("--run", required=True, metavar="DIR", help="folder of the finished training run")
    arguments.add_argument(
        "-o", "--output", required=True, metavar="PATH", help="bundle to write: .zip, or a new folder"
    )
    for part in ("denoiser", "vae", "text-encoder"):
        usual = getattr(standard, f"{part}_precision".replace("-", "_"))
        arguments.add_argument(
            f"--{part}-precision",
            choices=PRECISIONS,
            default=usual,
            help=f"how its weights are stored (default: {usual or 'int8-storage, of CLIP fp16-storage'}); "
            "arithmetic is float32 in any case",
        )
    arguments.add_argument(
        "--experts",
        choices=EXPERT_FORMS,
        default=standard.experts,
        help="sparse (default): each expert computes its own frames; dense: all of them, in fixed shapes",
    )
    arguments.add_argument(
        "--text-weights",
        default="",
        metavar="FILE",
        help="CLIP's weights, for a run that was trained by them (default: where the recipe says)",
    )
    arguments.add_argument(
        "--max-megabytes", type=float, metavar="MB", help="refuse when the graphs weigh more together"
    )
    return arguments


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 refused or failed, 2 wrong command line."""
    options = parser().parse_args(argv)
    settings = ExportSettings(
        options.denoiser_precision, options.vae_precision, options.text_encoder_precision, options.experts
    )
    try:
        export_run(
            options.run, options.output, settings, options.max_megabytes, options.text_weights, log=print
        )
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
