# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe train prepare|…`: motion data to a cache, and a cache to a model."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from ..errors import EngineError

EXTRA = 'training needs more packages; install them with: pip install "intermoe-blender[train]"'

STAGES = {
    "vae": "train the VAE that turns motion into latents",
    "denoiser": "train the denoiser and text head on a run's VAE",
    "evaluator": "train the encoder of sentences and pairs that `intermoe evaluate` scores with",
    "all": "the VAE, then the denoiser",
}


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `train` with its actions."""
    parser = subparsers.add_parser("train", help="prepare motion data and train a model on it")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_prepare(actions)
    _add_compose(actions)
    for stage, text in STAGES.items():
        _add_stage(actions, stage, text)


def _add_prepare(actions: argparse._SubParsersAction) -> None:
    parser = actions.add_parser(
        "prepare",
        help="motion data of any known format into one cache",
        description=(
            "Read motion data into a cache of compact shards. Unfit clips are listed with the reason in "
            "CACHE/rejected.tsv; CACHE/contact_sheet.png shows random samples. What is done is skipped, "
            "so an interrupted run is continued by the same command."
        ),
    )
    parser.add_argument(
        "sources", nargs="+", type=Path, metavar="SOURCE", help="a folder or file of motion data"
    )
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="CACHE", help="folder of the cache"
    )
    parser.add_argument("--format", default="auto", metavar="F", help="format of the sources (default: auto)")
    parser.add_argument("--captions", type=Path, metavar="FILE", help="table of captions (TSV)")
    parser.add_argument(
        "--split",
        default="own",
        metavar="S",
        help="own (default: as the source says), train, val, test, or shares such as 80/10/10",
    )
    parser.add_argument(
        "--body-models", type=Path, metavar="DIR", help="folder of SMPL-X model files (Inter-X)"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that read (default 1)")
    parser.add_argument(
        "--source-fps", type=float, metavar="F", help="frame rate of files that do not say it (Inter-X)"
    )
    parser.add_argument(
        "--scale", type=float, metavar="M", help="metres in one unit of BVH or ASF files (default: found out)"
    )
    parser.add_argument("--up", metavar="AXIS", help="their up axis, such as y or -z (default: found out)")
    parser.add_argument(
        "--retry-rejected", action="store_true", help="read the clips anew that were left out before"
    )
    parser.set_defaults(run=_run_of("training.prepare"))


def _add_compose(actions: argparse._SubParsersAction) -> None:
    parser = actions.add_parser(
        "compose",
        help="captioned pairs out of single-person clips",
        description=(
            "Compose captioned interactions of two people out of clips of one, as the scores of "
            "training/composer/interactions or your own say, into a cache to train on. Clips that slide, "
            "jerk, pass through each other or do not meet are left out and counted; CACHE/sheets shows "
            "samples. A run that was stopped goes on by the same command."
        ),
    )
    parser.add_argument(
        "--clips", nargs="+", required=True, type=Path, metavar="DIR", help="folders of single-person clips"
    )
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="hours, scores and shares (TOML)")
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="CACHE", help="folder of the cache"
    )
    parser.add_argument("--hours", type=float, metavar="H", help="hours of motion in all (default 2)")
    parser.add_argument("--seed", type=int, metavar="N", help="another seed, other clips (default 0)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each core)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these interactions only")
    parser.add_argument(
        "--clips-cache", type=Path, metavar="DIR", help="where read clips are kept (default: in CACHE)"
    )
    parser.set_defaults(run=_run_of("training.composer.command"))


def _add_stage(actions: argparse._SubParsersAction, stage: str, text: str) -> None:
    parser = actions.add_parser(
        stage,
        help=text,
        description=(
            f"{text[0].upper()}{text[1:]}. A run that was stopped goes on where it was by the same command."
        ),
    )
    parser.add_argument(
        "--config",
        "--recipe",
        metavar="FILE|NAME",
        help="recipe: a .toml file, or starter, salsa, interhuman, interx, studio (default: the run's own)",
    )
    parser.add_argument("--data", required=True, type=Path, metavar="CACHE", help="what `prepare` made")
    parser.add_argument(
        "-o", "--output", "--run", required=True, type=Path, metavar="RUN", help="folder of the run"
    )
    parser.add_argument("--resume", action="store_true", help="go on; an error where nothing was begun")
    parser.add_argument(
        "--devices",
        type=int,
        default=0,
        metavar="N",
        help="devices of each machine (default: all GPUs, or 1)",
    )
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="machines (default 1)")
    parser.add_argument("--accelerator", choices=("auto", "gpu", "cpu"), default="auto")
    parser.add_argument(
        "--precision",
        choices=("auto", "32", "bf16", "16"),
        help="instead of the recipe's (see docs/training.md)",
    )
    parser.add_argument(
        "--text-weights", metavar="F", help="CLIP's file or folder, instead of the recipe's [text] weights"
    )
    parser.add_argument(
        "--profile", action="store_true", help="measure loader, step and memory for some steps, train nothing"
    )
    parser.set_defaults(run=_run_of("training.command"), stage=stage)


def _run_of(module: str) -> Callable[[argparse.Namespace], int]:
    """The `run` of a module that needs the training packages, which are imported only then."""

    def run(args: argparse.Namespace) -> int:
        try:
            action = import_module(module).run
        except ImportError as error:
            raise EngineError(f"{EXTRA} ({error})") from error
        return action(args)

    return run
