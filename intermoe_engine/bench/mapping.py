# SPDX-License-Identifier: GPL-3.0-or-later
"""`intermoe bench mapping`: how many rows of the automatic bone mapping are right, rig by rig."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EngineError

if TYPE_CHECKING:
    from .rig_tables import KnownRig

_SEED = 7


@dataclass(frozen=True)
class Score:
    """Rows of one rig: expected to be filled, filled rightly, and filled wrongly.

    A row is right when it holds exactly the expected bones in their order.
    """

    expected: int
    right: int
    wrong: tuple[str, ...]

    @property
    def precision(self) -> float:
        """The share of filled rows that are right."""
        filled = self.right + len(self.wrong)
        return self.right / filled if filled else 1.0

    @property
    def recall(self) -> float:
        """The share of expected rows that are filled rightly."""
        return self.right / self.expected if self.expected else 1.0


def score(known: KnownRig) -> Score:
    """Map a rig and compare with what is known."""
    from ..retarget.mapping import find_bones

    mapping = find_bones(known.rig)
    filled = {row.joint: row.bones for row in mapping.rows if row.bones}
    right = sum(known.rows.get(row) == bones for row, bones in filled.items())
    wrong = tuple(row for row, bones in filled.items() if known.rows.get(row) != bones)
    return Score(len(known.rows), right, wrong)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `mapping`."""
    parser = subparsers.add_parser(
        "mapping",
        help="rows of the automatic bone mapping that are right",
        description="Map name tables and characters, as they are and with shuffled names.",
    )
    parser.add_argument(
        "--tables", metavar="DIR", type=Path, help="folder of name tables (default: the checkout's)"
    )
    parser.add_argument(
        "--rigs", metavar="DIR", type=Path, help="folder of characters (default: $INTERMOE_SHARED/rigs)"
    )
    parser.add_argument(
        "--shuffles", metavar="N", type=int, default=10, help="shuffles of each (default: 10)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    import numpy as np

    from .rig_tables import TABLES, read_characters, read_tables
    from .takes import shared_folder

    tables = args.tables or TABLES
    known = read_tables(tables)
    if not known:
        raise EngineError(f"there are no name tables (*.tsv) in {tables}; give their folder with --tables")
    folder = args.rigs or shared_folder() / "rigs"
    characters = list(read_characters(folder, tables)) if folder.is_dir() else []
    rng = np.random.default_rng(_SEED)
    print(f"{'rig':32} {'bones':>5} {'rows':>5} {'precision':>9} {'recall':>7}  wrong rows")
    totals = [
        _print_group("name tables, without positions", [(k.name, [k]) for k in known]),
        _print_group("characters", [(k.name, [k]) for k in characters]),
        _print_group(
            f"characters, {args.shuffles} times with shuffled names",
            [(k.name, [k.shuffled(rng) for _ in range(args.shuffles)]) for k in characters],
        ),
    ]
    if not characters:
        print(f"no characters in {folder}; give their folder with --rigs")
    return 0 if all(not wrong for wrong in totals[:2]) else 1


def _print_group(title: str, group: list[tuple[str, list[KnownRig]]]) -> int:
    """Print a line for each rig and one for all; the number of wrong rows."""
    scores = [(name, rigs, [score(rig) for rig in rigs]) for name, rigs in group]
    print(f"-- {title}: {len(scores)}")
    for name, rigs, each in scores:
        print(f"{name:32} {len(rigs[0].rig.bone_names):5} {_line(each)}")
    if scores:
        print(f"{'all':38} {_line([s for _, _, each in scores for s in each])}")
    return sum(len(s.wrong) for _, _, each in scores for s in each)


def _line(scores: list[Score]) -> str:
    expected, right = sum(s.expected for s in scores), sum(s.right for s in scores)
    wrong = [row for s in scores for row in s.wrong]
    total = Score(expected, right, tuple(wrong))
    named = " ".join(sorted(set(wrong))[:6])
    return f"{expected:5} {100 * total.precision:8.1f}% {100 * total.recall:6.1f}%  {named}"
