# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe bench retarget`: what becomes of contacts, feet and limbs of pairs, beside two baselines."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `retarget`."""
    parser = subparsers.add_parser(
        "retarget",
        help="pairs of rigs of all proportions, beside two baselines",
        description="Retarget scripted contact motions, and captured salsa where INTERMOE_SHARED holds it, "
        "onto pairs of rigs; print one table in Markdown.",
    )
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write the table to this file too")
    parser.add_argument(
        "--rigs",
        metavar="DIR",
        type=Path,
        help="folder of rig descriptions (JSON, see docs/retargeting.md), each paired with the next",
    )
    parser.add_argument("--take", metavar="NAME", action="append", help="only these takes (may be repeated)")
    parser.add_argument(
        "--pair", metavar="A + B", action="append", help="these pairs of rigs instead (may be repeated)"
    )
    parser.add_argument(
        "--method", metavar="NAME", action="append", help="only these methods (may be repeated)"
    )
    parser.add_argument("--no-salsa", action="store_true", help="scripted takes alone")
    parser.add_argument(
        "--sheets", metavar="DIR", type=Path, help="draw contact sheets (PNG) into this folder"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, print, and write if asked to."""
    from ..atomic import replacing
    from .retarget_table import Choice, retarget_tables

    lines = []
    for line in retarget_tables(Choice(args.rigs, args.take, args.pair, args.method, not args.no_salsa)):
        print(line, flush=True)
        lines.append(line)
    if args.output is not None:
        with replacing(args.output) as temporary:
            temporary.write_text("\n".join([*lines, ""]), encoding="utf-8")
    if args.sheets is not None:
        from .sheets import draw_sheets

        for path in draw_sheets(args.sheets, not args.no_salsa):
            print(f"drew {path}")
    return 0
