# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences for the salsa captures: what is said is what is measured in the window.

The captures come with two words ("salsa dance"). Who leads is known from the files; who turns, how close
the two are, how lively they dance and whether they hold hands is measured. A sentence is offered for a
window only if it claims nothing that the window does not show. In every sentence the person mentioned
first is person A.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

TURN_DEGREES = 300.0
CLOSE_METRES = 0.66
APART_METRES = 0.85
CALM_SPEED = 1.4
LIVELY_SPEED = 1.65
HANDS_METRES = 0.30


@dataclass(frozen=True)
class Claim:
    """What a sentence says; None says nothing about it.

    lead: "a" or "b" leads. turn: "a", "b", "both" or "none" turn all the way round. distance: "close" or
    "apart". energy: "calm" or "lively". hands: they hold hands.
    """

    lead: str | None = None
    turn: str | None = None
    distance: str | None = None
    energy: str | None = None
    hands: bool | None = None


@dataclass(frozen=True)
class Caption:
    """A sentence with its claim."""

    text: str
    claim: Claim


def measured(yaw: np.ndarray, distance: np.ndarray, speed: np.ndarray, wrists: np.ndarray) -> dict:
    """The facts of a window.

    yaw (2, T) radians, unwrapped; distance (T,) metres between the pelvises on the ground; speed (T,)
    mean speed of the four feet in m/s; wrists (T,) smallest distance of two wrists of the two people.
    """
    turned = np.degrees(yaw.max(axis=1) - yaw.min(axis=1)) > TURN_DEGREES
    names = {(False, False): "none", (True, False): "a", (False, True): "b", (True, True): "both"}
    middle = float(np.median(distance))
    pace = float(speed.mean())
    return {
        "turn": names[bool(turned[0]), bool(turned[1])],
        "distance": "close" if middle < CLOSE_METRES else "apart" if middle > APART_METRES else "middle",
        "energy": "calm" if pace < CALM_SPEED else "lively" if pace > LIVELY_SPEED else "even",
        "hands": bool(np.mean(wrists < HANDS_METRES) > 0.5),
    }


def holds(claim: Claim, facts: dict, lead: str) -> bool:
    """Whether a window with these facts, led by person `lead` ("a" or "b"), shows what is claimed."""
    if claim.lead is not None and claim.lead != lead:
        return False
    return all(
        getattr(claim, key) is None or getattr(claim, key) == facts[key]
        for key in ("turn", "distance", "energy", "hands")
    )


# (subject with verb ending in the dance, who leads)
_OPENINGS: tuple[tuple[str, str | None], ...] = (
    ("two people dance {s}", None),
    ("two people are dancing {s} together", None),
    ("a couple dances {s}", None),
    ("a pair dances {s} as partners", None),
    ("two dancers perform a {s}", None),
    ("both people dance {s} with each other", None),
    ("a man and a woman dance {s}", "a"),
    ("a man leads a woman in a {s}", "a"),
    ("a man leads his partner through {s} steps", "a"),
    ("one person leads the other in a {s}", "a"),
    ("one person leads and the other follows in a {s}", "a"),
    ("the first person leads the second in {s}", "a"),
    ("the lead dances {s} with the follow", "a"),
    ("a woman follows a man's lead in a {s}", "b"),
    ("a woman dances {s} with a leading man", "b"),
    ("one person is led by the other in a {s}", "b"),
    ("one person follows while the other leads a {s}", "b"),
    ("the first person follows the second in {s}", "b"),
    ("the follow dances {s} with the lead", "b"),
)
_DANCES = ("salsa", "latin dance", "salsa dance", "partner dance")
_PLAIN_DANCES = ("salsa", "a latin dance", "a salsa dance", "a partner dance")

_TURNS: tuple[tuple[str, str], ...] = (
    (", and the {other} spins around", "b"),
    (", and the {other} turns all the way round under the arm", "b"),
    (" and twirls the {other}", "b"),
    (", and the {first} spins around", "a"),
    (", and the {first} turns all the way round", "a"),
    (", both spinning around", "both"),
    (", and both of them turn around", "both"),
    (" without turning", "none"),
    (", facing each other all the time", "none"),
)
_DISTANCES = (
    (", close together", "close"),
    (" in a close hold", "close"),
    (", body to body", "close"),
    (" at arm's length", "apart"),
    (", far apart", "apart"),
    (" in an open position", "apart"),
)
_ENERGIES = (
    (" calmly", "calm"),
    (" slowly and gently", "calm"),
    (" with energy", "lively"),
    (" fast and lively", "lively"),
)
_HANDS = (" hand in hand", ", holding hands", " with joined hands")


def _names(opening: str) -> tuple[str, str]:
    if "man leads" in opening or opening.startswith("a man"):
        return "man", "woman"
    if opening.startswith("a woman"):
        return "woman", "man"
    if opening.startswith("the lead"):
        return "lead", "follow"
    if opening.startswith("the follow"):
        return "follow", "lead"
    return "first person", "second person"


def _start(opening: str, dance: int) -> str:
    # "in a salsa" keeps its article, "dances salsa" needs "a latin dance".
    with_article = "a {s}" in opening or "{s} steps" in opening
    return opening.format(s=_DANCES[dance] if with_article else _PLAIN_DANCES[dance])


def salsa_captions() -> list[Caption]:
    """Every sentence, in a fixed order, without repeats."""
    captions: list[Caption] = []
    for (opening, lead), dance in itertools.product(_OPENINGS, range(len(_DANCES))):
        captions.append(Caption(_start(opening, dance), Claim(lead)))
    for k, (opening, lead) in enumerate(_OPENINGS):
        first, other = _names(opening)
        start = lambda n: _start(opening, (k + n) % len(_DANCES))  # noqa: B023
        for n, (clause, turn) in enumerate(_TURNS):
            if "twirls" in clause and lead != "a":
                continue
            captions.append(
                Caption(start(n) + clause.format(first=first, other=other), Claim(lead, turn=turn))
            )
        for n, (clause, distance) in enumerate(_DISTANCES):
            captions.append(Caption(start(n) + clause, Claim(lead, distance=distance)))
        for n, (clause, energy) in enumerate(_ENERGIES):
            captions.append(Caption(start(n) + clause, Claim(lead, energy=energy)))
        for n, clause in enumerate(_HANDS):
            captions.append(Caption(start(n) + clause, Claim(lead, hands=True)))
    unique = {caption.text: caption for caption in captions}
    return list(unique.values())


def split_captions(captions: list[Caption], every: int = 10) -> tuple[list[Caption], list[Caption]]:
    """(trained, held out): every tenth sentence is never trained on."""
    held = captions[every // 2 :: every]
    texts = {caption.text for caption in held}
    return [caption for caption in captions if caption.text not in texts], held
