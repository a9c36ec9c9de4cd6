# SPDX-License-Identifier: GPL-3.0-or-later
"""Two people whose motion is known, on skeletons of any rest pose, bone axes, world axes and units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from intermoe_engine.skeleton import SMPL22

PARENTS = SMPL22.parents
JOINT = {name: i for i, name in enumerate(SMPL22.names)}

MIXAMO = {
    "pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck",
    "head": "Head",
    **{f"{s}_{ours}": f"{side}{theirs}" for s, side in (("l", "Left"), ("r", "Right")) for ours, theirs in (
        ("hip", "UpLeg"), ("knee", "Leg"), ("ankle", "Foot"), ("foot", "ToeBase"), ("collar", "Shoulder"),
        ("shoulder", "Arm"), ("elbow", "ForeArm"), ("wrist", "Hand"))},
}  # fmt: skip
SMPL = {name: name for name in SMPL22.names}
CHARACTER = {
    "pelvis": "CC_Base_Pelvis", "spine1": "CC_Base_Waist", "spine2": "CC_Base_Spine01",
    "spine3": "CC_Base_Spine02", "neck": "CC_Base_NeckTwist01", "head": "CC_Base_Head",
    **{f"{s}_{ours}": f"CC_Base_{s.upper()}_{theirs}" for s in "lr" for ours, theirs in (
        ("hip", "Thigh"), ("knee", "Calf"), ("ankle", "Foot"), ("foot", "ToeBase"), ("collar", "Clavicle"),
        ("shoulder", "Upperarm"), ("elbow", "Forearm"), ("wrist", "Hand"))},
}  # fmt: skip


@dataclass(frozen=True)
class KnownPair:
    """The truth: positions (2, T, 22, 3) in metres, y up, and global rotations (2, T, 22, 3, 3)."""

    fps: float
    offsets: np.ndarray
    positions: np.ndarray
    rotations: np.ndarray

    @property
    def local(self) -> np.ndarray:
        """Rotations (2, T, 22, 3, 3) relative to the parent."""
        local = np.array(self.rotations)
        local[:, :, 1:] = np.swapaxes(self.rotations[:, :, PARENTS[1:]], -1, -2) @ self.rotations[:, :, 1:]
        return local


def known_pair(frames: int = 60, fps: float = 30.0, seed: int = 0) -> KnownPair:
    """Two people who step, bend and wave like people: knees and elbows are hinges that bend one way.

    Their planted toes are at 2 cm: the floor that the loaders look for is y = 0 already.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(frames) / fps
    wave = lambda size: size * np.sin(rng.uniform(1.5, 4.0) * t + rng.uniform(0, 6.0))
    offsets = np.stack([SMPL22.offsets * size for size in (1.0, 0.93)])
    rotations = np.zeros((2, frames, 22, 3, 3))
    positions = np.zeros((2, frames, 22, 3))
    for person in (0, 1):
        local = [Rotation.from_rotvec(np.stack([wave(0.15) for _ in range(3)], axis=-1)) for _ in range(22)]
        for s, sign in (("l", 1.0), ("r", -1.0)):
            bend = lambda low, high: low + (high - low) * (0.5 + 0.5 * np.sin(3.0 * t + rng.uniform(0, 6)))
            zero = np.zeros(frames)
            local[JOINT[f"{s}_hip"]] = Rotation.from_rotvec(
                np.stack([wave(0.3) - 0.3, wave(0.2), wave(0.1)], axis=-1)
            )
            local[JOINT[f"{s}_knee"]] = Rotation.from_rotvec(np.stack([bend(0.1, 1.1), zero, zero], axis=-1))
            local[JOINT[f"{s}_shoulder"]] = Rotation.from_rotvec(
                np.stack([wave(0.3), wave(0.4), wave(0.3) - 0.9 * sign], axis=-1)
            )
            elbow = np.stack([zero, -sign * bend(0.2, 1.6), zero], axis=-1)
            local[JOINT[f"{s}_elbow"]] = Rotation.from_rotvec(elbow)
            local[JOINT[f"{s}_foot"]] = Rotation.from_rotvec(np.stack([wave(0.1), zero, zero], axis=-1))
        heading = Rotation.from_rotvec([0.0, (0.4, 0.4 + np.pi)[person], 0.0])
        local[0] = heading * local[0]
        positions[person, :, 0] = np.stack([wave(0.3), 0.9 + 0 * t, wave(0.3)], axis=-1) + [
            0,
            0,
            0.9 * person,
        ]
        for j in range(22):
            p = PARENTS[j]
            if p < 0:
                rotations[person, :, j] = local[0].as_matrix()
                continue
            rotations[person, :, j] = rotations[person, :, p] @ local[j].as_matrix()
            positions[person, :, j] = positions[person, :, p] + rotations[person, :, p] @ offsets[person, j]
        lowest = positions[person, :, [10, 11], 1].min(axis=0)
        positions[person, ..., 1] -= np.percentile(lowest, 10) - 0.02
    return KnownPair(fps, offsets, positions, rotations)


