# SPDX-License-Identifier: GPL-3.0-or-later
"""What two people play: phases one after the other, faded into each other, each on its way over the ground.

Where a person goes may depend on where the other is, and the other way round, so that paths are found in a
few rounds, each with the paths of the round before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from intermoe_engine.rotations import quat_continuous, quat_multiply, quat_slerp

from .draw import Draw
from .figure import Figure, J, mixed
from .library import Library
from .path import along_arc, around, eased, facing, moved, progress, seen_from, to_point, walked
from .segment import Segment, turned, yaw_quat
from .tables import Move, Phase

FPS = 30.0
ROLES = ("actor", "other")
_ROUNDS = 4
_SMOOTH_SECONDS = 0.07
_FINE = 60
_RIGHT_ARM = tuple(J[f"r_{name}"] for name in ("collar", "shoulder", "elbow", "wrist"))
_LEFT_ARM = tuple(J[f"l_{name}"] for name in ("collar", "shoulder", "elbow", "wrist"))
_TRUNK = tuple(J[name] for name in ("spine1", "spine2", "spine3"))
_HEAD = (J["neck"], J["head"])
_LEGS = tuple(J[f"{side}_{name}"] for side in "lr" for name in ("hip", "knee", "ankle", "foot"))
JOINT_SETS = {
    "upper": (*_TRUNK, *_HEAD, *_LEFT_ARM, *_RIGHT_ARM),
    "arms": (*_LEFT_ARM, *_RIGHT_ARM),
    "right_arm": _RIGHT_ARM,
    "left_arm": _LEFT_ARM,
    "trunk": (*_TRUNK, *_HEAD),
    "head": _HEAD,
    "legs": _LEGS,
}


@dataclass(frozen=True)
class Cue:
    """A phase with its clip chosen; times in seconds, None where they follow from the way that it goes."""

    phase: Phase
    segment: Segment
    start: float | None
    length: float | None
    speed: float
    begin: float
    blend: float


@dataclass(frozen=True)
class Placed:
    """A cue on the clip's frames: it plays from frame `first` on; clip (T,): the clip's time on every
    frame."""

    cue: Cue
    first: int
    blend: int
    clip: np.ndarray


def play(plan: Draw, library: Library) -> tuple[Figure, Figure]:
    """Both people as their phases and layers say, where the stage puts them.

    Raises ValueError where the phases cannot be played.
    """
    seconds = plan.number(plan.score.stage.seconds)
    frames = round(seconds * FPS) + 1
    cues = {role: _cues(plan, role, library) for role in ROLES}
    stage, at = _stage_places(plan), min(round(plan.number(plan.score.stage.at) * FPS), frames - 1)
    ground = {role: np.broadcast_to(stage[role], (frames, 3)) for role in ROLES}
    own = {role: np.zeros((frames, 3)) for role in ROLES}
    placed: dict[str, list[Placed]] = {}
    for _ in range(_ROUNDS):
        before = dict(ground)
        for role, counterpart in (ROLES, ROLES[::-1]):
            # Paths are made in the frame of their own start, whose place on the stage is known last.
            start = _start_of(own[role], stage[role], at)
            placed[role], own[role] = _path(plan, cues[role], seen_from(before[counterpart], start), frames)
            ground[role] = moved(own[role], _start_of(own[role], stage[role], at))
    figures = [_figure(placed[role], ground[role]) for role in ROLES]
    for layer in plan.score.layers:
        segment = plan.segment(layer.clip, library, layer.who)
        segment = segment.mirrored() if layer.mirror else segment
        start = plan.number(layer.start)
        begin = _begin(plan, segment, layer.begin)
        speed = plan.number(layer.speed)
        end = seconds if segment.loop else start + (segment.seconds - begin) / speed
        end = plan.optional(layer.end, min(end, seconds))
        times = np.arange(frames) / FPS
        weight = plan.number(layer.weight) * window(times, start, end, *blends(plan, layer.blend))
        rotations = segment.at(begin + np.maximum(times - start, 0.0) * speed)[0]
        joints = list(JOINT_SETS[layer.joints])
        for who in people(layer.who):
            local = np.array(figures[who].local)
            local[:, joints] = quat_slerp(local[:, joints], rotations[:, joints], weight[:, None])
            f = figures[who]
            figures[who] = Figure(f.fps, f.root, local, f.base, f.stands)
    return figures[0], figures[1]


def people(who: str) -> tuple[int, ...]:
    """Numbers of the people that a table speaks of: 0 the actor, 1 the other."""
    return {"actor": (0,), "other": (1,), "both": (0, 1)}[who]


def blends(plan: Draw, blend: float | str | tuple) -> tuple[float, float]:
    """Seconds in which something comes in and goes out."""
    if isinstance(blend, tuple):
        come, go = plan.point(blend, 2)
        return float(come), float(go)
    return plan.number(blend), plan.number(blend)


def window(times: np.ndarray, start: float, end: float, come: float, go: float) -> np.ndarray:
    """Weights (T,): 1 from start + come to end, eased to 0 at start and at end + go.

    What begins with the clip (start 0) is there from its first frame on.
    """
    rise = eased((times - start) / max(come, 1e-6)) if start > 0 else np.ones_like(times)
    return rise * (1.0 - eased((times - end) / max(go, 1e-6)))


def _cues(plan: Draw, role: str, library: Library) -> list[Cue]:
    cues = []
    for phase in plan.score.phases[role]:
        segment = plan.segment(phase.clip, library, role)
        segment = segment.mirrored() if phase.mirror else segment
        times = [None if t is None else plan.number(t) for t in (phase.start, phase.length)]
        begin = _begin(plan, segment, phase.begin)
        cues.append(
            Cue(phase, segment, times[0], times[1], plan.number(phase.speed), begin, plan.number(phase.blend))
        )
    return cues


def _begin(plan: Draw, segment: Segment, begin: float | str | None) -> float:
    anywhere = float(plan.rng.uniform(0.0, segment.seconds)) if segment.loop else 0.0
    return plan.optional(begin, anywhere)


def _stage_places(plan: Draw) -> dict[str, np.ndarray]:
    stage = plan.score.stage
    direction, turn = (np.radians(plan.number(angle)) for angle in (stage.direction, stage.facing))
    there = turned(np.array([0.0, plan.number(stage.distance)]), direction)
    return {"actor": np.zeros(3), "other": np.array([*there, turn])}


def _start_of(own: np.ndarray, place: np.ndarray, at: int) -> np.ndarray:
    """Where a path (T, 3) begins if at frame `at` it is to be at a place (3,)."""
    yaw = place[2] - own[at, 2]
    return np.array([*(place[:2] - turned(own[at, :2], yaw)), yaw])


def _path(plan: Draw, cues: Sequence[Cue], other: np.ndarray, frames: int) -> tuple[list[Placed], np.ndarray]:
    """The cues on the clip's frames and the path (T, 3) in the frame of its start, seeing the other's."""
    place, now, placed = np.zeros(3), 0, []
    path = np.zeros((frames, 3))
    after_move = False
    for n, cue in enumerate(cues):
        first = now if cue.start is None else round(cue.start * FPS)
        if first < now and cue.start is not None and n:
            first = now  # the way before took longer than the score hoped
        path[now : first + 1] = place
        following = cues[n + 1].start if n + 1 < len(cues) else None
        steps, clip = _phase(plan, cue, place, other, min(first, frames - 1), following, frames)
        count = max(min(len(steps), frames - first), 0)
        path[first : first + count] = steps[:count]
        blend = round(cue.blend * FPS) if n else 0
        lead = blend if after_move else 0  # who comes to rest does so during the last moments of the way
        times = np.arange(frames) - (first - lead)
        own_time = np.interp(np.arange(frames), first + np.arange(len(clip)), clip)
        before = np.minimum(times - lead, 0) / FPS * cue.speed
        after = np.maximum(np.arange(frames) - (first + len(clip) - 1), 0) / FPS * cue.speed
        resting = cue.segment.pace != 0
        own_time = own_time + (0 if resting else before * cue.segment.loop + after)
        placed.append(Placed(cue, max(first - lead, 0), blend, own_time))
        place, now = steps[-1], first + len(steps) - 1
        after_move = cue.phase.move is not None and cue.segment.pace != 0
    path[min(now, frames) :] = place
    return placed, gaussian_filter1d(path, _SMOOTH_SECONDS * FPS, axis=0, mode="nearest")


def _phase(
    plan: Draw,
    cue: Cue,
    place: np.ndarray,
    other: np.ndarray,
    first: int,
    following: float | None,
    frames: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The path (N, 3) of one phase from its first frame on, and the clip's time (N,) in seconds."""
    left = frames - first
    if following is not None:
        left = max(round(following * FPS) - first + 1, 2)
    move = cue.phase.move
    if move is None:
        natural = left if cue.segment.loop else round((cue.segment.seconds - cue.begin) / cue.speed * FPS) + 1
        if cue.length is not None:
            natural = round(cue.length * FPS) + 1
        elif following is not None:
            natural = left
        count = max(natural, 2)
        clip = cue.begin + np.arange(count) / FPS * cue.speed
        base = cue.segment.at(clip)[2]
        return moved(seen_from(base, base[0]), place), clip
    count = None if cue.length is None else max(round(cue.length * FPS) + 1, 2)
    if count is None and (following is not None or not cue.segment.pace):
        count = left
    if count is None:  # as long as it takes at the clip's own pace
        metres = abs(float(walked(_way(plan, move, place, other, first, _FINE))[-1]))
        # Speeding up and slowing down cost about an ease together.
        count = max(round((metres / abs(cue.segment.pace * cue.speed) + 0.4) * FPS) + 1, 12)
    way = _way(plan, move, place, other, first, max(count, 2))
    if cue.segment.pace:
        return way, cue.begin + walked(way) / cue.segment.pace
    return way, cue.begin + np.arange(len(way)) / FPS * cue.speed


