# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row of every name table, and of every character with positions, is mapped rightly or left empty."""

from __future__ import annotations

import numpy as np
import pytest

from intermoe_engine.bench.mapping import score
from intermoe_engine.bench.rig_tables import KnownRig, read_characters, read_tables
from intermoe_engine.retarget import find_bones
from tests.engine.retarget_rigs import SHARED_RIGS

TABLES = read_tables()
CHARACTERS = list(read_characters(SHARED_RIGS))
needs_characters = pytest.mark.skipif(not CHARACTERS, reason="the characters of others are not here")


def differences(known: KnownRig) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Row -> (expected, found) where they differ."""
    mapping = find_bones(known.rig)
    found = {row.joint: row.bones for row in mapping.rows}
    return {
        row: (known.rows.get(row, ()), bones)
        for row, bones in found.items()
        if bones != known.rows.get(row, ())
    }


def test_there_are_enough_tables() -> None:
    assert len(TABLES) >= 40
    assert len({tuple(t.rig.bone_names) for t in TABLES}) == len(TABLES)


@pytest.mark.parametrize("known", TABLES, ids=lambda t: t.name)
def test_name_table(known: KnownRig) -> None:
    assert differences(known) == {}


@needs_characters
@pytest.mark.parametrize("known", CHARACTERS, ids=lambda t: t.name)
def test_character(known: KnownRig) -> None:
    assert differences(known) == {}
    mapping = find_bones(known.rig)
    for row in mapping.body_rows:
        assert row.confidence > 0.8 and row.reason, row


@needs_characters
@pytest.mark.parametrize("known", CHARACTERS, ids=lambda t: t.name)
def test_character_with_shuffled_names(known: KnownRig) -> None:
    rng = np.random.default_rng(11)
    scores = [score(known.shuffled(rng)) for _ in range(5)]
    assert sum(len(s.wrong) for s in scores) == 0
    assert min(s.recall for s in scores) == 1.0
    nameless = known.renamed([f"Bone.{i:03d}" for i in rng.permutation(len(known.rig.bone_names))])
    assert differences(nameless) == {}
    assert all(row.confidence <= 0.9 for row in find_bones(nameless.rig).rows)


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_names_without_positions_map_nothing_wrong(seed: int) -> None:
    """Names in the wrong places and no positions: a row may only be filled where it is right by chance."""
    rng = np.random.default_rng(seed)
    for known in TABLES[::5]:
        assert find_bones(known.shuffled(rng).rig).missing(), known.name
