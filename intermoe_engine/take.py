# SPDX-License-Identifier: GPL-3.0-or-later
"""A take: one generated motion of two people, with where it came from. Saved as .npz without pickle."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .errors import EngineError
from .kinematics import forward_kinematics
from .npz import ArraysError, read_arrays, scalar, write_arrays
from .rotations import Array, quat_normalize, quat_slerp
from .skeleton import SMPL22

SCHEMA = 1


class TakeError(EngineError, ValueError):
    """A take file that cannot be used; the message says why."""


@dataclass
class ActorMotion:
    """The motion of one person in canonical space.

    root_translation (T, 3) metres; joint_rotations (T, 22, 4) local, joint 0 global; joint_positions
    (T, 22, 3), the forward kinematics of the former; foot_contacts (T, 4) of left ankle, left toe, right
    ankle, right toe, 0..1; rest_offsets (22, 3): this person's own bone lengths.
    """

    root_translation: Array
    joint_rotations: Array
    joint_positions: Array
    foot_contacts: Array
    rest_offsets: Array

    @staticmethod
    def from_rotations(
        root_translation: Array, joint_rotations: Array, foot_contacts: Array, rest_offsets: Array
    ) -> ActorMotion:
        """An actor whose joint positions are computed here, so that they always agree."""
        positions, _ = forward_kinematics(root_translation, joint_rotations, SMPL22.parents, rest_offsets)
        return ActorMotion(root_translation, joint_rotations, positions, foot_contacts, rest_offsets)

    @property
    def frames(self) -> int:
        return len(self.root_translation)

    def resampled(self, times: Array) -> ActorMotion:
        """This motion at fractional frame numbers `times` (N,), rotations along the shorter arc."""
        low = np.clip(np.floor(times).astype(int), 0, self.frames - 1)
        high = np.minimum(low + 1, self.frames - 1)
        t = times - low
        mix = lambda a: a[low] + (a[high] - a[low]) * t[:, None]
        return ActorMotion.from_rotations(
            mix(self.root_translation),
            quat_slerp(self.joint_rotations[low], self.joint_rotations[high], t[:, None]),
            (mix(self.foot_contacts) > 0.5).astype(self.foot_contacts.dtype),
            self.rest_offsets,
        )


@dataclass
class Take:
    """Two actors (A, B) on one clock and one floor, and how they came to be."""

    prompt: str
    seed: int
    fps: float
    actors: tuple[ActorMotion, ActorMotion]
    meta: dict = field(default_factory=dict)

    @property
    def frames(self) -> int:
        return self.actors[0].frames

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return self.frames / self.fps

    def resampled(self, fps: float) -> Take:
        """The same motion at another frame rate, from the first frame on. Raises ValueError if fps <= 0."""
        if not 0 < fps < float("inf"):
            raise ValueError(f"frames per second must be above zero, got {fps}")
        if abs(fps - self.fps) < 1e-9:
            return self
        count = int(np.floor((self.frames - 1) / self.fps * fps + 1e-6)) + 1
        times = np.arange(count) * (self.fps / fps)
        a, b = (actor.resampled(times) for actor in self.actors)
        return Take(self.prompt, self.seed, fps, (a, b), dict(self.meta))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the take; an existing file is replaced only once the new one is complete."""
        path = Path(path)
        stack = lambda name: np.stack([getattr(a, name) for a in self.actors]).astype(np.float32)
        arrays = {
            "schema": np.array(SCHEMA),
            "fps": np.array(float(self.fps)),
            "prompt": np.array(self.prompt),
            "seed": np.array(self.seed, dtype=np.int64),
            "meta": np.array(json.dumps(self.meta, ensure_ascii=False)),
            **{name: stack(name) for name in _STACKED},
        }
        write_arrays(path, arrays, compressed=True)
        return path

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Take:
        """Read a take. Raises TakeError with one clear sentence when the file is not a whole, sane take."""
        path = Path(path)
        try:
            data = read_arrays(path)
        except FileNotFoundError:
            raise TakeError(f"{path}: there is no such take file") from None
        except ArraysError as error:
            raise TakeError(f"{path}: not a readable take (.npz): {error}") from None
        missing = [key for key in (*_SCALARS, *_STACKED) if key not in data]
        if missing and missing != ["rest_offsets"]:
            raise TakeError(f"{path}: not a take: it lacks {', '.join(missing)}")
        try:
            facts = {key: scalar(data, key, kinds) for key, kinds in _SCALARS.items()}
        except ArraysError as error:
            raise TakeError(f"{path}: not a take: {error}") from None
        if int(facts["schema"]) > SCHEMA:
            raise TakeError(
                f"{path}: written by a newer version (schema {int(facts['schema'])}); update InterMoE"
            )
        fps = float(facts["fps"])
        if not 0 < fps < float("inf"):
            raise TakeError(f"{path}: its frame rate is {fps}, which is not above zero")
        _check_shapes(path, data)
        if missing:
            data["rest_offsets"] = _offsets_from_motion(data)
        # Files of other tools, and float32, hold quaternions that are not quite of length one.
        data["joint_rotations"] = quat_normalize(data["joint_rotations"].astype(np.float64))
        actors = tuple(ActorMotion(**{k: data[k][i].astype(np.float64) for k in _STACKED}) for i in (0, 1))
        try:
            meta = json.loads(str(facts["meta"]))
        except (ValueError, RecursionError) as error:
            raise TakeError(f"{path}: its notes (meta) are not JSON: {error}") from None
        if not isinstance(meta, dict):
            raise TakeError(f"{path}: its notes (meta) are not a JSON object")
        return Take(str(facts["prompt"]), int(facts["seed"]), fps, (actors[0], actors[1]), meta)


# Single values with the kinds of number or text that they may be.
_SCALARS = {"schema": "iu", "fps": "fiu", "prompt": "U", "seed": "iu", "meta": "U"}
_STACKED = ("root_translation", "joint_rotations", "joint_positions", "foot_contacts", "rest_offsets")


def _check_shapes(path: Path, data: dict) -> None:
    frames = data["root_translation"].shape[1] if data["root_translation"].ndim == 3 else 0
    expected = {
        "root_translation": (2, frames, 3),
        "joint_rotations": (2, frames, 22, 4),
        "joint_positions": (2, frames, 22, 3),
        "foot_contacts": (2, frames, 4),
        "rest_offsets": (2, 22, 3),
    }
    for name, shape in expected.items():
        if name not in data:
            continue
        if frames == 0 or data[name].shape != shape:
            raise TakeError(f"{path}: {name} has shape {data[name].shape}, a take needs (2, frames, …)")
        if data[name].dtype.kind not in "fiu" or not np.isfinite(data[name]).all():
            raise TakeError(f"{path}: {name} holds numbers that are not finite")
    if np.linalg.norm(data["joint_rotations"], axis=-1).min() < 1e-3:
        raise TakeError(f"{path}: joint_rotations holds quaternions of length zero, which are no rotations")


def _offsets_from_motion(data: dict) -> Array:
    """Bone lengths for takes of other tools, which may leave the rest offsets out."""
    positions = data["joint_positions"]
    parents = SMPL22.parents[1:]
    lengths = np.median(np.linalg.norm(positions[:, :, 1:] - positions[:, :, parents], axis=-1), axis=1)
    rest = SMPL22.offsets[1:]
    scaled = rest / np.linalg.norm(rest, axis=-1, keepdims=True) * lengths[..., None]
    return np.concatenate([np.zeros((2, 1, 3)), scaled], axis=1)
