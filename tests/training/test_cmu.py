# SPDX-License-Identifier: GPL-3.0-or-later
"""The captured salsa, where the files are at hand: real distances, feet on the floor, no glitches."""

import numpy as np
import pytest

from intermoe_engine.formats.bvh_reader import read_bvh
from tests.shared import SHARED
from training.data.cmu import METRES_PER_UNIT, load_cmu_pair

FOLDER = SHARED / "data" / "cmu_pairs"

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="CMU's pairs are not at hand (INTERMOE_SHARED)")


def test_knees_and_elbows_are_where_they_were_captured():
    clip = load_cmu_pair(FOLDER, "05")
    source = read_bvh(FOLDER / "60_05.bvh")
    positions, _ = source.global_pose()
    ours = clip.positions()[0]
    for joint, bone in ((4, "lShin"), (19, "rForeArm"), (8, "rFoot"), (15, "head")):
        captured = positions[24:-24:4, source.names.index(bone)] * METRES_PER_UNIT
        difference = ours[: len(captured), joint] - captured
        # The floor is moved; beyond that only the low-pass may differ.
        difference[:, 1] -= np.median(difference[:, 1])
        assert np.median(np.linalg.norm(difference, axis=-1)) < 0.004, bone


@pytest.mark.parametrize("trial", ["02", "05", "13"])
def test_a_couple_dances_on_the_floor(trial):
    clip = load_cmu_pair(FOLDER, trial)
    positions = clip.positions()
    toes = positions[:, :, [10, 11], 1].min(axis=2)
    assert np.all(np.abs(np.percentile(toes, 10, axis=1) - 0.02) < 1e-6)
    assert toes.min() > -0.06
    apart = np.linalg.norm((positions[0, :, 0] - positions[1, :, 0])[:, [0, 2]], axis=-1)
    assert 0.4 < np.median(apart) < 1.2
    assert np.abs(np.diff(positions, axis=1)).max() * 30 < 13
    assert 1.4 < np.median(positions[0, :, 15, 1]) < 1.75
