# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips, augmented once, kept as tensors from which batches of windows are cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intermoe_engine.representation import (
    INTERHUMAN_ROOT,
    facing_direction,
    features_from_motion,
    foot_contacts,
)
from intermoe_engine.skeleton import CONTACT_JOINTS

from .pair_clip import PairClip

SPEEDS = (0.88, 0.94, 1.0, 1.06, 1.12)


@dataclass(frozen=True)
class Sequence2:
    """One augmented clip: features (2, T, 268) in the clip's own frame, and what captions speak of.

    yaw (2, T) radians, distance (T,) metres between pelvises on the ground, speed (T,) of the feet in
    m/s, wrists (T,) metres between the closest wrists of the two; lead: who leads, 0 or 1.
    """

    name: str
    features: Tensor
    yaw: np.ndarray
    distance: np.ndarray
    speed: np.ndarray
    wrists: np.ndarray
    lead: int

    @property
    def frames(self) -> int:
        return self.features.shape[1]


def augmented(clip: PairClip, speeds: Iterable[float] = SPEEDS) -> list[Sequence2]:
    """The clip and its mirror image, at each speed. Turning and swapping happen when windows are cut."""
    return [sequence_of(variant.retimed(s)) for s in speeds for variant in (clip, clip.mirrored())]


def sequence_of(clip: PairClip) -> Sequence2:
    """A clip as tensors, unchanged."""
    positions = clip.positions()
    contacts = foot_contacts(positions, clip.fps)
    features = features_from_motion(positions, clip.joint_rotations, contacts, INTERHUMAN_ROOT)
    forward = facing_direction(positions)
    feet = np.linalg.norm(np.diff(positions[:, :, CONTACT_JOINTS], axis=1), axis=-1).mean(axis=(0, 2))
    between = positions[0, :, 0] - positions[1, :, 0]
    wrists = positions[0, :, [20, 21]][:, None] - positions[1, :, [20, 21]][None]
    return Sequence2(
        name=clip.name,
        features=torch.from_numpy(features),
        yaw=np.unwrap(np.arctan2(forward[..., 0], forward[..., 2]), axis=1),
        distance=np.hypot(between[:, 0], between[:, 2]),
        speed=np.append(feet, feet[-1]) * clip.fps,
        wrists=np.linalg.norm(wrists, axis=-1).min(axis=(0, 1)),
        lead=clip.roles.index("lead"),
    )


def cut(sequence: Sequence2, start: int, frames: int, swap: bool) -> Tensor:
    """A window (2, frames, 268) in the clip's frame, person B first if `swap`."""
    window = sequence.features[:, start : start + frames]
    return window.flip(0) if swap else window


def canonical(windows: Tensor, reference: Tensor | None = None) -> Tensor:
    """Windows (B, 2, T, 268) in the canonical frame of person A at frame 0 of `reference` (default: itself).

    reference is (B, 2, ≥1, 268): give the frames that come before, to get windows from the middle of a
    longer canonical motion.
    """
    first = (windows if reference is None else reference)[:, 0, 0]
    across = first[:, 6:9] - first[:, 3:6]
    # forward = up × across = (across.z, 0, −across.x); turn it onto +z about y.
    angle = -torch.atan2(across[:, 2], -across[:, 0])
    cos, sin = angle.cos(), angle.sin()
    turned = turn_about_y(windows, cos, sin)
    x, z = first[:, 0], first[:, 2]
    shift = torch.stack([-(cos * x + sin * z), torch.zeros_like(x), -(-sin * x + cos * z)], dim=-1)
    turned[..., 0:66] += shift.repeat(1, 22)[:, None, None]
    return turned


def turn_about_y(windows: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Features (B, 2, T, 268) of motion turned about the vertical by angles with these (B,) cos and sin."""
    c, s = cos[:, None, None, None], sin[:, None, None, None]
    out = windows.clone()
    vectors = windows[..., 0:132].unflatten(-1, (44, 3))
    x, z = vectors[..., 0], vectors[..., 2]
    out[..., 0:132] = torch.stack([c * x + s * z, vectors[..., 1], -s * x + c * z], dim=-1).flatten(-2)
    # The root's two columns, stored row by row, turn in the same way.
    rows = windows[..., 262:268].unflatten(-1, (3, 2))
    top, bottom = rows[..., 0, :], rows[..., 2, :]
    out[..., 262:268] = torch.stack(
        [c * top + s * bottom, rows[..., 1, :], -s * top + c * bottom], dim=-2
    ).flatten(-2)
    return out


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation (268,) of canonical features."""

    mean: Tensor
    std: Tensor

    def normalise(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.std

    def denormalise(self, features: Tensor) -> Tensor:
        return features * self.std + self.mean


def statistics(
    sequences: Sequence[Sequence2], seed: int = 0, windows: int = 400, frames: int = 240
) -> Statistics:
    """Over random canonical windows, both people and both orders. Small deviations are held at a floor."""
    rng = np.random.default_rng(seed)
    batch = torch.cat([window_batch(sequences, rng, 1, frames) for _ in range(windows)])
    flat = batch.flatten(0, 2)
    std = flat.std(dim=0)
    # One deviation for each kind of number keeps the metric's proportions: a toe counts as much as a head.
    for kind in (slice(0, 66), slice(66, 132), slice(132, 258), slice(258, 262), slice(262, 268)):
        std[kind] = std[kind].clamp(min=0.25 * float(std[kind].mean()))
    return Statistics(flat.mean(dim=0), std)


def window_batch(
    sequences: Sequence[Sequence2], rng: np.random.Generator, count: int, frames: int, lead_in: int = 0
) -> Tensor:
    """`count` random canonical windows (count, 2, frames, 268).

    With `lead_in`, the canonical frame is that of a moment up to so many frames before the window.
    """
    long_enough = [s for s in sequences if s.frames >= frames]
    weights = np.array([s.frames - frames + 1 for s in long_enough], dtype=float)
    chosen = rng.choice(len(long_enough), count, p=weights / weights.sum())
    windows, references = [], []
    for sequence in (long_enough[i] for i in chosen):
        start = int(rng.integers(0, sequence.frames - frames + 1))
        before = int(rng.integers(0, min(lead_in, start) + 1))
        swap = bool(rng.integers(2))
        windows.append(cut(sequence, start, frames, swap))
        references.append(cut(sequence, start - before, 1, swap))
    return canonical(torch.stack(windows), torch.stack(references))
