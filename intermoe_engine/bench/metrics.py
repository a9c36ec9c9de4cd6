# SPDX-License-Identifier: GPL-3.0-or-later
"""What the retarget benchmark measures, from the take and the targets' points alone."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ..retarget.alignment import rest_frames, source_rest_pose
from ..retarget.source import SIDE_JOINTS, SourceActor
from ..retarget.touch import find_contacts
from ..retarget.touch.body import Body, source_points
from ..retarget.touch.clearance import PartPairs, clearance
from ..retarget.touch.parts import POINTS
from ..retarget.touch.tracks import ContactTrack, contact_tracks
from ..take import Take
from .methods import Outcome

MARGIN = 0.3
"""Seconds before and after a contact in which a limb counts as taking part in it."""
NEAR = 0.5
"""Metres between two people's points up to which their distance is part of what they do together."""
_LIMBS = {"arm": ("shoulder", "elbow", "wrist"), "leg": ("hip", "knee", "ankle")}
_BACKWARD = np.radians(5.0)


@dataclass(frozen=True)
class Measures:
    """Values of one or more runs, each (N,), to be pooled before a median or percentile is taken.

    joint: distances of joints from the take's, metres. hand, other: gap errors of contacts with and without
    a hand, metres. near: how far distances between points of the two, within NEAR of each other in the take,
    are from the take's times the pair's scale, metres. limb_free: direction errors of upper and lower limbs
    outside contacts (feet on the floor are in contact), limb_all: of all, degrees. slide, slide_take: ground
    speed of supporting feet, m/s. sunk: deepest sole below the floor, metres. overlap, overlap_take: depths
    of the two people in each other summed over parts, metres a frame; deepest, deepest_take: of any two parts
    in a frame. deeper: per frame the most that two parts overlap beyond the take. backward: frames with an
    elbow or knee bent backwards more than in the take, as 0 or 1. step: largest move of a joint between two
    frames over the take's, both for its size.
    """

    joint: np.ndarray
    hand: np.ndarray
    other: np.ndarray
    near: np.ndarray
    limb_free: np.ndarray
    limb_all: np.ndarray
    slide: np.ndarray
    slide_take: np.ndarray
    sunk: np.ndarray
    overlap: np.ndarray
    overlap_take: np.ndarray
    deepest: np.ndarray
    deepest_take: np.ndarray
    deeper: np.ndarray
    backward: np.ndarray
    step: np.ndarray

    @staticmethod
    def pooled(parts: list[Measures]) -> Measures:
        """All values together."""
        return Measures(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Measures)}
        )


def measure(take: Take, result: Outcome) -> Measures:
    """Measure one retarget against its take. Contacts are found anew; nothing of the solver's is used but
    the bodies' points."""
    sources = [SourceActor.from_motion(motion) for motion in take.actors]
    taken = (Body.of_source(sources[0]), Body.of_source(sources[1]))
    targets = tuple(
        body.on(points, radii) for body, points, radii in zip(taken, result.points, result.radii, strict=True)
    )
    bodies = (targets[0], targets[1])
    tracks = contact_tracks(find_contacts(sources, take.fps), taken, take.fps)
    errors = {True: [np.zeros(0)], False: [np.zeros(0)]}
    for track in tracks:
        error = np.linalg.norm(track.error(bodies, result.scale), axis=-1)[track.active]
        errors[track.has_hand].append(error)
    pairs = PartPairs.all_pairs()
    pairs = pairs.kept(pairs.across)
    depth, depth_take = (np.maximum(-clearance(pairs, b).distance, 0.0) for b in (bodies, taken))
    free, everything, backward = _limbs(take, sources, result, tracks)
    slides = [
        _slides(source, points, take.fps) for source, points in zip(sources, result.points, strict=True)
    ]
    slides_take = [_slides(s, result.scale * source_points(s), take.fps) for s in sources]
    return Measures(
        joint=np.linalg.norm(result.points - np.stack([b.points for b in taken]), axis=-1).ravel(),
        hand=np.concatenate(errors[True]),
        other=np.concatenate(errors[False]),
        near=_near(taken, result),
        limb_free=free,
        limb_all=everything,
        slide=np.concatenate(slides),
        slide_take=np.concatenate(slides_take),
        sunk=np.array([(row["floor_penetration_mm"] or 0.0) / 1000 for row in result.actors]),
        overlap=depth.sum(axis=-1),
        overlap_take=result.scale * depth_take.sum(axis=-1),
        deepest=depth.max(axis=-1),
        deepest_take=result.scale * depth_take.max(axis=-1),
        deeper=np.maximum(depth - result.scale * depth_take, 0.0).max(axis=-1),
        backward=backward,
        step=_steps(taken, result),
    )


