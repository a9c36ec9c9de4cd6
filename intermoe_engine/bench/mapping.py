# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe bench mapping`: how many rows of the bone mapping are right, rig by rig."""

from __future__ import annotations

import argparse


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `mapping`."""
    parser = subparsers.add_parser("mapping", help="automatic bone mapping on known rigs and name tables")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    raise NotImplementedError
