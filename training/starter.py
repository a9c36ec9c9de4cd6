# SPDX-License-Identifier: GPL-3.0-or-later
"""The starter from its data in one go: composed interactions, captured salsa, VAE, decoder, denoiser.

`python -m training.starter --clips DIR… --salsa DIR -o RUN` is `intermoe train compose` by
training/composer/starter.toml and `training.evaluation.salsa_set` into RUN/cache, then `intermoe train all`
by training/recipes/starter.toml. What is done is kept: the same command goes on from where it was stopped.
`python -m export --run RUN -o BUNDLE` makes a bundle of the run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from intermoe_engine.cli.main import main as intermoe

from .composer.library import CLIPS
from .evaluation import salsa_set

COMPOSE_RECIPE = CLIPS.parent / "starter.toml"
SALSA_SECONDS = ("5", "8")


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.starter", description=__doc__)
    parser.add_argument(
        "--clips",
        type=Path,
        nargs="+",
        required=True,
        help="folders of single-person clips (docs/composer.md)",
    )
    parser.add_argument("--salsa", type=Path, required=True, help="folder with 60_NN.bvh and 61_NN.bvh")
    parser.add_argument("--hours", type=float, help="hours of composed motion instead of the recipe's")
    parser.add_argument("--config", default="starter", help="training recipe (default: starter)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RUN", help="folder of the run")
    args = parser.parse_args(argv)
    cache, clips = str(args.output / "cache"), [str(folder) for folder in args.clips]
    hours = [] if args.hours is None else ["--hours", str(args.hours)]
    composed = intermoe(
        ["train", "compose", "--recipe", str(COMPOSE_RECIPE), *hours, "--clips", *clips, "-o", cache]
    )
    if composed:
        return composed
    if salsa_set.main(["--data", str(args.salsa), "--seconds", *SALSA_SECONDS, "-o", cache]):
        return 1
    return intermoe(["train", "all", "--config", args.config, "--data", cache, "-o", str(args.output)])


if __name__ == "__main__":
    sys.exit(main())
