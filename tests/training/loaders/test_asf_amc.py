# SPDX-License-Identifier: GPL-3.0-or-later
"""ASF and AMC files with known motion come through, and CMU's own do where they are at hand."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from intermoe_engine.skeleton import SMPL22
from tests.shared import SHARED
from tests.training.loaders.known_people import JOINT, a_pose, degrees_apart, known_pair, on_skeleton
from training.data.checks import DataError, Rejected, check
from training.data.formats.asf_amc import AcclaimError, read_amc, read_asf
from training.data.loaders import LoaderOptions, asf_amc, detect
from training.data.pair_clip import PairClip
from training.data.single_clip import SingleClip

CMU = SHARED / "data" / "cmu_single" / "asf_amc_01_03"
UNIT = 0.0254 / 0.45
TRUTH = known_pair()
NAMES = {name: name for name in SMPL22.names}

# bone: (parent, joint where it starts, joint where it ends, joint that turns it or None for a rigid link)
BONES: dict[str, tuple[str, str, str, str | None]] = {
    "lumbar": ("root", "pelvis", "spine1", None),
    "lowerback": ("lumbar", "spine1", "spine2", "spine1"),
    "upperback": ("lowerback", "spine2", "spine3", "spine2"),
    "thorax": ("upperback", "spine3", "neck", "spine3"),
    "lowerneck": ("thorax", "neck", "head", "neck"),
    "head": ("lowerneck", "head", "head", "head"),
}
for _s in "lr":
    BONES |= {
        f"{_s}hipjoint": ("root", "pelvis", f"{_s}_hip", None),
        f"{_s}femur": (f"{_s}hipjoint", f"{_s}_hip", f"{_s}_knee", f"{_s}_hip"),
        f"{_s}tibia": (f"{_s}femur", f"{_s}_knee", f"{_s}_ankle", f"{_s}_knee"),
        f"{_s}foot": (f"{_s}tibia", f"{_s}_ankle", f"{_s}_foot", f"{_s}_ankle"),
        f"{_s}toes": (f"{_s}foot", f"{_s}_foot", f"{_s}_foot", f"{_s}_foot"),
        f"{_s}collarlink": ("thorax", "neck", f"{_s}_collar", None),
        f"{_s}clavicle": (f"{_s}collarlink", f"{_s}_collar", f"{_s}_shoulder", f"{_s}_collar"),
        f"{_s}humerus": (f"{_s}clavicle", f"{_s}_shoulder", f"{_s}_elbow", f"{_s}_shoulder"),
        f"{_s}radius": (f"{_s}humerus", f"{_s}_elbow", f"{_s}_wrist", f"{_s}_elbow"),
        f"{_s}hand": (f"{_s}radius", f"{_s}_wrist", f"{_s}_wrist", f"{_s}_wrist"),
    }


def write_trial(folder: Path, subject: str, person: int, zipped: bool = False, radians: bool = False) -> None:
    """One person as SUBJECT.asf and SUBJECT_01.amc, every bone with channel axes of its own."""
    rng = np.random.default_rng(person)
    body = on_skeleton(TRUTH, person, NAMES, a_pose(), unit=UNIT)
    at = lambda joint: body.heads[JOINT[joint]]
    angle = (lambda degrees: np.radians(degrees)) if radians else (lambda degrees: degrees)
    axes = {bone: rng.uniform(-180, 180, 3) for bone in BONES}
    orders = {bone: ("XYZ", "ZYX", "YZX")[i % 3] for i, bone in enumerate(BONES)}
    lines = [":version 1.10", ":name T", ":units", "  mass 1.0", "  length 0.45"]
    lines += [f"  angle {'rad' if radians else 'deg'}", ":documentation", "   made by a test", ":root"]
    lines += ["   order TX TY TZ RX RY RZ", "   axis XYZ", "   position 0 0 0", "   orientation 0 0 0"]
    lines += [":bonedata"]
    for i, (bone, (_, start, end, joint)) in enumerate(BONES.items(), 1):
        reach = at(end) - at(start)
        length = float(np.linalg.norm(reach))
        direction = reach / length if length else np.array([0.0, 0.0, 1.0])
        lines += ["  begin", f"     id {i}", f"     name {bone}"]
        lines += ["     direction " + " ".join(f"{x:.9f}" for x in direction), f"     length {length:.9f}"]
        lines += ["     axis " + " ".join(f"{x:.9f}" for x in angle(axes[bone])) + f" {orders[bone]}"]
        if joint is not None:
            lines += ["    dof rx ry rz", "    limits (-180.0 180.0)", *["           (-180.0 180.0)"] * 2]
        lines += ["  end"]
    lines += [":hierarchy", "  begin"]
    for parent in ("root", *BONES):
        if children := [bone for bone, row in BONES.items() if row[0] == parent]:
            lines += [f"    {parent} {' '.join(children)}"]
    (folder / f"{subject}.asf").write_text("\n".join([*lines, "  end"]) + "\n")

    turns = {"root": body.turns[:, 0]}
    for bone, (parent, _, _, joint) in BONES.items():
        turns[bone] = turns[parent] if joint is None else body.turns[:, JOINT[joint]]
    channels = {"root": np.concatenate([body.positions[:, 0], angle(_xyz(turns["root"]))], axis=1)}
    for bone, (parent, _, _, joint) in BONES.items():
        if joint is not None:
            # SciPy's lower-case letters turn about fixed axes, the first one first, as ASF does.
            c = Rotation.from_euler(orders[bone].lower(), axes[bone], degrees=True)
            local = np.swapaxes(turns[parent], -1, -2) @ turns[bone]
            channels[bone] = angle(_xyz(c.inv().as_matrix() @ local @ c.as_matrix()))
    text = [":FULLY-SPECIFIED", ":RADIANS" if radians else ":DEGREES"]
    for frame in range(len(body.positions)):
        text.append(str(frame + 1))
        text += [f"{bone} {' '.join(f'{x:.9g}' for x in v[frame])}" for bone, v in channels.items()]
    motion = "\n".join(text) + "\n"
    if zipped:
        (folder / f"{subject}_01.amc.gz").write_bytes(gzip.compress(motion.encode()))
    else:
        (folder / f"{subject}_01.amc").write_text(motion)


def _xyz(matrices: np.ndarray) -> np.ndarray:
    return Rotation.from_matrix(matrices).as_euler("xyz", degrees=True)


@pytest.mark.parametrize("radians", [False, True])
def test_known_motion_to_the_millimetre(tmp_path, radians):
    write_trial(tmp_path, "91", 0, radians=radians)
    write_trial(tmp_path, "92", 1, zipped=True, radians=radians)
    (tmp_path / "captions.tsv").write_text("file_a\tfile_b\tcaption\n91_01\t92_01\tthey step\n")
    assert detect(tmp_path) == "asf_amc"
    (clip,) = asf_amc.clips(tmp_path, LoaderOptions(source_fps=30.0))
    assert isinstance(clip, PairClip), clip
    assert np.linalg.norm(clip.positions() - TRUTH.positions, axis=-1).max() < 1e-3
    assert degrees_apart(clip.joint_rotations, TRUTH.local).max() < 2.5
    assert clip.name == "91_01_92_01" and clip.captions == ("they step",) and check(clip) is None


def test_rate_is_cmus_unless_said(tmp_path):
    write_trial(tmp_path, "91", 0)
    (single,) = asf_amc.singles(tmp_path, LoaderOptions())
    assert isinstance(single, SingleClip) and single.frames == 15  # 60 frames at 120 a second
    assert np.abs(single.positions() - TRUTH.positions[0, ::4]).max() < 0.02  # another floor, found in fewer


def test_what_is_wrong_is_said(tmp_path):
    write_trial(tmp_path, "91", 0)
    skeleton = read_asf(tmp_path / "91.asf")
    (tmp_path / "bad.amc").write_text("1\nroot 0 0 0 0 0 0\nfemur 1 2 3\n")
    with pytest.raises(AcclaimError, match="line 3: the skeleton has no bone called femur"):
        read_amc(tmp_path / "bad.amc", skeleton)
    (tmp_path / "bad.amc").write_text("1\nroot 0 0 0\n")
    with pytest.raises(AcclaimError, match="line 2: root has 6 channels"):
        read_amc(tmp_path / "bad.amc", skeleton)
    (tmp_path / "bad.asf").write_text(":version 1.1\n")
    with pytest.raises(AcclaimError, match=r"bad\.asf: not a readable ASF"):
        read_asf(tmp_path / "bad.asf")
    (tmp_path / "captions.tsv").write_text("file_a\tfile_b\n91_01\t92_01\n")
    (gone,) = asf_amc.clips(tmp_path, LoaderOptions())
    assert isinstance(gone, Rejected) and gone.reason.startswith("there is no file 92_01")
    (tmp_path / "captions.tsv").unlink()
    with pytest.raises(DataError, match="--captions"):
        asf_amc.names(tmp_path)


@pytest.mark.skipif(not CMU.exists(), reason="CMU's trials are not at hand (INTERMOE_SHARED)")
def test_cmus_walk_is_a_walk(tmp_path):
    options = LoaderOptions(names=frozenset({"02_01"}))
    (walk,) = asf_amc.singles(CMU, options)
    assert isinstance(walk, SingleClip)
    positions = walk.positions()
    assert 1.4 < np.median(positions[:, 15, 1]) < 1.75
    assert positions[..., 1].min() > -0.03 and positions[:, [10, 11], 1].min() < 0.04
    hips, knees, ankles = (positions[:, ids] for ids in ([1, 2], [4, 5], [7, 8]))
    across = positions[:, 1] - positions[:, 2]
    forward = np.cross(across, [0.0, 1.0, 0.0])
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    travelled = positions[-1, 0] - positions[0, 0]
    assert travelled @ forward.mean(axis=0) > 1.5  # this trial is a walk straight on
    # Knees lie before the line from hip to ankle, never behind it.
    line = hips + 0.5 * (ankles - hips)
    assert (((knees - line) * forward[:, None]).sum(axis=-1) > -0.03).all()
    toes = positions[:, [10, 11]] - ankles
    assert (toes * forward[:, None]).sum(axis=-1).mean() > 0.08
