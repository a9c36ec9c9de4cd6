# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a take as two BVH files, one for each person."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..atomic import replacing_all
from ..rotations import Array, quat_to_matrix
from ..skeleton import SMPL22
from ..take import ActorMotion, Take

# BVH has no units; most programs take them as centimetres, Blender by a scale that the user gives.
UNITS_PER_METRE = 100.0
_TIP_METRES = {"head": (0.0, 0.12, 0.0), "l_foot": (0.0, 0.0, 0.06), "r_foot": (0.0, 0.0, 0.06)}
_TIP_METRES |= {"l_wrist": (0.08, 0.0, 0.0), "r_wrist": (-0.08, 0.0, 0.0)}


def bvh_paths(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """The two files of a take saved as `OUT.bvh`: OUT_a.bvh and OUT_b.bvh."""
    path = Path(path)
    return path.with_name(f"{path.stem}_a.bvh"), path.with_name(f"{path.stem}_b.bvh")


def write_bvh(take: Take, path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write both people of a take next to `path`, as `bvh_paths` names them. Raises OSError.

    SMPL's 22 joints with each person's own bone lengths, centimetres, y up, at rest facing +z, in the
    one shared frame of the pair. Rotation channels are Z, Y, X: turns about the moving axes, in that order.
    The files appear under their names only when both are complete.
    """
    paths = bvh_paths(path)
    with replacing_all(paths) as temporaries:
        for actor, temporary in zip(take.actors, temporaries, strict=True):
            temporary.write_text(bvh_text(actor, take.fps), encoding="utf-8", newline="\n")
    return paths


def bvh_text(actor: ActorMotion, fps: float) -> str:
    """One person's motion as the text of a BVH file."""
    lines = ["HIERARCHY", *_joint_lines(0, actor.rest_offsets * UNITS_PER_METRE, "")]
    lines += ["MOTION", f"Frames: {actor.frames}", f"Frame Time: {1.0 / fps:.9f}"]
    angles = np.degrees(euler_zyx(actor.joint_rotations))
    order = list(_depth_first(0))
    channels = np.concatenate(
        [actor.root_translation * UNITS_PER_METRE, angles[:, order].reshape(actor.frames, -1)], axis=1
    )
    lines += [" ".join(f"{value:.6f}" for value in row) for row in channels.tolist()]
    return "\n".join(lines) + "\n"


def euler_zyx(rotations: Array) -> Array:
    """Radians (T, J, 3) about z, y, x, with R = Rz Ry Rx, of quaternions (T, J, 4); continuous in time."""
    m = quat_to_matrix(rotations)
    y = np.arcsin(np.clip(-m[..., 2, 0], -1.0, 1.0))
    z = np.arctan2(m[..., 1, 0], m[..., 0, 0])
    x = np.arctan2(m[..., 2, 1], m[..., 2, 2])
    # At a pitch of 90 degrees z and x turn about one axis: all of the turn goes to z.
    locked = np.abs(m[..., 2, 0]) > 1.0 - 1e-9
    z = np.where(locked, np.arctan2(-m[..., 0, 1], m[..., 1, 1]), z)
    x = np.where(locked, 0.0, x)
    return np.unwrap(np.stack([z, y, x], axis=-1), axis=0)


def _children(joint: int) -> list[int]:
    return [int(child) for child in np.flatnonzero(SMPL22.parents == joint)]


def _depth_first(joint: int) -> Iterator[int]:
    yield joint
    for child in _children(joint):
        yield from _depth_first(child)


def _joint_lines(joint: int, offsets: Array, indent: str) -> Iterator[str]:
    name = SMPL22.names[joint]
    inner = indent + "  "
    root = joint == 0
    yield f"{indent}{'ROOT' if root else 'JOINT'} {name}"
    yield f"{indent}{{"
    # The root's place is all in its channels: programs differ in whether its offset is added to them.
    yield f"{inner}OFFSET {_numbers(np.zeros(3) if root else offsets[joint])}"
    position = "6 Xposition Yposition Zposition" if root else "3"
    yield f"{inner}CHANNELS {position} Zrotation Yrotation Xrotation"
    children = _children(joint)
    for child in children:
        yield from _joint_lines(child, offsets, inner)
    if not children:
        tip = np.array(_TIP_METRES[name]) * UNITS_PER_METRE
        yield f"{inner}End Site"
        yield f"{inner}{{"
        yield f"{inner}  OFFSET {_numbers(tip)}"
        yield f"{inner}}}"
    yield f"{indent}}}"


def _numbers(values: Array) -> str:
    return " ".join(f"{value:.6f}" for value in values)
