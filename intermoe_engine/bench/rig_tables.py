# SPDX-License-Identifier: GPL-3.0-or-later
"""Known rigs with their right mapping: name tables, and the files of freely licensed characters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..formats.gltf_skeleton import read_gltf_skeleton
from ..formats.mpfb_rig import read_mpfb_rig
from ..retarget.mapping import SLOTS
from ..retarget.rig import RigDescription

TABLES = Path(__file__).parents[2] / "tests" / "engine" / "retarget" / "tables"
"""The name tables of a source checkout; an installed package has none."""

_CHARACTERS = (
    ("mesh2motion/human-male.glb", "mesh2motion"),
    ("mesh2motion/human-female.glb", "mesh2motion"),
    ("kenney/human-kenney.glb", "kenney"),
    ("kaykit/manny_med_mod.gltf", "kaykit"),
    ("mpfb2/rig.default.json", "makehuman_default_no_toes"),
    ("mpfb2/rig.game_engine.json", "makehuman_game_engine"),
    ("mpfb2/rig.mixamo.json", "mixamo"),
)

Rows = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class KnownRig:
    """A rig and its right mapping: row -> bones from bottom to top; other rows are to stay empty."""

    name: str
    title: str
    rig: RigDescription
    rows: Rows

    def shuffled(self, rng: np.random.Generator) -> KnownRig:
        """The same rig with the names of its bones exchanged at random."""
        names = [self.rig.bone_names[i] for i in rng.permutation(len(self.rig.bone_names))]
        return self.renamed(names)

    def renamed(self, names: list[str]) -> KnownRig:
        """The same rig with other bone names, in the order of its bones."""
        new = dict(zip(self.rig.bone_names, names, strict=True))
        rig = RigDescription.from_dict({**self.rig.to_dict(), "bone_names": names})
        rows = {row: tuple(new[b] for b in bones) for row, bones in self.rows.items()}
        return KnownRig(self.name, self.title, rig, rows)


def read_table(path: Path) -> KnownRig:
    """A name table: a line "# title", a header, then bone, parent and row, tab-separated, parents first.

    The bones have no geometry: all lie at the origin, so that names and hierarchy alone can map them.
    """
    title, _, *lines = path.read_text(encoding="utf-8").splitlines()
    cells = [line.split("\t") for line in lines if line]
    names = [bone for bone, _, _ in cells]
    number = {name: i for i, name in enumerate(names)}
    parents = np.array([number[parent] if parent else -1 for _, parent, _ in cells])
    rig = RigDescription(
        path.stem, names, parents, np.tile(np.eye(4), (len(names), 1, 1)), np.ones(len(names))
    )
    found: dict[str, list[str]] = {}
    for bone, _, row in cells:
        if row:
            found.setdefault(row, []).append(bone)
    rows = {row: tuple(found[row]) for row in SLOTS if row in found}
    return KnownRig(path.stem, title.lstrip("# "), rig, rows)


def read_tables(folder: Path = TABLES) -> list[KnownRig]:
    """All name tables of a folder, by name."""
    return [read_table(path) for path in sorted(folder.glob("*.tsv"))]


def read_characters(folder: Path, tables: Path = TABLES) -> Iterator[KnownRig]:
    """The characters found under a folder, with their geometry; their rows are those of a name table."""
    for file, table in _CHARACTERS:
        if (folder / file).is_file():
            read = read_mpfb_rig if file.endswith(".json") else read_gltf_skeleton
            rig, known = read(folder / file), read_table(tables / f"{table}.tsv")
            rows = {row: tuple(b for b in bones if b in rig.index) for row, bones in known.rows.items()}
            yield KnownRig(rig.name, known.title, rig, {row: bones for row, bones in rows.items() if bones})