def _way(plan: Draw, move: Move, place: np.ndarray, other: np.ndarray, first: int, count: int) -> np.ndarray:
    done = progress(count, FPS)
    there = other[min(first + count - 1, len(other) - 1)]
    if move.orbit is not None:
        return around(place, other[min(first, len(other) - 1), :2], np.radians(plan.number(move.orbit)), done)
    if move.to:
        goal = there[:2] + turned(plan.point(move.at, 2), there[2])
        way = goal - place[:2]
        length = float(np.linalg.norm(way))
        goal = place[:2] + way * max(1.0 - plan.number(move.stop) / max(length, 1e-6), 0.0)
        return to_point(place, goal, done, move.face or "path", there[:2])
    step = np.array([plan.number(move.left), plan.number(move.forward)])
    if move.turn in ("other", "away"):
        end = place[:2] + turned(step, place[2])
        turn = float(facing(end[None], there[:2], place[2])[0] - place[2])
        turn += 0.0 if move.turn == "other" else -np.pi * np.sign(turn or 1.0)
    else:
        turn = np.radians(plan.number(move.turn))
    way = along_arc(place, step, turn, done)
    if move.face == "other":
        way[:, 2] = facing(way[:, :2], there[:2], place[2])
    return way


def _figure(placed: Sequence[Placed], base: np.ndarray) -> Figure:
    """The phases faded into each other on a path (T, 3) of the stage."""
    frames = np.arange(len(base))
    rotations, pelvis, _, stands = placed[0].cue.segment.at(placed[0].clip)
    for cue in placed[1:]:
        new_rotations, new_pelvis, _, new_stands = cue.cue.segment.at(cue.clip)
        weight = eased((frames - cue.first) / max(cue.blend, 1))
        rotations = quat_slerp(rotations, new_rotations, weight[:, None])
        pelvis, stands = mixed(pelvis, new_pelvis, weight), mixed(stands, new_stands, weight)
    sway = turned(pelvis[:, [0, 2]], base[:, 2])
    root = np.stack([base[:, 0] + sway[:, 0], pelvis[:, 1], base[:, 1] + sway[:, 1]], axis=-1)
    local = np.array(rotations)
    local[:, 0] = quat_multiply(yaw_quat(base[:, 2]), rotations[:, 0])
    return Figure(FPS, root, quat_continuous(local), base, stands)
