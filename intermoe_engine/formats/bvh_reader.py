# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading BVH files: any hierarchy, any order of channels."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import EngineError
from ..kinematics import forward_kinematics
from ..rotations import Array, quat_from_axis_angle, quat_multiply

_AXES = {"X": np.array([1.0, 0, 0]), "Y": np.array([0, 1.0, 0]), "Z": np.array([0, 0, 1.0])}

_CHANNELS = frozenset(f"{axis}{kind}" for axis in _AXES for kind in ("position", "rotation"))


class BvhError(EngineError, ValueError):
    """A BVH file that cannot be read; the message says where and why."""


@dataclass(frozen=True)
class BvhMotion:
    """A BVH file in its own units and axes.

    names (J), parents (J,), offsets (J, 3), end_sites: offset (3,) of the tip of a leaf joint by name,
    root_translation (T, 3), local_rotations (T, J, 4), fps.
    """

    names: tuple[str, ...]
    parents: np.ndarray
    offsets: Array
    end_sites: dict[str, Array]
    root_translation: Array
    local_rotations: Array
    fps: float

    def global_pose(self) -> tuple[Array, Array]:
        """Positions (T, J, 3) and rotations (T, J, 4) of every joint."""
        return forward_kinematics(self.root_translation, self.local_rotations, self.parents, self.offsets)


def read_bvh(path: str | os.PathLike[str], text: str | None = None) -> BvhMotion:
    """Read a BVH file (or `text`, with `path` for messages). Raises BvhError, OSError."""
    source = Path(path).read_text(encoding="utf-8", errors="replace") if text is None else text
    head, found, tail = source.partition("MOTION")
    if not found:
        raise BvhError(f"{path}: no MOTION section, so this is not a whole BVH file")
    names, parents, offsets, channels, end_sites = _read_hierarchy(path, head.split())
    fps, numbers = _read_frames(path, tail, sum(len(c) for c in channels))
    translation = np.zeros((len(numbers), 3)) + offsets[0]
    rotations = np.zeros((len(numbers), len(names), 4))
    rotations[..., 0] = 1.0
    column = 0
    for joint, kinds in enumerate(channels):
        for kind in kinds:
            values = numbers[:, column]
            column += 1
            if kind.endswith("rotation"):
                turn = quat_from_axis_angle(_AXES[kind[0]], np.radians(values))
                rotations[:, joint] = quat_multiply(rotations[:, joint], turn)
            elif joint == 0:
                translation[:, "XYZ".index(kind[0])] = values
    return BvhMotion(
        tuple(names), np.array(parents), np.array(offsets), end_sites, translation, rotations, fps
    )


def _read_hierarchy(path, words: list[str]):
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[str]] = []
    end_sites: dict[str, Array] = {}
    stack: list[int] = []
    in_end_site = False
    i = 0
    try:
        while i < len(words):
            word = words[i]
            if word in ("ROOT", "JOINT"):
                parents.append(stack[-1] if stack else -1)
                names.append(words[i + 1])
                offsets.append([0.0, 0.0, 0.0])
                channels.append([])
                i += 1
            elif word == "End":
                in_end_site = True
                i += 1
            elif word == "{":
                stack.append(-2 if in_end_site else len(names) - 1)
            elif word == "}":
                in_end_site = False
                stack.pop()
            elif word == "OFFSET":
                offset = [float(w) for w in words[i + 1 : i + 4]]
                if in_end_site:
                    end_sites[names[-1]] = np.array(offset)
                else:
                    offsets[-1] = offset
                i += 3
            elif word == "CHANNELS":
                count = int(words[i + 1])
                channels[-1] = words[i + 2 : i + 2 + count]
                if not _CHANNELS.issuperset(channels[-1]) or len(channels[-1]) != count:
                    raise ValueError(f"{count} channels called {' '.join(channels[-1])}")
                i += 1 + count
            i += 1
    except (IndexError, ValueError) as error:
        raise BvhError(f"{path}: broken HIERARCHY near word {i}: {error}") from None
    if not names or stack or any(len(offset) != 3 for offset in offsets):
        raise BvhError(f"{path}: the HIERARCHY names no joints, or it is cut off")
    return names, parents, offsets, channels, end_sites


def _read_frames(path, tail: str, width: int) -> tuple[float, Array]:
    try:
        count_text, rest = tail.split("Frames:", 1)[1].strip().split("\n", 1)
        step_text, rest = rest.split("Frame Time:", 1)[1].strip().split("\n", 1)
        count, step = int(count_text), float(step_text)
        numbers = np.array(rest.split(), dtype=np.float64)
    except (IndexError, ValueError) as error:
        raise BvhError(f"{path}: broken MOTION section: {error}") from None
    if width == 0 or count < 1 or not 0 < step < np.inf or numbers.size < count * width:
        raise BvhError(f"{path}: says {count} frames of {width} numbers, holds {numbers.size} numbers")
    if not np.isfinite(numbers).all():
        raise BvhError(f"{path}: the MOTION holds numbers that are not finite")
    return 1.0 / step, numbers[: count * width].reshape(count, width)
