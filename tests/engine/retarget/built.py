# SPDX-License-Identifier: GPL-3.0-or-later
"""Humanoid skeletons of any build on SMPL's proportions, with their right mapping."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from intermoe_engine.bench.rig_tables import KnownRig
from intermoe_engine.formats.gltf_skeleton import bone_lengths
from intermoe_engine.kinematics import forward_kinematics
from intermoe_engine.retarget import RigDescription
from intermoe_engine.rotations import quat_exp, quat_from_axis_angle, quat_to_matrix
from intermoe_engine.skeleton import SMPL22

UP, FORWARD = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
_SIDEWAYS = np.array([1.0, 0.0, 0.0])
BENDS = {"elbow": (UP, 8.0), "knee": (_SIDEWAYS, 4.0), "ankle": (_SIDEWAYS, -4.0)}
_FINGERS = {"thumb": (0.02, 0.05), "index": (0.09, 0.03), "middle": (0.095, 0.01), "ring": (0.09, -0.01),
            "pinky": (0.085, -0.03)}  # fmt: skip


@dataclass(frozen=True)
class Build:
    """What a skeleton has. twists: bones in line after each limb bone. arms: degrees below level at rest."""

    spine: int = 3
    neck: int = 1
    collars: bool = True
    twists: int = 0
    side_twists: bool = False
    toes: bool = True
    fingers: bool = True
    root: bool = True
    split_hips: bool = False
    tips: bool = False
    extras: bool = False
    arms: float = 0.0
    rolls: int | None = None


def known_rig(build: Build, offsets: np.ndarray = SMPL22.offsets) -> KnownRig:
    """A skeleton of `build`, y up and facing +z, standing on y = 0, bones named after their rows."""
    bones: dict[str, tuple[str | None, np.ndarray]] = {}
    rows: dict[str, list[str]] = {}
    at = _joints(offsets, build.arms)

    def add(name: str, parent: str | None, head: np.ndarray, row: str | None = None) -> str:
        bones[name] = (parent, head)
        if row:
            rows.setdefault(row, []).append(name)
        return name

    base = add("root", None, np.zeros(3)) if build.root else None
    pelvis = add("hips", base, at["pelvis"], "pelvis")
    legs = add("hips_low", pelvis, at["pelvis"] - 0.02 * UP) if build.split_hips else pelvis
    last = pelvis
    way = np.stack([at[j] for j in ("spine1", "spine2", "spine3", "neck")])
    for k in range(build.spine):
        # With three bones SMPL's own joints, else as many at equal steps below the neck.
        head = way[k] if build.spine == 3 else way[0] + (way[-1] - way[0]) * k / (build.spine + 0.6)
        last = add(f"spine{k}", last, head, "spine")
    chest = last
    for k in range(build.neck):
        last = add(f"neck{k}", last, at["neck"] + (at["head"] - at["neck"]) * k / build.neck, "neck")
    head = add("head", last, at["head"], "head")
    if build.tips:
        add("head_end", head, at["head"] + 0.2 * UP)
    for s in ("l", "r"):
        out = 1.0 if s == "l" else -1.0
        last = chest
        if build.collars:
            last = add(f"{s}_collar", last, at[f"{s}_collar"], f"{s}_collar")
        last = _limb(add, build, at, s, ("shoulder", "elbow", "wrist"), last)
        if build.fingers:
            _hand(add, build, at, s, last)
        last = _limb(add, build, at, s, ("hip", "knee", "ankle"), legs)
        if build.toes:
            toe = add(f"{s}_foot", last, at[f"{s}_foot"], f"{s}_foot")
            if build.tips:
                add(f"{s}_toe_end", toe, at[f"{s}_foot"] + 0.07 * FORWARD)
        if build.extras:  # an ear, a plait and a coat's tail
            add(f"{s}_ear", head, at["head"] + [0.08 * out, 0.1, 0.0])
            _line(add, f"{s}_plait", head, at["head"] + [0.06 * out, 0.12, -0.08], -UP, 0.5, 5)
            _line(add, f"{s}_coat", pelvis, at["pelvis"] + [0.1 * out, -0.05, -0.08], -UP, 0.55, 4)
    if build.extras:
        _line(add, "tail", pelvis, at["pelvis"] - 0.1 * FORWARD, -FORWARD - 0.5 * UP, 0.6, 5)
    return _known(bones, rows, build)


def turned(known: KnownRig, rotation: np.ndarray, scale: float = 1.0) -> KnownRig:
    """The rig with its armature data turned by (3, 3) and scaled, as a file of another up axis brings it."""
    matrices = known.rig.rest_matrices.copy()
    matrices[:, :3, 3] = scale * matrices[:, :3, 3] @ rotation.T
    matrices[:, :3, :3] = rotation @ matrices[:, :3, :3]
    rig = replace(known.rig, rest_matrices=matrices, lengths=scale * known.rig.lengths)
    return KnownRig(known.name, known.title, rig, known.rows)


def jittered(known: KnownRig, share: float, rng: np.random.Generator) -> KnownRig:
    """The rig with all heads moved at random by a share of its height: scans are not symmetric."""
    matrices = known.rig.rest_matrices.copy()
    height = float(np.ptp(matrices[:, :3, 3], axis=0).max())
    matrices[:, :3, 3] += share * height * rng.normal(size=(len(matrices), 3))
    return KnownRig(known.name, known.title, replace(known.rig, rest_matrices=matrices), known.rows)


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """A rotation (3, 3), any."""
    return quat_to_matrix(quat_exp(rng.normal(size=3) * 2))


def _joints(offsets: np.ndarray, arms: float) -> dict[str, np.ndarray]:
    """Joint positions of a rest pose with slightly bent limbs, arms lowered by degrees, feet on y = 0."""
    local = np.tile(np.array([1.0, 0.0, 0.0, 0.0]), (22, 1))
    for s, out in (("l", 1.0), ("r", -1.0)):
        for joint, (axis, degrees) in BENDS.items():
            sign = -out if joint == "elbow" else 1.0
            local[SMPL22.index(f"{s}_{joint}")] = quat_from_axis_angle(axis, np.radians(sign * degrees))
        lowered = quat_from_axis_angle(FORWARD, np.radians(-out * arms))
        local[SMPL22.index(f"{s}_shoulder")] = lowered
    positions, _ = forward_kinematics(np.zeros(3), local, SMPL22.parents, offsets)
    positions = positions - [0.0, positions[:, 1].min() - 0.02, 0.0]
    return dict(zip(SMPL22.names, positions, strict=True))


def _limb(add, build: Build, at: dict, s: str, joints: tuple[str, str, str], parent: str) -> str:
    """Three joints with the twist bones of the first two; the last bone's name."""
    last = parent
    for k, joint in enumerate(joints):
        slot = f"{s}_{joint}"
        last = main = add(slot, last, at[slot], slot)
        if k == 2:
            break
        step = at[f"{s}_{joints[k + 1]}"] - at[slot]
        for t in range(1, build.twists + 1):
            head = at[slot] + step * t / (build.twists + 1)
            last = add(f"{slot}_part{t}", last, head, f"{slot}_twist")
        if build.side_twists:
            for t in (1, 2):
                add(f"{slot}_twist{t}", main, at[slot] + step * (t - 1) / 2, f"{slot}_twist")
    return last


