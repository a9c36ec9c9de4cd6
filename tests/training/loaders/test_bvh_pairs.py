# SPDX-License-Identifier: GPL-3.0-or-later
"""BVH files with known motion come through, whatever their skeleton, rest pose, axes and units."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.training.loaders.known_people import (
    CHARACTER,
    JOINT,
    MIXAMO,
    SMPL,
    FileSkeleton,
    a_pose,
    degrees_apart,
    known_pair,
    on_skeleton,
    with_split_bones,
    write_bvh,
)
from training.data.checks import DataError, Rejected, check
from training.data.loaders import LoaderOptions, bvh_pairs, detect
from training.data.pair_clip import PairClip

TRUTH = known_pair()
Z_UP = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
FACING_X = Rotation.from_euler("y", 90, degrees=True).as_matrix()
FINGERS = [
    (f"{side}Hand{finger}1", f"{s}_wrist", (sign * 0.09, 0.0, z))
    for s, side, sign in (("l", "Left", 1), ("r", "Right", -1))
    for finger, z in (("Index", 0.025), ("Middle", 0.0), ("Ring", -0.02), ("Pinky", -0.04))
]


def write_pair(
    folder: Path, names, rest=None, axes=None, unit=1.0, extra=(), order="ZXY", rows="", truth=TRUTH
):
    for person in (0, 1):
        skeleton = on_skeleton(truth, person, names, rest, axes, unit, extra)
        write_bvh(folder / f"p{person}.bvh", skeleton, truth.fps, order)
    table = rows or "name\tfile_a\tfile_b\tcaption\nduo\tp0.bvh\tp1.bvh\ttwo people step"
    (folder / "captions.tsv").write_text(table + "\n")
    return folder


def load(folder: Path, **options) -> PairClip:
    clip = next(iter(bvh_pairs.clips(folder, LoaderOptions(**options))))
    assert isinstance(clip, PairClip), clip
    return clip


@pytest.mark.parametrize(
    ("names", "rest", "axes", "unit", "extra", "order"),
    [
        pytest.param(SMPL, None, None, 1.0, (), "ZYX", id="SMPL names, metres"),
        pytest.param(MIXAMO, None, None, 0.01, FINGERS, "ZXY", id="Mixamo names, fingers, centimetres"),
        pytest.param(MIXAMO, a_pose(), Z_UP, 0.0254, FINGERS, "XYZ", id="A-pose, z up, inches"),
        pytest.param(MIXAMO, a_pose(), np.diag([1.0, -1, -1]), 0.01, (), "YXZ", id="y down"),
        pytest.param(CHARACTER, a_pose(), None, 0.0254 / 0.45, (), "ZXY", id="CC names, CMU's unit"),
        pytest.param(SMPL, a_pose(), FACING_X, 0.001, (), "ZXY", id="rest faces +x, millimetres"),
    ],
)
def test_known_motion_to_the_millimetre(tmp_path, names, rest, axes, unit, extra, order):
    clip = load(write_pair(tmp_path, names, rest, axes, unit, extra, order))
    # Which way a file faces is its own affair: the loader only has to stand both people up.
    ours, theirs = (np.diff(p[:, 0, 0], axis=0)[0] for p in (clip.positions(), TRUTH.positions))
    heading = np.arctan2(ours[0], ours[2]) - np.arctan2(theirs[0], theirs[2])
    expected = TRUTH.positions @ Rotation.from_euler("y", heading).as_matrix().T
    assert np.linalg.norm(clip.positions() - expected, axis=-1).max() < 1e-3
    assert clip.captions == ("two people step",) and clip.source == "bvh" and check(clip) is None
    apart = degrees_apart(clip.joint_rotations, TRUTH.local)
    apart[:, :, 0] = 0.0  # the root carries the heading
    assert apart.max() < 2.5
    assert np.abs(clip.rest_offsets - TRUTH.offsets).max() < 0.012


def test_five_spine_bones(tmp_path):
    """More bones than SMPL's spine has: hips, arms and head stay within a millimetre all the same."""
    skeletons = [on_skeleton(TRUTH, person, MIXAMO, unit=0.01) for person in (0, 1)]
    truth = [with_split_bones(skeleton, ["Spine1", "Spine2"]) for skeleton in skeletons]
    write_pair(tmp_path, MIXAMO)
    for person in (0, 1):
        write_bvh(tmp_path / f"p{person}.bvh", truth[person], TRUTH.fps)
    clip = load(tmp_path)
    for person in (0, 1):
        for joint, bone in MIXAMO.items():
            if not joint.startswith("spine"):
                expected = truth[person].positions[:, truth[person].names.index(bone)] * 0.01
                error = clip.positions()[person, :, JOINT[joint]] - expected
                assert np.linalg.norm(error, axis=-1).max() < 1e-3, joint


