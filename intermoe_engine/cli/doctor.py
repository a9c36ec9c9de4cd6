# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe doctor`: what is installed, what works, and what to do about the rest."""

from __future__ import annotations

import argparse


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `doctor`."""
    parser = subparsers.add_parser("doctor", help="check the installation and say what is missing")
    parser.add_argument(
        "--bundle", metavar="PATH", help="model bundle (default: $INTERMOE_BUNDLE, then the starter)"
    )
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print every check as it is done. Returns 1 when one failed."""
    from ..health import FAILED, examine

    failed = False
    for check in examine(args.bundle, args.device):
        print(f"{check.state:<6}  {check.name:<14}  {check.detail}", flush=True)
        failed |= check.state == FAILED
    return int(failed)
