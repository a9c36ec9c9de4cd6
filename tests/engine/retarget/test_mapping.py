# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone mapping: presets, the fall-back on names, and what it refuses."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intermoe_engine.retarget import BoneMapping, MappingRow, RigDescription, RigError, map_bones, slot_label
from intermoe_engine.retarget.names import read_names
from intermoe_engine.retarget.names_mapping import map_by_names
from intermoe_engine.skeleton import SMPL22
from tests.engine.retarget_rigs import MIXAMO, SHARED_RIGS, smpl_rig

SIDES = {"l": ("left", "Left"), "r": ("right", "Right")}
LIMBS = {
    "collar": "shoulder", "shoulder": "upper_arm", "elbow": "lower_arm", "wrist": "hand",
    "hip": "upper_leg", "knee": "lower_leg", "ankle": "foot", "foot": "toes",
}  # fmt: skip
# SMPL joint -> VRM humanoid bone, as bone_names.tsv calls them
HUMANOID = {"pelvis": "hips", "neck": "neck", "head": "head"} | {
    f"{s}_{joint}": f"{side}_{bone}" for s, (side, _) in SIDES.items() for joint, bone in LIMBS.items()
}


def rig_of(parents: dict[str, str | None], name: str = "rig") -> RigDescription:
    """Bones without geometry: mapping looks at names and parents alone."""
    bones = list(parents)
    numbers = [-1 if p is None else bones.index(p) for p in parents.values()]
    return RigDescription(
        name, bones, np.array(numbers), np.tile(np.eye(4), (len(bones), 1, 1)), np.ones(len(bones))
    )


def unreal5() -> dict[str, str | None]:
    bones: dict[str, str | None] = {"root": None, "pelvis": "root", "spine_01": "pelvis"}
    for k in range(2, 6):
        bones[f"spine_0{k}"] = f"spine_0{k - 1}"
    bones |= {"neck_01": "spine_05", "neck_02": "neck_01", "head": "neck_02"}
    for s in "lr":
        bones |= {f"clavicle_{s}": "spine_05", f"upperarm_{s}": f"clavicle_{s}"}
        bones |= {f"upperarm_twist_01_{s}": f"upperarm_{s}", f"lowerarm_{s}": f"upperarm_{s}"}
        bones |= {f"hand_{s}": f"lowerarm_{s}", f"index_01_{s}": f"hand_{s}", f"thigh_{s}": "pelvis"}
        bones |= {f"thigh_twist_01_{s}": f"thigh_{s}", f"calf_{s}": f"thigh_{s}", f"foot_{s}": f"calf_{s}"}
        bones |= {f"ball_{s}": f"foot_{s}", f"ik_foot_{s}": "root", f"ik_hand_{s}": "root"}
    return bones


