# SPDX-License-Identifier: GPL-3.0-or-later
"""A score: one TOML file that says how two people act on each other, and the sentences for it.

    name = "handshake"
    title = "One person offers a hand and the other shakes it"
    mirror = 0.5                     # share of the clips that are shown in a mirror (left hands); 0 for none
    people = [["a host", "a guest"]] # nouns for actor and other, besides the usual ones

    [roles]                          # in words, for people who read the score
    actor = "offers the hand"
    other = "takes it"

    [vary]                           # drawn anew for every clip; each becomes a name for expressions below
    tempo = { slow = 0.8, normal = 1.0, brisk = 1.25 }                   # named numbers, one is drawn
    gap = { range = [0.75, 0.95], names = { close = [0.75, 0.82] } }     # uniform; names for captions
    shakes = [2, 3, 4]                                                   # one of a list (numbers or words)

    [let]                            # worked out in order, for moments that several lines speak of
    meet = "1.0 / tempo"
    part = "meet + 0.35 * shakes / tempo"

Every number below may be an expression in quotes: + - * / ( ), min, max, abs, sin, cos (of degrees),
`a if b > c else d`, names of [vary] and [let], and `end` (the clip's last second). Every word may hold
"{name}" of a [vary] list. Times are seconds from the clip's start, lengths metres, angles degrees. A person's
own frame is x to their left, y up, z forward. Sides are written for right-handers (see `mirror`). Tables with
`who` say "actor", "other" or "both".

    [stage]                          # where the two stand, pelvis to pelvis on the ground, at the moment `at`
    seconds = "part + 1.5"           # the clip's length
    distance = "gap"
    direction = 0                    # where `other` is, seen from the actor: 0 in front, 90 left, 180 behind
    facing = 180                     # how far other's front is turned against the actor's: 180 face to face
    at = "meet"                      # default 0

    [[actor]]                        # what the whole body plays, one phase after the other ([[other]] alike)
    clip = ["idle", "idle_b"]        # a name of the clips table, or some to choose from
    start = 0.0                      # default: where the phase before ends
    length = 2.0                     # default: the clip's own, a loop's or the last phase's: up to the next
    speed = 1.0                      # how fast the clip plays
    begin = 0.0                      # seconds into the clip; loops without it begin anywhere
    blend = 0.35                     # seconds in which it fades in from the phase before
    mirror = false                   # left and right of this clip change places
    move = { forward = 2.0, left = 0.0, turn = 90 }
        # how the person travels during the phase, along an arc where there is a turn; a loop such as "walk"
        # plays as fast as that asks, and without `length` the phase takes as long as it takes at `speed`.
        # turn = "other" / "away" turns to or from the other. { to = "other", stop = 0.8 } goes to the other,
        # stopping short; { to = "other", at = [0.6, 0.0] } to a point in the other's frame (left, forward).
        # { orbit = 180 } goes round the other, facing them. face = "path", "other" or "keep" (default: path
        # with `to`, keep else).

    [[layer]]                        # a clip on some joints only, over the phases
    who = "other"
    clip = "talk"
    joints = "upper"                 # upper, arms, right_arm, left_arm, trunk, head, legs
    start = 0.0                      # end (default: the clip's end), speed, begin, blend, mirror, weight = 1

    [[posture]]                      # the trunk and pelvis bent from what the clip gives, eased in and out
    who = "actor"
    start = 1.0
    end = 2.0
    blend = 0.3                      # or [in, out]; of all tables below as well
    bend = 20                        # trunk forward; lean = to the left, twist = to the left; degrees
    crouch = 0.1                     # pelvis lowered, metres; shift = [left, forward] moves it, feet stay
    nod = 10                         # head forward, `nods` times; tilt, turn = to the left
    shake = 15                       # head from side to side, shakes = 2 times

    [[gesture]]                      # a hand goes to a point in the own frame of a part
    who = "actor"
    hand = "right"                   # right, left, both (the left at the mirrored point)
    frame = "chest"                  # the point's origin: chest, head, pelvis, floor (under the pelvis)
    at = [-0.2, 0.1, 0.4]            # left, up, forward of that joint, metres
    start = 0.5
    end = 1.5
    swing = [0.1, 0.0, 0.0]          # swings about the point by so much …
    swings = 3                       # … so often
    palm = "forward"                 # faces forward, back, left, right, up, down, in (default: any)
    fingers = "up"                   # which way they point, in own frame (default: along the forearm)
    elbow = 0                        # degrees by which the elbow is raised outwards

    [[look]]                         # head and chest turn to what is attended to
    who = "both"
    at = "other.head"                # other.PART, own.PART (see touch), down, up, ahead, or a point [x, y, z]
    start = 0.0                      # default: the whole clip
    chest = 0.25                     # share that the chest takes; strength = 1.0 for all
    direction = 0                    # degrees to the left of the target, for looking away

    [[touch]]                        # a part of `who` meets a part of the other person
    who = "actor"
    part = "r_hand"                  # a name of intermoe_engine.retarget.touch.parts
    on = "r_hand"
    start = "meet"                   # from when to when they touch
    end = "part"
    reach = 0.5                      # seconds in which it goes there, and
    release = 0.4                    # in which it comes back
    own = "palm"                     # palm, back, tip, any: of the own part (default: palm, of feet tip)
    side = "front"                   # of the other's part: front, back, left, right, up, down, near
    along = 0.5                      # and where on its length: 0 its start, 1 its end
    share = 0.5                      # how far the other's part comes too (default: hands 0.5, else 0)
    height = 1.05                    # hand to hand: metres above the floor (default: between them)
    between = 0.5                    # … how far from `who` to the other, and
    aside = 0.0                      # … metres to the left of the line, seen from `who`
    swing = [0.0, 0.05, 0.0]         # the touch is swung together, `swings` times (handshake)
    swings = 3
    pats = 0                         # the part lifts off and comes back so often
    gap = 0.0                        # metres left between the surfaces
    strength = 1.0

    [accept]                         # limits of this score, where they differ from the usual (acceptance.py)
    jerk = 600

    [[caption]]
    text = "{actor} shakes {other}'s hand"
    when = { tempo = "brisk" }       # only where the draw has that value or name
    held_out = false

Captions fill {actor} and {other} with words for the person, the one whom the sentence names first becoming
person A; captions.py lists the other words that can be filled. when = { hand = "left" } asks for the mirrored
clips. A top-level `people = [["a teacher", "a student"]]` adds nouns for [actor, other].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from intermoe_engine.errors import EngineError

from .fields import Number
from .tables import Gesture, Layer, Look, Phase, Posture, Stage, Touch


class ScoreError(EngineError):
    """A score that cannot be played; the message names the file, the table and the key."""


@dataclass(frozen=True, kw_only=True)
class Accept:
    """Limits beyond which a clip is left out; None: the usual one of `acceptance`."""

    slide: float | None = None
    jerk: float | None = None
    penetration: float | None = None
    gap: float | None = None
    facing: float | None = None


@dataclass(frozen=True, kw_only=True)
class CaptionTemplate:
    """A sentence with {actor} and {other} to fill, and when it is true."""

    text: str
    when: Mapping[str, object] = field(default_factory=dict)
    held_out: bool = False


@dataclass(frozen=True)
class Range:
    """A number drawn evenly from low to high; names: parts of it that captions speak of."""

    low: float
    high: float
    names: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """One of some values, each with the name that captions know it by ("" for none)."""

    values: tuple[float | str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """An interaction as its file describes it."""

    name: str
    title: str
    roles: Mapping[str, str]
    vary: Mapping[str, Range | Choice]
    let: Mapping[str, Number]
    stage: Stage
    phases: Mapping[str, tuple[Phase, ...]]
    layers: tuple[Layer, ...] = ()
    postures: tuple[Posture, ...] = ()
    gestures: tuple[Gesture, ...] = ()
    looks: tuple[Look, ...] = ()
    touches: tuple[Touch, ...] = ()
    accept: Accept = Accept()
    captions: tuple[CaptionTemplate, ...] = ()
    mirror: float = 0.5
    people: tuple[tuple[str, str], ...] = ()

    def clips(self) -> set[str]:
        """Names of the clips table that it may use; words with {…} are left as they are."""
        people = [clip for phases in self.phases.values() for phase in phases for clip in phase.clip]
        return set(people) | {clip for layer in self.layers for clip in layer.clip}