def test_unknown_units_give_adults_legs_and_scale_overrides(tmp_path):
    folder = write_pair(tmp_path, MIXAMO, unit=1.35)  # as the scaled Poser files
    clip = load(folder)
    legs = np.linalg.norm(clip.rest_offsets[:, [4, 5, 7, 8]], axis=-1).sum(axis=1) / 2
    assert np.isclose(legs.mean(), 0.87) and np.isclose(legs[1] / legs[0], 0.93)
    known = load(folder, scale=1.35)
    assert np.abs(known.positions() - TRUTH.positions).max() < 1e-3


def test_whoever_is_lifted_stays_lifted(tmp_path):
    truth = known_pair()
    truth.positions[1, ..., 1] += 0.4
    clip = load(write_pair(tmp_path, MIXAMO, unit=0.01, truth=truth))
    assert np.abs(clip.positions() - truth.positions).max() < 1e-3


def test_two_frame_rates_become_one_clock(tmp_path):
    fast = known_pair(frames=237, fps=120.0)
    clip = load(write_pair(tmp_path, MIXAMO, truth=fast))
    assert clip.fps == 30.0 and clip.frames == 60
    assert np.abs(clip.positions() - fast.positions[:, ::4]).max() < 1e-3


def test_bones_written_along_their_own_axis(tmp_path):
    """A skeleton whose zero pose is no pose: arms, legs and feet all point up."""
    up = {}
    for s, sign in (("l", 1.0), ("r", -1.0)):
        leg = Rotation.from_euler("z", 180, degrees=True)
        arm = Rotation.from_euler("z", 90 * sign, degrees=True)
        foot = Rotation.from_euler("x", -90, degrees=True) * Rotation.from_euler("z", 180, degrees=True)
        up |= {f"{s}_hip": leg, f"{s}_knee": leg, f"{s}_ankle": foot, f"{s}_foot": foot}
        up |= dict.fromkeys([f"{s}_collar", f"{s}_shoulder", f"{s}_elbow", f"{s}_wrist"], arm)
    clip = load(write_pair(tmp_path, CHARACTER, up, unit=0.01))
    assert np.abs(clip.positions() - TRUTH.positions).max() < 1e-3
    apart = degrees_apart(clip.joint_rotations, TRUTH.local)
    limbs = [1, 2, 4, 5, 16, 17, 18, 19]
    assert apart[:, :, limbs].mean() < 10.0


@pytest.mark.parametrize("angle", [0, 50])
def test_a_leading_pose_is_left_out(tmp_path, angle):
    """Three frames in the rest pose, or in another one that is held."""
    folder = write_pair(tmp_path, MIXAMO)
    for person in (0, 1):
        file = folder / f"p{person}.bvh"
        head, frames = file.read_text().split("Frame Time:")
        step, *lines = frames.strip().split("\n")
        rest = " ".join([str(angle)] * len(lines[0].split()))
        text = head.replace("Frames: 60", "Frames: 63") + "\n".join(
            [f"Frame Time: {step}", *[rest] * 3, *lines]
        )
        (folder / f"p{person}.bvh.gz").write_bytes(gzip.compress(text.encode()))
        file.unlink()
    (folder / "captions.tsv").write_text("file_a\tfile_b\np0\tp1\n")
    clip = load(folder)
    assert clip.name == "p0_p1" and clip.frames == 60
    assert np.abs(clip.positions() - TRUTH.positions).max() < 1e-3


