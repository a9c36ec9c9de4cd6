# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe bench`: measure, and print one table."""

from __future__ import annotations

import argparse
import importlib

BENCHES = ("mapping", "retarget", "skins")
"""Modules of `intermoe_engine.bench`, each with add_parser(subparsers); imports there stay light."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `bench` with a subcommand for each benchmark."""
    parser = subparsers.add_parser(
        "bench", help="benchmarks of the engine", description="Measure a part of the engine."
    )
    benches = parser.add_subparsers(title="benchmarks", metavar="BENCHMARK", required=True)
    for name in BENCHES:
        importlib.import_module(f"intermoe_engine.bench.{name}").add_parser(benches)
