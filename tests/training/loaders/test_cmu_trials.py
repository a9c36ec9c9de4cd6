# SPDX-License-Identifier: GPL-3.0-or-later
"""CMU's two-person trials are found by their names, in any of their formats, with their captions."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from tests.shared import SHARED
from tests.training.loaders.known_people import MIXAMO, known_pair, on_skeleton, write_bvh
from tests.training.loaders.test_asf_amc import TRUTH, write_trial
from training.data.checks import Rejected, check
from training.data.cmu import load_cmu_pair
from training.data.loaders import LoaderOptions, cmu, detect
from training.data.pair_clip import PairClip

PAIRS = SHARED / "data" / "cmu_pairs"
TABLE = "# a list of CMU's trials\n18_01\t19_01\tA pulls B; B resists\n22_05\t23_05\tA comforts B\n"


def test_trials_by_name_in_both_formats(tmp_path):
    folder = tmp_path / "subjects"
    folder.mkdir()
    write_trial(folder, "18", 0)
    write_trial(folder, "19", 1, zipped=True)
    (folder / "deeper").mkdir()
    for person, subject in enumerate((22, 23)):
        write_bvh(
            folder / "deeper" / f"{subject}_05.bvh", on_skeleton(TRUTH, person, MIXAMO, unit=0.01), TRUTH.fps
        )
    zipped = gzip.compress((folder / "deeper" / "23_05.bvh").read_bytes())
    (folder / "deeper" / "23_05.bvh").unlink()
    (folder / "deeper" / "23_05.bvh.gz").write_bytes(zipped)
    (folder / "deeper" / "33_01.bvh").write_text("its partner is missing")
    (folder / "captions.tsv").write_text(TABLE)
    assert detect(folder) == "cmu"
    assert cmu.names(folder) == ["cmu_18_19_01", "cmu_22_23_05"]
    for clip, caption in zip(
        cmu.clips(folder, LoaderOptions(source_fps=30.0)),
        ("A pulls B; B resists", "A comforts B"),
        strict=True,
    ):
        assert isinstance(clip, PairClip), clip
        assert np.linalg.norm(clip.positions() - TRUTH.positions, axis=-1).max() < 1e-3
        assert clip.captions == (caption,) and clip.source == "cmu" and check(clip) is None


def test_captions_may_lie_elsewhere(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for person, subject in enumerate((18, 19)):
        write_bvh(folder / f"{subject}_01.bvh", on_skeleton(TRUTH, person, MIXAMO, unit=0.01), TRUTH.fps)
    (clip,) = cmu.clips(folder, LoaderOptions())
    assert isinstance(clip, PairClip) and clip.captions == ()
    table = tmp_path / "list.tsv"
    table.write_text(TABLE)
    (clip,) = cmu.clips(folder, LoaderOptions(captions=table))
    assert isinstance(clip, PairClip) and clip.captions == ("A pulls B; B resists",)
    # A table with a heading says itself which files make a pair.
    (folder / "captions.tsv").write_text("file_a\tfile_b\n19_01\t18_01\n")
    assert detect(folder) == "bvh_pairs"


def test_a_broken_file_stops_nobody_else(tmp_path):
    for trial in ("01", "02"):
        for person, subject in enumerate((20, 21)):
            skeleton = on_skeleton(known_pair(seed=2), person, MIXAMO, unit=0.01)
            write_bvh(tmp_path / f"{subject}_{trial}.bvh", skeleton, 30.0)
    broken = (tmp_path / "21_01.bvh").read_text()[:3000]
    (tmp_path / "21_01.bvh").write_text(broken)
    first, second = cmu.clips(tmp_path, LoaderOptions())
    assert isinstance(first, Rejected) and "21_01.bvh" in first.reason
    assert isinstance(second, PairClip)


@pytest.mark.skipif(not PAIRS.exists(), reason="CMU's pairs are not at hand (INTERMOE_SHARED)")
def test_the_salsa_comes_as_it_did():
    assert len(cmu.names(PAIRS)) == 14
    (clip,) = cmu.clips(PAIRS, LoaderOptions(names=frozenset({"cmu_60_61_05"})))
    expected = load_cmu_pair(PAIRS, "05")
    assert isinstance(clip, PairClip) and check(clip) is None
    assert np.array_equal(clip.joint_rotations, expected.joint_rotations)
    assert clip.roles == ("lead", "follow") and clip.captions == ("salsa dance",)
