# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's takes: contact motions that are scripted here, and captured salsa where it is at hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..cleanup import clean_pair
from ..take import ActorMotion, Take
from .puppet import Puppet, Step, ease

FPS = 30.0
Expected = tuple[str, str, str, str, float, float]


@dataclass(frozen=True)
class ScriptedTake:
    """A take and the contacts that were scripted into it, as (first, part, second, part, start, end), the
    times in seconds of the first and last frame of full contact."""

    name: str
    take: Take
    contacts: tuple[Expected, ...]


def _times(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * FPS)) / FPS


def _meeting(times: np.ndarray, distance: float, aside: float = 0.0) -> tuple[Puppet, Puppet]:
    """A at the origin facing B, who stands `distance` metres before A and `aside` to A's left."""
    return Puppet(times, (0.0, 0.0), 0.0), Puppet(times, (aside, distance), np.pi)


def _scripted(name: str, a: Puppet, b: Puppet, contacts: tuple[Expected, ...]) -> ScriptedTake:
    return ScriptedTake(name, Take(name, 0, FPS, (a.motion(), b.motion())), contacts)


def _there_and_back(times: np.ndarray, start: float, end: float, ramp: float) -> np.ndarray:
    """1 from start to end seconds, coming and going within `ramp` seconds."""
    return ease(times, start - ramp, start) * (1 - ease(times, end, end + ramp))


def handshake() -> ScriptedTake:
    """Right hands meet between the two, go up and down twice, and part."""
    t = _times(4.0)
    a, b = _meeting(t, 0.92)
    for puppet in (a, b):
        puppet.lean(np.radians(7.0) * _there_and_back(t, 1.0, 2.6, 0.8))
        puppet.plant()
    shake = 0.04 * np.sin(2 * np.pi * 1.6 * (t - 1.2)) * _there_and_back(t, 1.4, 2.2, 0.3)
    middle = np.stack([np.zeros_like(t), 1.02 + shake, np.full_like(t, 0.46)], axis=-1)
    thick = 0.024
    share = _there_and_back(t, 1.1, 2.5, 0.7)
    # A's right hand is at -x, B's at +x: their palms meet in the plane between them.
    a.reach_palm("r", middle + [-thick, 0.0, 0.0], share)
    b.reach_palm("r", middle + [thick, 0.0, 0.0], share)
    return _scripted("handshake", a, b, (("A", "r_hand", "B", "r_hand", 1.1, 2.5),))


def high_five() -> ScriptedTake:
    """Right palms clap above the shoulders."""
    t = _times(2.6)
    a, b = _meeting(t, 0.88)
    for puppet in (a, b):
        puppet.plant()
    middle = np.broadcast_to([-0.05, 1.58, 0.44], (len(t), 3))
    share = _there_and_back(t, 1.2, 1.35, 0.55)
    up, wide = (0.0, 1.0, 0.0), 0.15
    a.reach_palm("r", middle - [0.0, 0.0, 0.024], share, up, (-1.0, -0.6, 0.0), (-wide, 0.0, 0.1))
    b.reach_palm("r", middle + [0.0, 0.0, 0.024], share, up, (1.0, -0.6, 0.0), (wide, 0.0, -0.1))
    return _scripted("high five", a, b, (("A", "r_hand", "B", "r_hand", 1.2, 1.35),))


def hug() -> ScriptedTake:
    """A walks up to B, both put their hands on the other's back, and A walks back."""
    t = _times(5.0)
    a, b = _meeting(t, 0.80, aside=0.06)
    a.walk([
        Step("l", 0.5, 0.9, (0.0, 0.48)), Step("r", 0.95, 1.35, (0.0, 0.48)),
        Step("r", 3.5, 3.9, (0.0, -0.48)), Step("l", 3.95, 4.35, (0.0, -0.48)),
    ])  # fmt: skip
    near = _there_and_back(t, 1.9, 2.9, 0.7)
    for puppet in (a, b):
        puppet.lean(np.radians(5.0) * near)
        puppet.plant()
    bodies = a.body(), b.body()
    share = _there_and_back(t, 1.9, 2.9, 0.8)
    # A's arms go under B's, low on the back; all elbows point out to the sides.
    for me, other, part, forward, drop in (
        (a, bodies[1], "belly", 1.0, -0.7),
        (b, bodies[0], "chest", -1.0, 0.1),
    ):
        for side, sign in (("l", 1.0), ("r", -1.0)):
            out = sign * forward  # to which side of the room this arm is
            along = 0.5 - 0.25 * sign  # of the other's part, whose start is its own left
            goal = me.palm_on(other, part, 1 - along, (0.15 * -sign, 0.2, -1.0), side)
            fingers = (-0.9 * out, 0.1, 0.25 * forward)
            me.reach_palm(side, goal, share, fingers, (out, drop, 0.0), (0.35 * out, 0.05, 0.0))
    contacts = tuple(
        (who, f"{side}_hand", other, part, 1.9, 2.9)
        for who, other, part in (("A", "B", "belly"), ("B", "A", "chest"))
        for side in ("l", "r")
    )
    return _scripted("hug", a, b, contacts)