@dataclass(frozen=True)
class FileSkeleton:
    """One person as a file has them: its units and axes.

    names, parents (N,), heads (N, 3) at rest, positions (T, N, 3), turns (T, N, 3, 3): global since rest.
    """

    names: list[str]
    parents: list[int]
    heads: np.ndarray
    positions: np.ndarray
    turns: np.ndarray

    @property
    def local_turns(self) -> np.ndarray:
        """Turns (T, N, 3, 3) relative to the parent's."""
        local = np.array(self.turns)
        for n, p in enumerate(self.parents):
            if p >= 0:
                local[:, n] = np.swapaxes(self.turns[:, p], -1, -2) @ self.turns[:, n]
        return local


def on_skeleton(
    truth: KnownPair,
    person: int,
    names: dict[str, str],
    rest: dict[str, Rotation] | None = None,
    axes: np.ndarray | None = None,
    unit: float = 1.0,
    extra: Sequence[tuple[str, str, tuple[float, float, float]]] = (),
) -> FileSkeleton:
    """A person of the truth on a skeleton of their own bone lengths.

    rest: global rotations from the T-pose into the file's rest pose, by joint; a joint that is not named
    goes on as its parent. axes (3, 3): from y up to the file's axes. unit: metres in a unit. extra: further
    bones (name, joint that carries it, place from that joint in the T-pose).
    """
    rest, axes = rest or {}, np.eye(3) if axes is None else axes
    turned = [np.eye(3)] * 22
    heads = np.zeros((22 + len(extra), 3))
    bones, parents = [], []
    for j, name in enumerate(SMPL22.names):
        p = int(PARENTS[j])
        above = turned[p] if p >= 0 else np.eye(3)
        turned[j] = rest[name].as_matrix() if name in rest else above
        heads[j] = heads[p] + above @ truth.offsets[person, j] if p >= 0 else np.zeros(3)
        bones.append(names[name])
        parents.append(p)
    positions = list(np.moveaxis(truth.positions[person], 1, 0))
    turns = [truth.rotations[person][:, j] @ turned[j].T for j in range(22)]
    for n, (name, joint, place) in enumerate(extra):
        j = JOINT[joint]
        bones.append(name)
        parents.append(j)
        heads[22 + n] = heads[j] + turned[j] @ np.array(place)
        positions.append(positions[j] + truth.rotations[person][:, j] @ np.array(place))
        turns.append(turns[j])
    return FileSkeleton(
        bones,
        parents,
        heads @ axes.T / unit,
        np.stack(positions, axis=1) @ axes.T / unit,
        axes @ np.stack(turns, axis=1) @ axes.T,
    )


