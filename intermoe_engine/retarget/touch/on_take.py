# SPDX-License-Identifier: GPL-3.0-or-later
"""The pair solver on a take's own two bodies: touches kept or brought about, bodies parted, no rig needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...rotations import quat_rotate
from ...take import Take
from ..source import SIDE_JOINTS, SourceActor
from .body import Body
from .contact import ACTORS, ContactList
from .finding import contacts_of
from .goals import goal_tracks
from .keeping import Touch
from .pair_solver import PairProblem, SolverWeights, bring_together, push_apart
from .palms import HandTurn, Surface, lay_hand
from .parting import distances_to_add, moved
from .parts import HAND_TO_FOREARM, HANDS, INDEX, POINTS
from .skeleton import skeleton_model, solved_motion, solved_rotations
from .tracks import ContactTrack, contact_tracks, unit

REACHING = SolverWeights(wrist=0.25, collar=2.0, shift=4.0, lift=6.0, lean=3.0)
"""Weights for touches that the take does not have: an arm reaches, trunks help where it is too short."""

_ROUNDS_BEFORE_HANDS = 4  # how a hand will lie is known once its arm is roughly there

_SHARES = {"share": (-0.5, 0.5), "A": (0.0, 1.0), "B": (-1.0, 0.0)}
"""By how much of the way that is added between A and B each of them moves."""

_Hands = dict[str, HandTurn]


def touch_take(
    take: Take,
    contacts: ContactList | None = None,
    *,
    weights: SolverWeights | None = None,
    lead: float = 0.5,
    keep_apart: bool = True,
    allowance: float = 0.01,
    leads: str | None = None,
) -> tuple[Take, Touch]:
    """The take with its two people solved together, and what that achieved (`Touch.report` gives numbers).

    contacts: what is to touch, whether it does in the take or not: a hand's palm comes to lie on the other
    part's surface (gap 0 m unless the contact says otherwise), its wrist and elbow bent as an arm's are.
    None: the contacts kept with the take, else those found in it, are kept as they are there. lead: seconds
    in which a reach comes before a contact's onset, and goes after its release. keep_apart: parts of the two
    overlap by `allowance` metres at most, whatever the take does. leads: who keeps the pose, "A", "B" or
    "share"; None: the one who is reached for, else they share.

    People who stand in each other are moved apart, each foot once for as long as it stands. But for that,
    feet stay, and so do bone lengths, foot contacts, frame rate and notes. Where nothing has to be mended the
    take itself is returned. Raises RigError for a contact that cannot be used.
    """
    sources = [SourceActor.from_motion(motion) for motion in take.actors]
    bodies = (Body.of_source(sources[0]), Body.of_source(sources[1]))
    if contacts is None:
        weights = weights or SolverWeights()
        listed = contacts_of(take).to_solve(take.fps, take.frames)
        tracks = contact_tracks(listed, bodies, take.fps)
        if keep_apart:
            tracks = [_parted(track, bodies, allowance) for track in tracks]
    else:
        listed = contacts.to_solve(take.fps, take.frames)
        tracks = goal_tracks(listed, bodies, take.fps)
        leads = leads or _reached_for(tracks)
        weights = weights or replace(REACHING, arm_time=max(REACHING.arm_time, lead / 3))
    leads = leads or "share"
    models = (skeleton_model(sources[0]), skeleton_model(sources[1]))
    placed = take.actors
    if keep_apart:
        away = distances_to_add(bodies, take.fps, allowance)
        if away.any():
            shares = _SHARES[leads]
            a, b = (
                moved(motion, source, model, share * away, take.fps)
                for motion, source, model, share in zip(placed, sources, models, shares, strict=True)
            )
            placed = (a, b)
            sources = [SourceActor.from_motion(motion) for motion in placed]
            models = (skeleton_model(sources[0]), skeleton_model(sources[1]))
    stand = (Body.of_source(sources[0]), Body.of_source(sources[1]))
    radii = (bodies[0].radii, bodies[1].radii)
    problem = PairProblem(
        models, stand, radii, tracks, 1.0, take.fps, leads, keep_apart, allowance, weights=weights
    )
    x = bring_together(problem, rounds=None if contacts is None else _ROUNDS_BEFORE_HANDS)
    hands: tuple[_Hands, _Hands] = ({}, {})
    if contacts is not None and x.any():
        hands = _laid_hands(problem, sources, x, lead)
        problem = _with_hands(problem, sources, hands)
        x = bring_together(problem, x)
    if keep_apart:
        x = push_apart(problem, x)
    if x.any():
        rows = zip(placed, sources, problem.models, x, hands, strict=True)
        a, b = (solved_motion(m, s, solved_rotations(s, model, v, h), v) for m, s, model, v, h in rows)
        placed = (a, b)
    if placed is take.actors:
        return take, Touch(list(listed), tracks, bodies, bodies, bodies, 1.0)
    out = replace(take, actors=placed, meta=dict(take.meta))
    a, b = (Body.of_source(SourceActor.from_motion(motion)) for motion in placed)
    return out, Touch(list(listed), tracks, bodies, bodies, (a, b), 1.0)


def _laid_hands(
    problem: PairProblem, sources: list[SourceActor], x: np.ndarray, lead: float
) -> tuple[_Hands, _Hands]:
    """How the hands of all goals are turned once their arms reach as x (2, T, 20) says."""
    rotations = [
        solved_rotations(source, model, v)
        for source, model, v in zip(sources, problem.models, x, strict=True)
    ]
    frames = round(lead * problem.fps)
    hands: tuple[_Hands, _Hands] = ({}, {})
    for track in problem.tracks:
        for owner, part in zip(track.owners, track.parts, strict=True):
            if part in HANDS:
                side = part[0]
                hands[owner][side] = lay_hand(sources[owner], rotations[owner], side, [], frames)
    # A held hand goes along with its forearm; the surface of the other is then where it will be.
    turned = _with_hands(problem, sources, hands)
    bodies = turned.bodies([m.at(v) for m, v in zip(turned.models, x, strict=True)])
    touches: dict[tuple[int, str], list[Surface]] = {}
    for track in problem.tracks:
        if track.has_hand:
            outward = unit(
                (bodies[track.owners[1]].matrix(track.parts[1]) @ track.outward[1][..., None])[..., 0]
            )
            touches.setdefault((track.owners[0], track.parts[0][0]), []).append((track.active, outward))
    for (owner, side), surfaces in touches.items():
        hands[owner][side] = lay_hand(sources[owner], rotations[owner], side, surfaces, frames)
    return hands


def _with_hands(
    problem: PairProblem, sources: list[SourceActor], hands: tuple[_Hands, _Hands]
) -> PairProblem:
    """The same problem with hands that are turned otherwise; they keep that in the world."""
    models, bodies = [], []
    for source, model, body, turned in zip(sources, problem.models, problem.sources, hands, strict=True):
        points, taken, turns = model.points.copy(), body.points.copy(), body.turns.copy()
        for side, hand in turned.items():
            wrist, tip = POINTS.index(f"{side}_wrist"), POINTS.index(f"{side}_tip")
            palm = HAND_TO_FOREARM * source.rest_offsets[SIDE_JOINTS[side]["wrist"]]
            vector = quat_rotate(hand.rotation, palm)
            points[:, tip], taken[:, tip] = points[:, wrist] + vector, taken[:, wrist] + vector
            turns[:, INDEX[f"{side}_hand"]] = hand.rotation
        models.append(replace(model, points=points))
        bodies.append(replace(body, points=taken, turns=turns))
    return replace(problem, models=(models[0], models[1]), sources=(bodies[0], bodies[1]))


def _reached_for(tracks: list[ContactTrack]) -> str:
    """Who does not reach for the other, "share" where both do."""
    reaching = {track.owners[0] for track in tracks if track.has_hand}
    mutual = any(set(track.parts) <= set(HANDS) for track in tracks)
    return "share" if mutual or len(reaching) != 1 else ACTORS[1 - reaching.pop()]


def _parted(track: ContactTrack, bodies: tuple[Body, Body], allowance: float) -> ContactTrack:
    """A contact of the take that is no deeper than bodies may overlap."""
    normal = track.normal(bodies)
    depth = np.maximum(-allowance - np.sum(track.gap * normal, axis=-1, keepdims=True), 0.0)
    return replace(track, gap=track.gap + depth * normal)