def _near(taken: tuple[Body, Body], result: Outcome) -> np.ndarray:
    """Errors (N,) of distances between points of the two that are near each other in the take, metres."""
    was, now = (
        np.linalg.norm(a[:, :, None] - b[:, None], axis=-1)
        for a, b in ((taken[0].points, taken[1].points), result.points)
    )
    return np.abs(now - result.scale * was)[was < NEAR]


def _limbs(
    take: Take, sources: list[SourceActor], result: Outcome, tracks: list[ContactTrack]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Direction errors outside contacts and of all limbs, degrees; frames bent backwards."""
    free, everything, backward = [], [], []
    for owner, source in enumerate(sources):
        hinges = rest_frames(source_rest_pose(source.rest_offsets))
        model, target = source_points(source), result.points[owner]
        for side in ("l", "r"):
            for limb, names in _LIMBS.items():
                ids = [POINTS.index(f"{side}_{name}") for name in names]
                busy = _busy(source, owner, side, limb, tracks, take.fps)
                bones = [
                    (model[:, j] - model[:, i], target[:, j] - target[:, i]) for i, j in (ids[:2], ids[1:])
                ]
                for taken, now in bones:
                    angle = np.degrees(_angle(taken, now))
                    everything.append(angle)
                    free.append(angle[~busy])
                first = SIDE_JOINTS[side][names[0]]
                hinge = source.matrices[:, first] @ hinges[f"{side}_{names[0]}"][:, 2]
                wrong = _backward(bones[0][1], bones[1][1], result.hinges[owner][limb, side])
                was = _backward(bones[0][0], bones[1][0], hinge)
                backward.append(wrong > was + _BACKWARD)
    return np.concatenate(free), np.concatenate(everything), np.any(backward, axis=0).astype(float)


def _busy(
    source: SourceActor, owner: int, side: str, limb: str, tracks: list[ContactTrack], fps: float
) -> np.ndarray:
    """Frames (T,) in which a limb takes part in a contact, or will or did within MARGIN seconds."""
    if limb == "leg":
        flags = np.logical_or(*source.foot_contact(side))
    else:
        flags = np.zeros(source.frames, dtype=bool)
        for track in tracks:
            for who, part in zip(track.owners, track.parts, strict=True):
                if who == owner and part in (f"{side}_hand", f"{side}_forearm", f"{side}_upper_arm"):
                    flags |= track.active
    reach = round(MARGIN * fps)
    return np.convolve(flags, np.ones(2 * reach + 1), mode="full")[reach : reach + len(flags)] > 0.5


def _backward(upper: np.ndarray, lower: np.ndarray, hinge: np.ndarray) -> np.ndarray:
    """Angle (T,) by which a limb is bent against its hinge; 0 where it is bent the right way."""
    return np.where(np.sum(np.cross(upper, lower) * hinge, axis=-1) < 0, _angle(upper, lower), 0.0)


def _slides(source: SourceActor, points: np.ndarray, fps: float) -> np.ndarray:
    """Ground speed of each foot's stiller joint between frames in which it is down, m/s."""
    out = []
    for side in ("l", "r"):
        speeds = []
        for name, down in zip(("ankle", "toe"), source.foot_contact(side), strict=True):
            path = points[:, POINTS.index(f"{side}_{name}")][:, [0, 2]]
            speed = np.linalg.norm(np.diff(path, axis=0), axis=-1) * fps
            speeds.append(np.where(down[1:] & down[:-1], speed, np.inf))
        support = np.min(speeds, axis=0)
        out.append(support[np.isfinite(support)])
    return np.concatenate(out)


def _steps(taken: tuple[Body, Body], result: Outcome) -> np.ndarray:
    """Largest move of any point between two frames, for A and B, over the largest in the take; a target's
    moves count for its size, the larger of its own and the pair's."""
    largest = lambda points: float(np.linalg.norm(np.diff(points, axis=0), axis=-1).max(initial=0.0))
    taken_largest = max(largest(body.points) for body in taken)
    sizes = [max(result.scale, ratio) for ratio in result.ratios]
    return np.array([largest(p) / (s * taken_largest) for p, s in zip(result.points, sizes, strict=True)])


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.sum(a * b, axis=-1))