def with_split_bones(skeleton: FileSkeleton, bones: Sequence[str]) -> FileSkeleton:
    """The skeleton with one more bone halfway to each of `bones`, taking half of its rotation."""
    names, parents = list(skeleton.names), list(skeleton.parents)
    heads, local = list(skeleton.heads), list(np.moveaxis(skeleton.local_turns, 1, 0))
    for name in bones:
        bone = names.index(name)
        half = Rotation.from_rotvec(Rotation.from_matrix(local[bone]).as_rotvec() / 2).as_matrix()
        heads.append((heads[bone] + heads[parents[bone]]) / 2)
        names.append(f"{name}5")
        parents.append(parents[bone])
        parents[bone] = len(names) - 1
        local[bone] = half
        local.append(half)
    positions = [skeleton.positions[:, 0]] * len(names)
    turns = [local[0]] * len(names)
    done = {0}
    while len(done) < len(names):  # parents are not before their children any more
        for bone, parent in enumerate(parents):
            if bone not in done and parent in done:
                turns[bone] = turns[parent] @ local[bone]
                positions[bone] = positions[parent] + turns[parent] @ (heads[bone] - heads[parent])
                done.add(bone)
    return FileSkeleton(names, parents, np.stack(heads), np.stack(positions, axis=1), np.stack(turns, axis=1))


def a_pose() -> dict[str, Rotation]:
    """Arms 45 degrees down, legs a little apart."""
    out = {}
    for s, sign in (("l", 1.0), ("r", -1.0)):
        arm = Rotation.from_euler("z", -45.0 * sign, degrees=True)
        out |= {f"{s}_shoulder": arm, f"{s}_elbow": arm, f"{s}_wrist": arm}
        out[f"{s}_hip"] = out[f"{s}_knee"] = Rotation.from_euler("z", 8.0 * sign, degrees=True)
        out[f"{s}_ankle"] = out[f"{s}_foot"] = Rotation.identity()
    return out


def write_bvh(path, skeleton: FileSkeleton, fps: float, order: str = "ZXY") -> None:
    """A BVH file, intrinsic Euler angles in `order`."""
    children = [[c for c, p in enumerate(skeleton.parents) if p == n] for n in range(len(skeleton.names))]
    lines, sequence = ["HIERARCHY"], []
    rotations = " ".join(f"{axis}rotation" for axis in order)

    def joint(n: int, depth: int) -> None:
        sequence.append(n)
        pad = "  " * depth
        p = skeleton.parents[n]
        offset = skeleton.heads[n] - (skeleton.heads[p] if p >= 0 else skeleton.heads[n])
        lines.append(f"{pad}{'JOINT' if p >= 0 else 'ROOT'} {skeleton.names[n]}")
        lines.append(f"{pad}{{")
        lines.append(f"{pad}  OFFSET {' '.join(f'{x:.9f}' for x in offset)}")
        root = "6 Xposition Yposition Zposition" if p < 0 else "3"
        lines.append(f"{pad}  CHANNELS {root} {rotations}")
        for child in children[n]:
            joint(child, depth + 1)
        if not children[n]:
            lines.extend([f"{pad}  End Site", f"{pad}  {{", f"{pad}    OFFSET 0 0 0", f"{pad}  }}"])
        lines.append(f"{pad}}}")

    joint(0, 0)
    frames = len(skeleton.positions)
    angles = Rotation.from_matrix(skeleton.local_turns.reshape(-1, 3, 3)).as_euler(order, degrees=True)
    angles = angles.reshape(frames, len(skeleton.names), 3)[:, sequence].reshape(frames, -1)
    numbers = np.concatenate([skeleton.positions[:, 0], angles], axis=1)
    lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {1 / fps:.9f}"]
    lines += [" ".join(f"{x:.8f}" for x in row) for row in numbers]
    path.write_text("\n".join(lines) + "\n")


def degrees_apart(quaternions: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Angles (...) between rotations given as (w, x, y, z) and as matrices."""
    ours = Rotation.from_quat(np.roll(quaternions, -1, axis=-1).reshape(-1, 4))
    theirs = Rotation.from_matrix(matrices.reshape(-1, 3, 3))
    return np.degrees((ours.inv() * theirs).magnitude()).reshape(quaternions.shape[:-1])