def _hand(add, build: Build, at: dict, s: str, wrist: str) -> None:
    """Five fingers of three bones along the forearm, the thumb in front."""
    out = at[f"{s}_wrist"] - at[f"{s}_elbow"]
    out = out / np.linalg.norm(out)
    for finger, (along, across) in _FINGERS.items():
        start = at[f"{s}_wrist"] + along * out + across * FORWARD
        way = out if finger != "thumb" else out + 0.7 * FORWARD
        _line(add, f"{s}_{finger}", wrist, start, way, 0.075, 4 if build.tips else 3, f"{s}_{finger}")


def _line(add, name, parent, start, way, length, count, row=None) -> None:
    step = way / np.linalg.norm(way) * length / 3 if row else way / np.linalg.norm(way) * length / count
    last = parent
    for k in range(count):
        last = add(f"{name}{k}", last, np.asarray(start) + k * step, row if k < 3 else None)


def _known(
    bones: dict[str, tuple[str | None, np.ndarray]], rows: dict[str, list[str]], build: Build
) -> KnownRig:
    names = list(bones)
    parents = np.array([-1 if p is None else names.index(p) for p, _ in bones.values()])
    heads = np.array([head for _, head in bones.values()])
    matrices = np.tile(np.eye(4), (len(names), 1, 1))
    matrices[:, :3, 3] = heads
    if build.rolls is not None:
        rng = np.random.default_rng(build.rolls)
        matrices[:, :3, :3] = quat_to_matrix(quat_exp(rng.normal(size=(len(names), 3)) * 2))
    rig = RigDescription("built", names, parents, matrices, bone_lengths(heads, parents))
    return KnownRig("built", str(build), rig, {row: tuple(found) for row, found in rows.items()})


__all__ = ["Build", "jittered", "known_rig", "random_rotation", "turned"]
