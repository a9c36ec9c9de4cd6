# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator sees between the people: distance, touch, hands that meet, bodies in each other."""

from __future__ import annotations

import re

import numpy as np
from scipy.stats import wasserstein_distance

from .capsules import HANDS, body_capsules, shared_volume, surface_distances
from .motion import PairMotion

TOUCH = 0.02
"""Surfaces closer than this (metres) touch: capsules fit a body to a centimetre or two."""
WRISTS = (20, 21)

# Verbs that need no object to mean touch, …
_TOUCHING = re.compile(
    r"\b(hug(?:s|ged|ging)?|embrac(?:e|es|ed|ing)|kiss(?:es|ed|ing)?|arm in arm|body to body|close hold"
    r"|link(?:s|ed|ing)? arms|massag\w*|wrestl\w*|cuddl\w*|piggyback)\b",
    re.IGNORECASE,
)
# … and verbs that do when the other person is what is touched ("lifts his leg" touches nobody).
_VERBS = (
    r"hold(?:s|ing)?|held|grab\w*|grip\w*|grasp\w*|touch\w*|pats?|patt(?:ed|ing)|tap(?:s|ped|ping)?|push\w*"
    r"|pull\w*|shov\w*|slap\w*|punch\w*|kick\w*|hit(?:s|ting)?|lift\w*|carr(?:y|ies|ied|ying)"
    r"|lean\w* (?:on|against)|pinch\w*|strangl\w*|chok\w*|drag\w*|tackl\w*|support\w*|strok\w*|poke\w*"
)
_OTHER = (
    r"each other|one another|(?:the )?other|another|the (?:first|second)|him|them|partner|opponent|person|man"
    r"|woman|girl|boy|guy|friend|lady"
)
_TOUCHED = re.compile(
    rf"\b(?:{_VERBS})\b(?:\s+(?!(?:at|towards?|to|from|and|while|as)\b)[\w']+){{0,5}}?\s+(?:{_OTHER})\b",
    re.IGNORECASE,
)
_WHOSE = r"(?:each other'?s? |one another'?s |both |the other(?: person)?'?s |his |her |their )*"
_HANDS = re.compile(
    rf"\b(hand in hand|hold(?:s|ing)? {_WHOSE}hands?|joined hands|handshake|high[- ]fiv\w*"
    rf"|shak(?:e|es|ing) {_WHOSE}hands?|clasp(?:s|ing)? {_WHOSE}hands?|tak(?:e|es|ing) {_WHOSE}hands?)\b",
    re.IGNORECASE,
)


def asks_for_contact(caption: str) -> bool:
    """Whether a sentence says that the two touch."""
    return any(words.search(caption) for words in (_TOUCHING, _TOUCHED, _HANDS))


def asks_for_hands(caption: str) -> bool:
    """Whether a sentence says that their hands meet."""
    return bool(_HANDS.search(caption))


def pelvis_distances(positions: np.ndarray) -> np.ndarray:
    """Distances (T,) in metres of the pelvises on the ground."""
    between = positions[0, :, 0] - positions[1, :, 0]
    return np.hypot(between[:, 0], between[:, 2])


def hand_distances(positions: np.ndarray) -> np.ndarray:
    """Distances (T,) in metres of the two nearest wrists of the two people."""
    a, b = positions[0][:, WRISTS], positions[1][:, WRISTS]
    return np.linalg.norm(a[:, :, None] - b[:, None], axis=-1).min(axis=(1, 2))


def distribution_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Wasserstein-1 distance in metres of two samples of distances (N,) and (M,)."""
    return float(wasserstein_distance(a, b))


def proximity_figures(motion: PairMotion, caption: str, stride: int = 3) -> dict[str, float]:
    """Figures of one motion; NaN for those that the caption does not ask for.

    interpenetration_ml: mean shared volume of the two bodies' capsules, in ml. overlap_depth_mm: mean
    depth of the deepest pair of capsules. touch_ratio: share of frames on which surfaces are within 2 cm.
    asked_contact: 1 where a caption that asks for contact gets it on any frame, else 0; asked_touch_ratio:
    touch_ratio of such captions. asked_hands_mm, asked_hands_least_mm: median and least distance of the
    nearest wrists where the caption says that hands meet. hand_to_body_mm: median distance of the nearest
    hand to the other's surface. distance_m: median distance of the pelvises. stride: volumes and surfaces
    are looked at on every stride-th frame.
    """
    positions = motion.positions
    a, b = (
        body_capsules(joints[::stride], rotations[::stride])
        for joints, rotations in zip(positions, motion.rotations, strict=True)
    )
    gaps = surface_distances(a, b)
    nearest = gaps.min(axis=(1, 2))
    touch = nearest < TOUCH
    to_body = np.minimum(gaps[:, HANDS].min(axis=(1, 2)), gaps[:, :, HANDS].min(axis=(1, 2)))
    asked, hands_asked = asks_for_contact(caption), asks_for_hands(caption)
    hands = hand_distances(positions)
    nan = float("nan")
    return {
        "interpenetration_ml": float(shared_volume(a, b).mean() * 1e6),
        "overlap_depth_mm": float(np.maximum(-nearest, 0.0).mean() * 1000),
        "touch_ratio": float(touch.mean()),
        "asked_contact": float(touch.any()) if asked else nan,
        "asked_touch_ratio": float(touch.mean()) if asked else nan,
        "asked_hands_mm": float(np.median(hands) * 1000) if hands_asked else nan,
        "asked_hands_least_mm": float(hands.min() * 1000) if hands_asked else nan,
        "hand_to_body_mm": float(np.median(np.maximum(to_body, 0.0)) * 1000),
        "distance_m": float(np.median(pelvis_distances(positions))),
    }
