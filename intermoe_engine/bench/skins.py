# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe bench skins`: what an animator looks at, takes on skinned characters from two angles."""

from __future__ import annotations

import argparse
from pathlib import Path

_MODULE = "blender_addon.headless.skins"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `skins`."""
    parser = subparsers.add_parser(
        "skins",
        help="contact sheets of takes on skinned characters",
        description="Retarget takes onto pairs of characters with skin and draw a contact sheet of each: "
        "for each pair a row of moments from two angles. Needs the extra 'blender'.",
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="DIR", type=Path, help="folder for the sheets"
    )
    parser.add_argument(
        "--take",
        metavar="TAKE",
        action="append",
        help="a scripted take, salsa (captured, INTERMOE_SHARED holds it), or a take file; may be repeated "
        "(default: handshake, hug, salsa)",
    )
    parser.add_argument(
        "--pair",
        metavar=("A", "B"),
        nargs=2,
        action="append",
        help="two characters: a rig file, terra, slate, or rigify (generated), each with *SIZE if wanted, as "
        "in 'terra*0.7'; may be repeated (default: three pairs with the rigs of INTERMOE_SHARED)",
    )
    parser.add_argument("--columns", metavar="N", type=int, default=4, help="moments of a take (default: 4)")
    parser.add_argument("--size", metavar="PX", type=int, default=300, help="of each picture (default: 300)")
    parser.add_argument("--format", choices=("jpg", "png"), default="jpg", help="of the sheets")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Hand over to Blender's module. Returns its exit status. Raises EngineError without it."""
    from ..cli.blender_process import run_in_blender

    command = ["-o", str(args.output), "--columns", str(args.columns), "--size", str(args.size)]
    command += ["--format", args.format]
    for take in args.take or ():
        command += ["--take", take]
    for pair in args.pair or ():
        command += ["--pair", *pair]
    return run_in_blender(_MODULE, command, "drawing characters")
