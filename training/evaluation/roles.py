# SPDX-License-Identifier: GPL-3.0-or-later
"""Who does what: whether the person who should act does, and whether the two are two different people."""

from __future__ import annotations

import math
import re

import numpy as np

from intermoe_engine.representation import facing_direction
from intermoe_engine.skeleton import SMPL22

from ..data.captions import swap_roles
from .quality import body_speeds, joint_speeds

CLEAR_RATIO = 1.25
"""One person is clearly livelier than the other from this ratio of their speeds on."""

_PERSON = "person|man|woman|guy|girl|boy|lady|dancer|fighter|boxer|partner|player|individual|actor|character"
_TWO_PEOPLE = re.compile(
    rf"\b(the other|the second|person (?:2|two|b)|p2|the follow|the lead|led by|leads|a leading|follows)\b"
    rf"|\b(?:a|the) (?:man|guy|boy)\b.*\b(?:a|the) (?:woman|girl|lady)\b"
    rf"|\b(?:a|the) (?:woman|girl|lady)\b.*\b(?:a|the) (?:man|guy|boy)\b"
    rf"|\bone (?:{_PERSON})\b.*\b(?:another|other)\b",
    re.IGNORECASE | re.DOTALL,
)
_STILL = re.compile(
    rf"\b(?:other|second|first|reactor)(?: (?:{_PERSON}))?"
    r"(?: (?:is|just|simply|only|remains?|stays?|keeps?))*"
    r" (?:stand(?:s|ing)?|watch\w*|wait\w*|listen\w*|sit(?:s|ting)?|lies|lying|still|seated)\b",
    re.IGNORECASE,
)
_SWAPPED_ROLES = {
    "lead": "follow", "follow": "lead", "leader": "follower", "follower": "leader",
    "leads": "follows", "follows": "leads", "actor": "reactor", "reactor": "actor",
}  # fmt: skip
_ROLE = re.compile(rf"\b({'|'.join(_SWAPPED_ROLES)})\b", re.IGNORECASE)


def names_an_actor(caption: str) -> bool:
    """Whether a sentence tells the two people apart."""
    return bool(_TWO_PEOPLE.search(caption))


def asks_for_a_still_person(caption: str) -> bool:
    """Whether a sentence says that one acts while the other stands, sits, waits, watches or listens."""
    return bool(_STILL.search(caption))


def sentence_with_roles_swapped(caption: str) -> str | None:
    """The sentence in which the two people have each other's part, None where no words say so.

    Places ("the first person", "person B") change, or else the words lead and follow, actor and reactor.
    """
    swapped = swap_roles(caption)
    if swapped == caption and "'s lead" not in caption:  # a noun there, and whose is not ours to tell
        swapped = _ROLE.sub(lambda m: _SWAPPED_ROLES[m[1].lower()], caption)
    return swapped if swapped != caption else None


def order_preference(text: np.ndarray, motion: np.ndarray, swapped: np.ndarray) -> np.ndarray:
    """Whether each sentence is nearer to its motion than to the same with the people swapped.

    text, motion, swapped (N, E) embeddings -> (N,): 1 where it is, 0 where not, ½ for ties.
    """
    own = np.linalg.norm(text - motion, axis=-1)
    other = np.linalg.norm(text - swapped, axis=-1)
    return np.where(own == other, 0.5, (own < other).astype(float))


def energy_ratio(positions: np.ndarray, fps: float) -> float:
    """Log of the speed of A's joints about their pelvis to B's: positive where A is livelier."""
    a, b = np.maximum(body_speeds(positions, fps), 1e-3)
    return math.log(a / b)


def same_person_is_livelier(generated: float, real: float) -> float:
    """1 where the livelier person of a generated pair is the real pair's, 0 where not.

    Arguments are `energy_ratio`s. NaN where the real pair's ratio is below 1.25: neither is clearly so.
    """
    if abs(real) < math.log(CLEAR_RATIO):
        return float("nan")
    return float(generated * real > 0)


def pose_difference(positions: np.ndarray) -> float:
    """How different the two people's poses are, in mm, for one motion (2, T, 22, 3).

    Mean joint distance of each person seen in their own frame (pelvis at the origin, facing +z), or of B's
    mirror image, whichever is less: 0 for copies and for mirror images.
    """
    local = positions - positions[:, :, :1]
    forward = facing_direction(positions)
    right = np.stack([forward[..., 2], np.zeros_like(forward[..., 0]), -forward[..., 0]], axis=-1)
    seen = np.stack(
        [
            np.einsum("ptjc,ptc->ptj", local, right),
            local[..., 1],
            np.einsum("ptjc,ptc->ptj", local, forward),
        ],
        axis=-1,
    )
    mirrored = seen[1][:, SMPL22.mirror] * np.array([-1.0, 1.0, 1.0])
    copies = (seen[1], mirrored)
    return min(float(np.linalg.norm(seen[0] - other, axis=-1).mean()) for other in copies) * 1000


def signature(positions: np.ndarray, fps: float) -> np.ndarray:
    """What each person does, in six numbers (2, 6) that depend on neither place nor order.

    Mean and peak (95th percentile) joint speed about the pelvis, pelvis speed on the ground, radians turned
    a second, mean height of the hands over the pelvis and of the pelvis over the floor, in SI units.
    """
    local = positions - positions[:, :, :1]
    speed = np.linalg.norm(np.diff(local, axis=1), axis=-1) * fps
    pelvis = np.linalg.norm(np.diff(positions[:, :, 0, ::2], axis=1), axis=-1) * fps
    forward = facing_direction(positions)
    yaw = np.unwrap(np.arctan2(forward[..., 0], forward[..., 2]), axis=1)
    return np.stack(
        [
            speed.mean(axis=(1, 2)),
            np.percentile(speed.max(axis=2), 95, axis=1),
            pelvis.mean(axis=1),
            np.abs(np.diff(yaw, axis=1)).mean(axis=1) * fps,
            local[:, :, [20, 21], 1].mean(axis=(1, 2)),
            positions[:, :, 0, 1].mean(axis=1),
        ],
        axis=-1,
    )


def swap_margin(first: np.ndarray, second: np.ndarray, scale: np.ndarray) -> float:
    """How far two pairs look like each other with the people swapped, −1 … 1, from signatures (2, 6).

    (d(kept) − d(swapped)) / (d(kept) + d(swapped)), distances in multiples of `scale` (6,): 1 where the
    second pair is the first with the people in each other's place, −1 where it is the first unchanged.
    """
    kept = np.linalg.norm((first - second) / scale)
    swapped = np.linalg.norm((first - second[::-1]) / scale)
    return float((kept - swapped) / max(kept + swapped, 1e-12))


def role_figures(positions: np.ndarray, fps: float, caption: str) -> dict[str, float]:
    """Figures of one motion. pose_difference_mm: see `pose_difference`. liveliness_ratio: speed of the slower
    person over the faster's, 0 where one is frozen. asked_still_ratio: the same for captions in which one
    person is still, else NaN."""
    speeds = joint_speeds(positions, fps)
    ratio = float(speeds.min() / max(float(speeds.max()), 1e-9))
    return {
        "pose_difference_mm": pose_difference(positions),
        "liveliness_ratio": ratio,
        "asked_still_ratio": ratio if asks_for_a_still_person(caption) else float("nan"),
    }
