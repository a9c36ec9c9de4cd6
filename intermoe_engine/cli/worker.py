# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe worker`: the engine as a process that speaks JSON lines."""

from __future__ import annotations

import argparse


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `worker`."""
    parser = subparsers.add_parser(
        "worker",
        help="speak JSON lines over standard input and output (for programs)",
        description="Answer requests, JSON lines on standard input, until that ends.",
    )
    parser.add_argument("--log", metavar="FILE", help="where prints go ('-': standard error)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until the input ends."""
    from ..worker.server import run as serve

    return serve(args.log)