def expected_of(rig_names: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Slot -> bones from an SMPL joint -> bone table."""
    out = {slot: (bone,) for slot, bone in rig_names.items() if not slot.startswith("spine")}
    return out | {"spine": tuple(rig_names[f"spine{k}"] for k in (1, 2, 3))}


@pytest.mark.parametrize("prefix", ["", "mixamorig:", "mixamorig", "mixamorig7:", "Armature|"])
def test_mixamo_with_any_prefix(prefix: str) -> None:
    mapping = map_bones(smpl_rig(prefix=prefix))
    assert mapping.preset == "mixamo"
    for slot, bones in expected_of(MIXAMO).items():
        assert mapping.bones_for(slot) == tuple(prefix + b for b in bones), slot


def test_unreal_five_takes_all_spine_and_neck_bones_and_no_helpers() -> None:
    mapping = map_bones(rig_of(unreal5()))
    assert mapping.preset == "unreal"
    assert mapping.bones_for("spine") == tuple(f"spine_0{k}" for k in range(1, 6))
    assert mapping.bones_for("neck") == ("neck_01", "neck_02")
    assert not any("twist" in b or "ik" in b or "index" in b for b in mapping.body_bones)


@pytest.mark.parametrize("style", ["smplx", "smpl"])
def test_smpl_names(style: str) -> None:
    def name(joint: str) -> str:
        if joint[:2] in ("l_", "r_"):
            return (
                SIDES[joint[0]][0] + joint[1:]
                if style == "smplx"
                else "m_avg_" + joint[0].upper() + joint[1:].title()
            )
        return joint if style == "smplx" else "m_avg_" + joint.title()

    names = {joint: name(joint) for joint in SMPL22.names}
    mapping = map_bones(smpl_rig(names=names, prefix=""))
    assert mapping.preset == "smpl"
    assert {slot: mapping.bones_for(slot) for slot in expected_of(names)} == expected_of(names)


@pytest.mark.parametrize(
    ("style", "left", "right"),
    [("{}.{}", "L", "R"), ("{}_{}", "l", "r"), ("{1}_{0}", "left", "right"), ("Bip01 {1} {0}", "L", "R"),
     ("{1}{0}", "l", "r"), ("{}{}", "Left", "Right")],
)  # fmt: skip
def test_names_fall_back_reads_sides_in_any_style(style: str, left: str, right: str) -> None:
    words = {"collar": "Clavicle", "shoulder": "UpperArm", "elbow": "Forearm", "wrist": "Hand",
             "hip": "Thigh", "knee": "Calf", "ankle": "Foot", "foot": "Toe0"}  # fmt: skip
    names = {
        "pelvis": "Pelvis",
        "spine1": "Spine",
        "spine2": "Spine1",
        "spine3": "Spine2",
        "neck": "Neck",
        "head": "Head",
    }
    names |= {
        f"{s}_{j}": style.format(w, side) for s, side in (("l", left), ("r", right)) for j, w in words.items()
    }
    mapping = map_by_names(smpl_rig(names=names, prefix=""))
    assert {slot: mapping.bones_for(slot) for slot in expected_of(names)} == expected_of(names)
    assert all(0 < row.confidence <= 0.9 for row in mapping.rows if row.bones)


def test_ambiguous_words_are_decided_by_the_rest_of_the_limb() -> None:
    """ "Leg" and "Arm" are upper bones beside "knee" and "elbow", and lower ones beside "UpLeg"."""
    words = {"collar": "shoulder", "shoulder": "arm", "elbow": "elbow", "wrist": "wrist",
             "hip": "leg", "knee": "knee", "ankle": "ankle", "foot": "toe"}  # fmt: skip
    names = {
        "pelvis": "Hips",
        "spine1": "Spine",
        "spine2": "Chest",
        "spine3": "Upper Chest",
        "neck": "Neck",
        "head": "Head",
    }
    names |= {f"{s}_{j}": f"{side} {w}" for s, (_, side) in SIDES.items() for j, w in words.items()}
    mapping = map_bones(smpl_rig(names=names, prefix=""))
    assert mapping.preset == "names"
    assert {slot: mapping.bones_for(slot) for slot in expected_of(names)} == expected_of(names)


def test_several_equal_candidates_leave_the_row_empty() -> None:
    bones = unreal5()
    for s in "lr":
        del bones[f"ball_{s}"]
        bones |= {f"toe{k}_{s}": f"foot_{s}" for k in range(1, 6)}
    mapping = map_by_names(rig_of(bones))
    assert mapping.bones_for("l_foot") == () and mapping.bones_for("l_ankle") == ("foot_l",)
    assert next(r for r in mapping.rows if r.joint == "l_foot").reason == "several bones fit equally well"


@pytest.mark.parametrize(
    ("name", "key", "side"),
    [("mixamorig:LeftForeArm", "forearm", "l"), ("CC_Base_R_Thigh", "thigh", "r"), ("lShldr", "shldr", "l"),
     ("J_Bip_L_UpperArm", "upperarm", "l"), ("DEF-shin.R", "shin", "r"), ("leftleg", "leg", "l"),
     ("Spine2", "spine", "")],
)  # fmt: skip
def test_parse_name(name: str, key: str, side: str) -> None:
    (parsed,) = read_names([name])
    assert not parsed.helper and (parsed.key, parsed.side) == (key, side)


@pytest.mark.parametrize(
    "name", ["hand_ik.L", "LeftHandIndex1", "upperarm_twist_01_l", "toe_end", "Breast_R"]
)
def test_parse_name_refuses_helpers(name: str) -> None:
    assert read_names([name])[0].helper


def test_missing_bones_are_named_with_what_to_do() -> None:
    bones = {
        k: v
        for k, v in unreal5().items()
        if "thigh" not in k and "calf" not in k and "foot" not in k and "ball" not in k
    }
    with pytest.raises(RigError, match=r"left upper leg.*give them usual names"):
        map_bones(rig_of(bones))
    with pytest.raises(RigError, match="no bone found for hips"):
        map_bones(rig_of({"Cube": None, "Door": "Cube"}))


def test_table_round_trip_and_checks(tmp_path: Path) -> None:
    rig = smpl_rig()
    mapping = map_bones(rig)
    mapping.save(tmp_path / "map.json")
    assert BoneMapping.load(tmp_path / "map.json") == mapping
    rows = tuple(
        MappingRow("l_wrist", ("mixamorig:Head",)) if r.joint == "l_wrist" else r for r in mapping.rows
    )
    with pytest.raises(RigError, match=r"mapped to both head and left hand"):
        BoneMapping(rows).checked(rig)
    with pytest.raises(RigError, match="no bone called 'nose'"):
        BoneMapping((*mapping.rows, MappingRow("l_foot", ("nose",)))).checked(rig)
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(RigError, match="not a bone mapping"):
        BoneMapping.load(tmp_path / "bad.json")
    assert slot_label("l_knee") == "left lower leg"


def test_rig_description_round_trip_and_refusals() -> None:
    rig = smpl_rig()
    rig = replace(rig, girths={"chest": 0.12})
    copy = RigDescription.from_dict(json.loads(json.dumps(rig.to_dict())))
    assert copy.bone_names == rig.bone_names and np.array_equal(copy.rest_matrices, rig.rest_matrices)
    assert np.array_equal(copy.world_matrix, rig.world_matrix) and copy.inherit_rotation.all()
    assert copy.girths == {"chest": 0.12}
    with pytest.raises(RigError, match="girths must be above zero"):
        replace(rig, girths={"chest": 0.0})
    with pytest.raises(RigError, match="circle"):
        RigDescription("r", ["a", "b"], np.array([1, 0]), np.tile(np.eye(4), (2, 1, 1)), np.ones(2))
    with pytest.raises(RigError, match="negative object scale"):
        RigDescription("r", ["a"], np.array([-1]), np.eye(4)[None], np.ones(1), np.diag([-1.0, 1, 1, 1]))


def families() -> dict[str, dict[str, list[str]]]:
    """family -> humanoid bone -> names, of the published tables."""
    table: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    path = SHARED_RIGS / "bone_names.tsv"
    if path.exists():
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                table[row["family"]][row["humanoid_bone"]].append(row["bone_name"])
    return table


@pytest.mark.skipif(
    not (SHARED_RIGS / "bone_names.tsv").exists(), reason="the published bone names are not here"
)
@pytest.mark.parametrize("fallback", [False, True])
def test_published_bone_names(fallback: bool) -> None:
    """Every family maps without a wrong bone; the words alone miss hips, neck and head called spine."""
    for family, names in families().items():
        if family == "mpfb":  # two rigs in one list
            continue
        joints = {}
        for joint in SMPL22.names:
            humanoid = {"spine1": "spine", "spine2": "chest", "spine3": "upper_chest"}.get(joint) or HUMANOID[
                joint
            ]
            if humanoid in names:
                joints[joint] = names[humanoid][0]
        tree: dict[str, str | None] = {}
        for joint, bone in joints.items():
            parent = SMPL22.parents[SMPL22.index(joint)]
            while parent >= 0 and SMPL22.names[parent] not in joints:
                parent = SMPL22.parents[parent]
            tree[bone] = None if parent < 0 else joints[SMPL22.names[parent]]
        for humanoid, (bone, *_) in names.items():
            if bone not in tree and "_" in humanoid:  # fingers, eyes
                side = humanoid.split("_")[0]
                tree[bone] = joints[f"{side[0]}_wrist"] if "eye" not in humanoid else joints["head"]
        rig = rig_of(tree, family)
        mapping = (map_by_names if fallback else map_bones)(rig)
        for joint, bone in joints.items():
            got = mapping.bones_for("spine" if joint.startswith("spine") else joint)
            if fallback and family == "rigify_meta_rig" and bone.startswith("spine"):
                assert got == () or joint.startswith("spine"), (family, joint, got)
            else:
                assert bone in got, (family, joint, bone, got)
        assert set(mapping.body_bones) <= set(joints.values()), family


def test_generated_rigify_is_keyed_through_its_fk_controls() -> None:
    bones: dict[str, str | None] = {"root": None, "torso": "root", "chest": "torso", "hips": "torso"}
    bones |= {"spine_fk.001": "torso", "spine_fk": "spine_fk.001", "tweak_spine": "spine_fk"}
    bones |= {"spine_fk.002": "torso", "spine_fk.003": "spine_fk.002", "neck": "spine_fk.003", "head": "neck"}
    bones |= {
        "ORG-spine": "tweak_spine",
        "DEF-spine": "root",
        "ORG-spine.006": "root",
        "DEF-spine.006": "root",
    }
    for s in ("L", "R"):
        bones |= {f"shoulder.{s}": "spine_fk.003", f"ORG-shoulder.{s}": "spine_fk.003"}
        for limb, over in (
            (("upper_arm", "forearm", "hand"), f"ORG-shoulder.{s}"),
            (("thigh", "shin", "foot", "toe"), "ORG-spine"),
        ):
            bones |= {f"{limb[0]}_parent.{s}": over}
            for kind in ("{}_fk", "{}_ik", "ORG-{}", "DEF-{}"):
                parent = over
                for name in limb:
                    bone = f"{kind.format(name)}.{s}"
                    bones[bone] = parent
                    parent = bone
    mapping = map_bones(rig_of(bones))
    assert mapping.preset == "rigify_generated"
    assert mapping.bones_for("root") == ("torso",) and mapping.bones_for("pelvis") == ("spine_fk",)
    assert mapping.bones_for("spine") == ("spine_fk.001", "spine_fk.002", "spine_fk.003")
    assert mapping.bones_for("r_elbow") == ("forearm_fk.R",) and mapping.bones_for("l_foot") == ("toe_fk.L",)
    assert mapping.anchors == {"pelvis": "ORG-spine"}
    for limb in ("upper_arm", "thigh"):
        for s in ("L", "R"):
            assert (f"{limb}_parent.{s}", "IK_FK", 1.0) in mapping.properties
    assert mapping.followers["DEF-forearm.L"] == "forearm_fk.L"
    assert mapping.followers["ORG-shoulder.R"] == "shoulder.R"
    assert not any(b.startswith(("DEF-", "ORG-")) or "_ik" in b for b in mapping.keyed_bones)
