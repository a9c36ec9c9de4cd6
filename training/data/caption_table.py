# SPDX-License-Identifier: GPL-3.0-or-later
"""The table that says which two files make a pair and what they do.

A TSV or CSV file with a heading:

    name  file_a  file_b  caption  role_a  role_b  split  offset_b_x  offset_b_z  turn_b

Only file_a, file_b are needed. A clip with several captions has several rows of one name. The offsets
(metres) and the turn (degrees, about the vertical) place person B where the two files were not captured
together; both are in the project's space, y up. Lines that begin with # are comments.

Without a heading, three columns are read as trial A, trial B and caption, as in lists of CMU's trials.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

from .checks import DataError

COLUMNS = (
    "name",
    "file_a",
    "file_b",
    "caption",
    "role_a",
    "role_b",
    "split",
    "offset_b_x",
    "offset_b_z",
    "turn_b",
)
SPLITS = ("", "train", "val", "test")
SUFFIXES = (".tsv", ".csv")


@dataclass(frozen=True)
class PairRow:
    """One pair: files (or trials, or clips in a file) of A and B, and what the table says of them.

    placement: (x, z, turn in degrees) of person B where the table gives it.
    """

    name: str
    file_a: str
    file_b: str
    captions: tuple[str, ...] = ()
    roles: tuple[str, str] = ("", "")
    split: str = ""
    placement: tuple[float, float, float] | None = None


def read_table(path: Path) -> list[PairRow]:
    """The pairs of a table in its order. Raises DataError, naming the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the captions table cannot be read ({error}); save it as UTF-8") from None
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"]
    if not lines:
        raise DataError(f"{path}: the captions table is empty; give it the columns file_a, file_b, caption")
    delimiter = "\t" if "\t" in lines[0][1] else "," if path.suffix.lower() == ".csv" else "\t"
    cells = [(n, [cell.strip() for cell in _split(line, delimiter)]) for n, line in lines]
    heading = [cell.lower() for cell in cells[0][1]]
    if "file_a" in heading and "file_b" in heading:
        unknown = [name for name in heading if name not in COLUMNS]
        if unknown:
            raise DataError(f"{path}: unknown column {unknown[0]!r}; the columns are {', '.join(COLUMNS)}")
        cells = cells[1:]
    elif len(heading) == 3:
        heading = ["file_a", "file_b", "caption"]
    else:
        raise DataError(f"{path}: the first line names no columns; it should be {', '.join(COLUMNS[:4])}")
    rows: dict[str, PairRow] = {}
    for number, values in cells:
        if len(values) > len(heading):
            raise DataError(
                f"{path}, line {number}: {len(values)} cells under {len(heading)} columns; quote the caption"
            )
        row = _row(path, number, dict(zip(heading, values, strict=False)))
        known = rows.get(row.name)
        if known is not None and replace(known, captions=()) != replace(row, captions=()):
            raise DataError(f"{path}, line {number}: {row.name} is another pair further up; rename one")
        captions = (known.captions if known else ()) + row.captions
        rows[row.name] = replace(row, captions=tuple(dict.fromkeys(captions)))
    return list(rows.values())


def find_tables(folder: Path) -> list[Path]:
    """The captions tables in a folder: TSV or CSV files with a pair's columns, or called captions…"""
    found = []
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        if file.suffix.lower() in SUFFIXES and (
            file.name.lower().startswith("captions") or has_heading(file)
        ):
            found.append(file)
    return found


def has_heading(file: Path) -> bool:
    """Whether a table names its columns."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace") as lines:
            first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    except OSError:
        return False
    return "file_a" in first.lower() and "file_b" in first.lower()


def _split(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter))


def _row(path: Path, number: int, cells: dict[str, str]) -> PairRow:
    a, b = cells.get("file_a", ""), cells.get("file_b", "")
    if not a or not b:
        raise DataError(f"{path}, line {number}: file_a or file_b is empty; name both files of the pair")
    split = cells.get("split", "").lower()
    if split not in SPLITS:
        raise DataError(f"{path}, line {number}: split is {split!r}, not one of train, val, test")
    placing = [cells.get(key, "") for key in ("offset_b_x", "offset_b_z", "turn_b")]
    try:
        placement = (float(placing[0] or 0), float(placing[1] or 0), float(placing[2] or 0))
    except ValueError:
        raise DataError(f"{path}, line {number}: offset_b_x, offset_b_z and turn_b are numbers") from None
    return PairRow(
        cells.get("name") or f"{_stem(a)}_{_stem(b)}",
        a,
        b,
        (cells["caption"],) if cells.get("caption") else (),
        (cells.get("role_a", ""), cells.get("role_b", "")),
        split,
        placement if any(placing) else None,
    )


def _stem(file: str) -> str:
    """A file's name without folders and suffixes; a clip's name inside a file is kept."""
    name, _, clip = file.partition("#")
    stem = Path(name).name.split(".")[0]
    return f"{stem}-{clip.replace('/', '-').replace('|', '-')}" if clip else stem
