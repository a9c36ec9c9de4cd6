# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tables of a score hold that move the two: what each key means stands in score.py.

Times are seconds, lengths metres, angles degrees; a `Number` may be an expression (see fields.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from .fields import Number, Point, Word


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where the two stand at the moment `at`; see score.py."""

    seconds: Number
    distance: Number = 1.0
    direction: Number = 0.0
    facing: Number = 180.0
    at: Number = 0.0


@dataclass(frozen=True, kw_only=True)
class Move:
    """How a person travels during a phase."""

    forward: Number = 0.0
    left: Number = 0.0
    turn: Number | Word = 0.0
    to: str = ""
    stop: Number = 0.0
    at: Point | None = None
    orbit: Number | None = None
    face: str = ""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What the whole body plays for a while."""

    clip: tuple[Word, ...]
    start: Number | None = None
    length: Number | None = None
    speed: Number = 1.0
    begin: Number | None = None
    blend: Number = 0.35
    mirror: bool = False
    move: Move | None = None


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What holds from `start` to `end`, eased in and out over `blend`."""

    who: str
    start: Number = 0.0
    end: Number | None = None
    blend: Number | Point = 0.3


@dataclass(frozen=True, kw_only=True)
class Layer(Timed):
    """A clip on some joints only."""

    clip: tuple[Word, ...]
    joints: str = "upper"
    speed: Number = 1.0
    begin: Number | None = None
    mirror: bool = False
    weight: Number = 1.0


@dataclass(frozen=True, kw_only=True)
class Posture(Timed):
    """Trunk, pelvis and head bent from what the clips give."""

    bend: Number = 0.0
    lean: Number = 0.0
    twist: Number = 0.0
    crouch: Number = 0.0
    shift: Point | None = None
    nod: Number = 0.0
    nods: Number = 0.0
    tilt: Number = 0.0
    turn: Number = 0.0
    shake: Number = 0.0
    shakes: Number = 2.0


@dataclass(frozen=True, kw_only=True)
class Gesture(Timed):
    """A hand at a point in one's own frame."""

    at: Point
    hand: Word = "right"
    frame: str = "chest"
    swing: Point | None = None
    swings: Number = 1.0
    palm: Word = ""
    fingers: Word = ""
    elbow: Number = 0.0


@dataclass(frozen=True, kw_only=True)
class Look(Timed):
    """What a person attends to."""

    at: Word | Point
    chest: Number = 0.25
    strength: Number = 1.0
    direction: Number = 0.0


@dataclass(frozen=True, kw_only=True)
class Touch(Timed):
    """A part of one person on a part of the other. `reach` and `release` are its blend."""

    part: Word
    on: Word
    reach: Number = 0.4
    release: Number = 0.35
    own: str = ""
    side: Word = "near"
    along: Number | None = None
    share: Number | None = None
    height: Number | None = None
    between: Number = 0.5
    aside: Number = 0.0
    swing: Point | None = None
    swings: Number = 1.0
    pats: Number = 0.0
    gap: Number = 0.0
    strength: Number = 1.0
