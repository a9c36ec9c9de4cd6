# SPDX-License-Identifier: GPL-3.0-or-later
"""From two animated skeletons and a row of the captions table to a pair clip, or the reason why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from intermoe_engine.errors import EngineError
from intermoe_engine.rotations import quat_conjugate, quat_log, quat_multiply

from .animated_skeleton import AnimatedSkeleton
from .caption_table import SUFFIXES, PairRow, find_tables, read_table
from .checks import DataError, Rejected
from .humanoid import body_of
from .loaders import LoaderOptions
from .pair_clip import PairClip
from .placement import (
    Person,
    is_stylised,
    metres_per_unit,
    moved,
    on_human_bones,
    on_the_floor,
    pair_clip,
    resampled,
    single_clip,
    sole_at_rest,
    up_axis,
    upright,
)
from .single_clip import SingleClip

LENGTHS_MAY_DIFFER = 0.1
"""Seconds by which two files of one capture may differ; the longer one's end is cut."""
_REST_DEGREES = 0.5
_STILL_DEGREES = 0.05
_LEAVES_REST, _JUMP = 10.0, 25.0
"""Degrees that a joint turns in one frame where the motion begins after the rest pose, or after another."""

Read = Callable[[str], AnimatedSkeleton]


def pairs_of(
    rows: Sequence[PairRow], read: Read, options: LoaderOptions, source: str
) -> Iterator[PairClip | Rejected]:
    """The wanted pairs of a table, one after the other; `read` gives the skeleton of a table's file cell.

    What `read` raises (OSError, ValueError, EngineError) becomes the pair's reason for rejection.
    """
    for row in rows:
        if not options.wants(row.name):
            continue
        try:
            yield build_pair(row, (read(row.file_a), read(row.file_b)), options, source)
        except (OSError, ValueError, EngineError) as error:
            yield Rejected(row.name, " ".join(str(error).split()), source)


def build_pair(
    row: PairRow, skeletons: tuple[AnimatedSkeleton, AnimatedSkeleton], options: LoaderOptions, source: str
) -> PairClip | Rejected:
    """Two people with one unit, one up axis, one floor and one clock, at `options.fps`."""
    if row.placement is None:
        trimmed = _without_held_pose(skeletons)
        people = _people(trimmed, options)
    else:  # not captured together: each with a floor of their own
        people = [_people(_without_held_pose([s]), options)[0] for s in skeletons]
        people[1] = moved(people[1], *row.placement)
    lengths = [len(person.root) for person in people]
    short = min(lengths)
    if row.placement is None and max(lengths) - short > max(1.0, LENGTHS_MAY_DIFFER * options.fps):
        seconds = [f"{n / options.fps:.1f}" for n in lengths]
        return Rejected(row.name, f"unequal length: {seconds[0]} s and {seconds[1]} s", source)
    people = [Person(p.root[:short], p.rotations[:short], p.offsets) for p in people]
    clip = pair_clip(row.name, people, options.fps, source, row.roles)
    return replace(clip, captions=row.captions, split=row.split)


def build_single(skeleton: AnimatedSkeleton, options: LoaderOptions, source: str) -> SingleClip:
    """One person on the floor at `options.fps`."""
    person = _people(_without_held_pose([skeleton]), options)[0]
    return single_clip(skeleton.name, person, options.fps, source)


def table_rows(path: Path, options: LoaderOptions | None) -> list[PairRow]:
    """The pairs of `options.captions`, of the table that the path is, or of the tables beside the files.

    Raises DataError where there is no table.
    """
    if options is not None and options.captions is not None:
        tables = [options.captions]
    elif path.is_file():
        tables = [path]
    else:
        tables = find_tables(path)
    if not tables:
        raise DataError(
            f"{path}: no table says which two files make a pair; put captions.tsv with the columns file_a, "
            "file_b, caption beside them, or name it with --captions"
        )
    return [row for table in tables for row in read_table(table)]


def is_table(path: Path) -> bool:
    """Whether a path is a captions table."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


def _people(skeletons: Sequence[AnimatedSkeleton], options: LoaderOptions) -> list[Person]:
    bodies = [body_of(skeleton) for skeleton in skeletons]
    stated = {s.metres_per_unit for s in skeletons}
    unit = options.scale or metres_per_unit(
        [b.leg for b in bodies], stated.pop() if len(stated) == 1 else None
    )
    known = skeletons[0].up
    up = known if known is not None and options.up is None else up_axis(bodies, options.up)
    people = [resampled(upright(body, np.asarray(up), unit), body.fps, options.fps) for body in bodies]
    soles = [
        sole_at_rest(b, np.asarray(up), unit) if s.floor else None
        for b, s in zip(bodies, skeletons, strict=True)
    ]
    known_soles = [sole for sole in soles if sole is not None]
    people = on_the_floor(people, known_soles if len(known_soles) == len(people) else None)
    if not any(is_stylised(person) for person in people):
        return people
    # Boots and seats of their size hold a cartoon's feet off the ground: it is found again without them.
    return on_the_floor([on_human_bones(person) if is_stylised(person) else person for person in people])


def _without_held_pose(skeletons: Sequence[AnimatedSkeleton]) -> list[AnimatedSkeleton]:
    """The skeletons without the T-pose that many files begin or end with, cut alike for all."""
    if len({(s.frames, s.fps) for s in skeletons}) > 1 or any(s.floor for s in skeletons):
        return list(skeletons)  # what animators keyed in a scene is meant as it is
    spans = [_motion_span(skeleton) for skeleton in skeletons]
    span = slice(max(a for a, _ in spans), min(b for _, b in spans))
    if span.stop - span.start < 2:
        return list(skeletons)
    return [replace(s, positions=s.positions[span], turns=s.turns[span]) for s in skeletons]


def _motion_span(skeleton: AnimatedSkeleton) -> tuple[int, int]:
    """First frame and end of the motion; outside, at either end, is a pose held still from which it jumps."""
    turns, parents = skeleton.turns, skeleton.parents
    children = np.flatnonzero(parents >= 0)
    if not len(children) or skeleton.frames < 3:
        return 0, skeleton.frames
    local = quat_multiply(quat_conjugate(turns[:, parents[children]]), turns[:, children])
    step = _largest_angle(quat_multiply(quat_conjugate(local[:-1]), local[1:]))
    resting = _largest_angle(local) < _REST_DEGREES
    moving = np.flatnonzero(step > _STILL_DEGREES)
    start, end = 0, skeleton.frames
    if len(moving) > 1:
        first, last = int(moving[0]), int(moving[-1])
        start = first + 1 if step[first] > (_LEAVES_REST if resting[first] else _JUMP) else 0
        end = last + 1 if step[last] > (_LEAVES_REST if resting[last + 1] else _JUMP) else skeleton.frames
    return start, end


def _largest_angle(rotations: np.ndarray) -> np.ndarray:
    """The largest angle in degrees (T,) among rotations (T, N, 4)."""
    return np.degrees(np.linalg.norm(quat_log(rotations), axis=-1)).max(axis=1)
