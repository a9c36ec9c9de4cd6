# SPDX-License-Identifier: GPL-3.0-or-later
"""The clips in a .glb, .gltf or .fbx file, read by Blender in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from intermoe_engine.retarget import RigError, map_bones
from intermoe_engine.rotations import matrix_to_quat

from .animated_skeleton import AnimatedSkeleton
from .checks import DataError

TIMEOUT = 900.0
"""Seconds that Blender may take for one file."""
_Z_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class SceneClip:
    """One action of one armature."""

    armature: str
    action: str
    skeleton: AnimatedSkeleton

    def is_called(self, name: str) -> bool:
        """Whether a name means this clip: ACTION or ARMATURE/ACTION, with or without what precedes a "|"."""
        names = {self.action, self.action.rpartition("|")[2]}
        return name in names | {f"{self.armature}/{action}" for action in names}


def read_scene(
    path: Path, fps: float, timeout: float = TIMEOUT, clips: Iterable[str] = ()
) -> list[SceneClip]:
    """Every clip of every armature in a file, or those that are asked for (see `SceneClip.is_called`).

    They are sampled at `fps` from their first key on. Raises DataError where Blender is not at hand, cannot
    read the file or takes longer than `timeout` seconds.
    """
    if importlib.util.find_spec("bpy") is None:
        raise DataError(
            f"{path.name} needs Blender as a Python module: pip install 'intermoe-blender[blender]'"
        )
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    with tempfile.TemporaryDirectory(prefix="intermoe-scene-") as folder:
        output = Path(folder) / "clips.npz"
        asked = [f"--clip={clip}" for clip in clips]
        command = [sys.executable, str(_script()), str(output), repr(float(fps)), str(path.resolve()), *asked]
        # The folder of a script goes first on the path of modules, and may hide standard ones.
        environment = {**os.environ, "PYTHONSAFEPATH": "1"}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=timeout, env=environment
            )
        except subprocess.TimeoutExpired:
            raise DataError(f"{path.name}: Blender took longer than {timeout:g} s; split the file") from None
        if done.returncode != 0 or not output.is_file():
            lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            reason = lines[-1] if lines else "no reason given"
            raise DataError(f"{path.name}: Blender cannot read it ({reason})")
        with np.load(output, allow_pickle=False) as data:
            return _clips(data, fps)


def _script() -> Path:
    """The add-on's script, which alone speaks to Blender; found without importing the add-on."""
    spec = importlib.util.find_spec("blender_addon")
    if spec is None or spec.origin is None:
        raise DataError("the package blender_addon is missing: install the whole project, intermoe-blender")
    return Path(spec.origin).parent / "headless" / "read_scene.py"


def _clips(data: Mapping[str, np.ndarray], fps: float) -> list[SceneClip]:
    found = []
    armature = 0
    while f"0.{armature}.name" in data:
        rig = f"0.{armature}"
        name = str(data[f"{rig}.name"])
        bones, parents = data[f"{rig}.bones"].tolist(), data[f"{rig}.parents"]
        keep = np.arange(len(bones))
        for j, action in enumerate(data[f"{rig}.clips"].tolist()):
            rest, lengths, pose = (data[f"{rig}.{j}.{key}"] for key in ("rest", "lengths", "pose"))
            if j == 0:
                every = _skeleton(name, fps, bones, parents, rest, lengths, pose[:1], keep)
                keep = _body_bones(every, data[f"{rig}.deform"])
            skeleton = _skeleton(action, fps, bones, parents, rest, lengths, pose, keep)
            found.append(SceneClip(name, action, skeleton))
        armature += 1
    return found


def _body_bones(skeleton: AnimatedSkeleton, deform: np.ndarray) -> np.ndarray:
    """The bones (K,) to go by: those that deform the mesh where they make a body, else all.

    Control rigs move the deforming bones by constraints, whichever controls are keyed.
    """
    deforming = np.flatnonzero(deform)
    if 0 < len(deforming) < len(deform):
        try:
            map_bones(_subset(skeleton, deforming).rig())
        except RigError:
            return np.arange(len(deform))
        return deforming
    return np.arange(len(deform))


def _skeleton(
    name: str,
    fps: float,
    bones: list[str],
    parents: np.ndarray,
    rest: np.ndarray,
    lengths: np.ndarray,
    pose: np.ndarray,
    keep: np.ndarray,
) -> AnimatedSkeleton:
    rest, pose = rest.astype(float), pose.astype(float)
    heads = rest[:, :3, 3]
    # Objects and bones may carry a scale: the rotations are what is left without it.
    at_rest, posed = _rotations(rest[:, :3, :3]), _rotations(pose[..., :3, :3])
    tails = heads + at_rest[:, :, 1] * lengths[:, None]
    skeleton = AnimatedSkeleton(
        name,
        fps,
        tuple(bones),
        parents,
        heads,
        tails,
        pose[..., :3, 3],
        matrix_to_quat(posed @ np.swapaxes(at_rest, -1, -2)),
        metres_per_unit=1.0,
        up=_Z_UP,
        floor=True,
    )
    return skeleton if len(keep) == len(bones) else _subset(skeleton, keep)


def _subset(skeleton: AnimatedSkeleton, keep: np.ndarray) -> AnimatedSkeleton:
    """The skeleton with some of its bones, each below its nearest kept ancestor."""
    number = {int(bone): n for n, bone in enumerate(keep)}
    parents = []
    for bone in keep:
        parent = int(skeleton.parents[bone])
        while parent >= 0 and parent not in number:
            parent = int(skeleton.parents[parent])
        parents.append(number.get(parent, -1))
    return AnimatedSkeleton(
        skeleton.name,
        skeleton.fps,
        tuple(skeleton.bone_names[bone] for bone in keep),
        np.array(parents),
        skeleton.heads[keep],
        skeleton.tails[keep],
        skeleton.positions[:, keep],
        skeleton.turns[:, keep],
        skeleton.metres_per_unit,
        skeleton.up,
        skeleton.floor,
    )


def _rotations(matrices: np.ndarray) -> np.ndarray:
    """The nearest rotations (..., 3, 3) of matrices (..., 3, 3), by polar decomposition."""
    u, _, vt = np.linalg.svd(matrices)
    sign = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
    u = np.array(u)
    u[..., :, 2] *= sign[..., None]
    return u @ vt
