# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a clip unfit to train on, said in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intermoe_engine.errors import EngineError

from .pair_clip import PairClip

MIN_FRAMES = 15
"""The shortest clip, in frames at 30 per second: the published minimum."""
MAX_SPEED = 20.0
"""Metres a second that no joint exceeds; a fast punch or kick reaches 15."""
MAX_PELVIS_SPEED = 10.0
"""Metres a second that no pelvis exceeds; a sprint inside a capture volume reaches 8."""
FLOOR_DEPTH = 0.10
"""Metres that a foot joint may lie below the floor."""
MAX_DISTANCE = 20.0
"""Metres between the two people beyond which one of them is somewhere else."""
_FEET = (7, 8, 10, 11)


class DataError(EngineError):
    """Motion data that cannot be read; the message is one sentence that says what to do."""


@dataclass(frozen=True)
class Rejected:
    """A clip that is left out, and why."""

    name: str
    reason: str
    source: str = ""


def check(clip: PairClip) -> str | None:
    """The reason why a clip is unfit, or None.

    Looks for: unequal lengths, one person missing, numbers that are not finite, too few frames (15 at
    30 fps), feet through the floor (10 cm), and teleports (a pelvis
    faster than 10 m/s, or any joint than 20).
    """
    root, rotations, offsets = clip.root_translation, clip.joint_rotations, clip.rest_offsets
    if len(root) != 2 or len(rotations) != 2 or len(offsets) != 2:
        return f"one person missing: the clip has {len(root)} of 2"
    frames = clip.frames
    shapes = {"root_translation": (2, frames, 3), "joint_rotations": (2, frames, 22, 4)}
    shapes |= {"rest_offsets": (2, 22, 3), "hands": (2, frames, 30, 4), "given_positions": (2, frames, 22, 3)}
    for field, shape in shapes.items():
        array = getattr(clip, field)
        if array is None:
            continue
        if array.shape != shape:
            return f"unequal length: {field} has shape {array.shape}, not {shape}"
        if not np.isfinite(array).all():
            return f"NaN: {field} holds {int((~np.isfinite(array)).sum())} numbers that are not finite"
    if not 0 < clip.fps < float("inf"):
        return f"frame rate {clip.fps} is not above zero"
    if frames < MIN_FRAMES * clip.fps / 30.0:
        return f"too short: {frames} frames at {clip.fps:g} a second, {MIN_FRAMES} at 30 are needed"
    return _check_motion(clip)


def _check_motion(clip: PairClip) -> str | None:
    positions = clip.positions()
    extent = np.ptp(positions.reshape(2, -1, 3), axis=1).max(axis=1)
    for person in (0, 1):
        if extent[person] < 1e-3 or not np.any(positions[person]):
            return f"one person missing: person {person + 1} has no body"
    speed = np.linalg.norm(np.diff(positions, axis=1), axis=-1) * clip.fps
    for joints, limit in ((slice(0, 1), MAX_PELVIS_SPEED), (slice(None), MAX_SPEED)):
        fastest = speed[:, :, joints].max(axis=2)
        if fastest.max() > limit:
            person, frame = np.unravel_index(int(fastest.argmax()), fastest.shape)
            pace = f"moves at {fastest.max():.0f} m/s after frame {int(frame)}, the limit is {limit:g}"
            return f"teleport: person {int(person) + 1} {pace}"
    lowest = positions[:, :, _FEET, 1].min(axis=2)
    if lowest.min() < -FLOOR_DEPTH:
        person, frame = np.unravel_index(int(lowest.argmin()), lowest.shape)
        return (
            f"feet through the floor: person {int(person) + 1} lies {-100 * lowest.min():.0f} cm below it "
            f"in frame {int(frame)}"
        )
    apart = np.linalg.norm(positions[0, :, 0] - positions[1, :, 0], axis=-1).min()
    if apart > MAX_DISTANCE:
        return f"one person missing: the two are never nearer than {apart:.0f} m"
    return None