def push() -> ScriptedTake:
    """A's palms push B's chest; B steps back."""
    t = _times(3.4)
    a, b = _meeting(t, 0.56)
    b.walk([Step("r", 1.25, 1.6, (0.0, 0.26)), Step("l", 1.65, 2.0, (0.0, 0.26))])
    b.lean(np.radians(-9.0) * _there_and_back(t, 1.3, 1.5, 0.35))
    a.lean(np.radians(12.0) * _there_and_back(t, 1.0, 1.45, 0.6))
    for puppet in (a, b):
        puppet.plant()
    share = _there_and_back(t, 0.95, 1.4, 0.6)
    for side, along in (("l", 0.85), ("r", 0.15)):
        # A's left hand lies on B's right, where the chest's capsule ends.
        x = -0.15 if side == "l" else 0.15
        goal = a.palm_on(b.body(), "chest", along, (x, -0.1, 1.0), side)
        a.reach_palm(side, goal, share, (0.0, 1.0, 0.1), (-4 * x, -1.0, 0.0))
    contacts = (("A", "l_hand", "B", "chest", 0.95, 1.4), ("A", "r_hand", "B", "chest", 0.95, 1.4))
    return _scripted("push", a, b, contacts)


def punch() -> ScriptedTake:
    """A's right fist hits B's chest for a tenth of a second; B is thrown back a step."""
    t = _times(2.8)
    a, b = _meeting(t, 0.66)
    b.lean(np.radians(-12.0) * _there_and_back(t, 1.3, 1.4, 0.3))
    b.walk([Step("r", 1.25, 1.6, (0.0, 0.22)), Step("l", 1.65, 2.0, (0.0, 0.22))])
    a.lean(np.radians(10.0) * _there_and_back(t, 1.1, 1.2, 0.35))
    for puppet in (a, b):
        puppet.plant()
    share = _there_and_back(t, 1.1, 1.2, 0.3)
    a.reach_palm("r", a.palm_on(b.body(), "chest", 0.5, (0.1, 0.0, 1.0), "r"), share)
    return _scripted("punch", a, b, (("A", "r_hand", "B", "chest", 1.1, 1.2),))


def hand_on_shoulder() -> ScriptedTake:
    """A steps up to B and lays the right hand on B's left shoulder."""
    t = _times(4.0)
    a, b = _meeting(t, 0.75)
    a.walk([Step("l", 0.3, 0.7, (0.0, 0.25)), Step("r", 0.75, 1.15, (0.0, 0.25))])
    for puppet in (a, b):
        puppet.plant()
    share = _there_and_back(t, 1.6, 2.9, 0.7)
    # On top of the shoulder joint and a little behind it, whatever the upper arm does.
    body = b.body()
    shoulder = body.axis_point("l_upper_arm", np.full(len(t), 0.04))
    place = shoulder + (0.046 + 0.024) * np.array([0.0, 0.96, -0.28])
    a.reach_palm("r", place, share, (0.0, -0.1, 1.0), (-1.0, -0.7, 0.0), (0.0, 0.22, -0.05))
    return _scripted("hand on shoulder", a, b, (("A", "r_hand", "B", "l_upper_arm", 1.6, 2.9),))


SCRIPTED: dict[str, Callable[[], ScriptedTake]] = {
    "handshake": handshake,
    "high five": high_five,
    "hug": hug,
    "push": push,
    "punch": punch,
    "hand on shoulder": hand_on_shoulder,
}


def shared_folder() -> Path:
    """The folder of shared data: INTERMOE_SHARED, else `shared` beside the project. It may be absent."""
    return Path(os.environ.get("INTERMOE_SHARED", Path(__file__).resolve().parents[3] / "shared"))


def cleaned(take: Take) -> Take:
    """A take as the project's cleanup leaves those that it generates: standing feet do not slide."""
    return replace(take, prompt=f"{take.prompt} cleaned", actors=clean_pair(take.actors, take.fps)[0])


def salsa(trials: tuple[str, ...] = ("03", "12"), seconds: float = 6.0) -> list[Take]:
    """Captured salsa (CMU subjects 60 and 61), the first seconds of each trial, as it is: its feet slide.
    Empty where the captures, or the training extra that reads them, are not there."""
    folder = shared_folder() / "data" / "cmu_pairs"
    if not folder.is_dir():
        return []
    try:
        from training.data.cmu import load_cmu_pair
    except ImportError:
        return []
    from ..representation import foot_contacts

    out = []
    for trial in trials:
        clip = load_cmu_pair(folder, trial, FPS).window(0, round(seconds * FPS))
        flags = foot_contacts(clip.positions(), FPS)
        actors = tuple(
            ActorMotion.from_rotations(
                clip.root_translation[k], clip.joint_rotations[k], flags[k], clip.rest_offsets[k]
            )
            for k in (0, 1)
        )
        out.append(Take(f"salsa {trial}", 0, FPS, (actors[0], actors[1])))
    return out