def test_the_table_says_everything(tmp_path):
    rows = (
        "name,file_a,file_b,caption,role_a,role_b,split,offset_b_x,offset_b_z,turn_b\n"
        'duo,p0.bvh,p1.bvh,"one leads, the other follows",lead,follow,val,,,\n'
        "duo,p0.bvh,p1.bvh,they step,lead,follow,val,,,\n"
        "placed,p0.bvh,p1.bvh,apart,,,train,1.5,-0.5,90\n"
        "gone,p0.bvh,p9.bvh,none,,,,,,\n"
    )
    folder = write_pair(tmp_path, MIXAMO)
    (folder / "captions.tsv").unlink()
    (folder / "pairs.csv").write_text(rows)
    assert detect(folder) == "bvh_pairs" and bvh_pairs.names(folder) == ["duo", "placed", "gone"]
    duo, placed, gone = bvh_pairs.clips(folder, LoaderOptions())
    assert isinstance(duo, PairClip) and isinstance(placed, PairClip) and isinstance(gone, Rejected)
    assert duo.captions == ("one leads, the other follows", "they step")
    assert duo.roles == ("lead", "follow") and duo.split == "val"
    assert gone.reason.startswith("there is no file p9.bvh")
    start = TRUTH.positions[1, 0, 0] * [1, 0, 1]
    turn = Rotation.from_euler("y", 90, degrees=True).as_matrix()
    expected = (TRUTH.positions[1] - start) @ turn.T + start + [1.5, 0.0, -0.5]
    assert np.abs(placed.positions()[1] - expected).max() < 1e-3
    only = list(bvh_pairs.clips(folder, LoaderOptions(names=frozenset({"placed"}))))
    assert [clip.name for clip in only] == ["placed"]


def test_what_is_wrong_is_said(tmp_path):
    folder = write_pair(tmp_path, MIXAMO)
    write_bvh(folder / "p1.bvh", on_skeleton(known_pair(40), 1, MIXAMO), 30.0)
    (clip,) = bvh_pairs.clips(folder, LoaderOptions())
    assert isinstance(clip, Rejected) and clip.reason == "unequal length: 2.0 s and 1.3 s"
    lamp = FileSkeleton(
        ["Base", "Arm", "Shade"],
        [-1, 0, 1],
        np.array([[0, 0, 0], [0, 1.0, 0], [0, 1.5, 0]]),
        np.zeros((60, 3, 3)),
        np.tile(np.eye(3), (60, 3, 1, 1)),
    )
    write_bvh(folder / "p1.bvh", lamp, 30.0)
    (clip,) = bvh_pairs.clips(folder, LoaderOptions())
    assert isinstance(clip, Rejected) and "'p1'" in clip.reason and "upper leg" in clip.reason
    (folder / "captions.tsv").unlink()
    with pytest.raises(DataError, match=r"--captions"):
        list(bvh_pairs.clips(folder, LoaderOptions()))
    (folder / "captions.tsv").write_text("file_a\tfile_b\tsplit\np0\tp1\tlearn\n")
    with pytest.raises(DataError, match="line 2: split is 'learn'"):
        bvh_pairs.names(folder)


def test_singles(tmp_path):
    folder = write_pair(tmp_path, MIXAMO, a_pose(), unit=0.01)
    clips = list(bvh_pairs.singles(folder, LoaderOptions()))
    assert [clip.name for clip in clips] == ["p0", "p1"]
    for person, clip in enumerate(clips):
        assert not isinstance(clip, Rejected)
        assert np.abs(clip.positions() - TRUTH.positions[person]).max() < 1e-3
