# SPDX-License-Identifier: GPL-3.0-or-later
"""Two placed and planted rigs brought into touch, with what it achieved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..actor import ActorRetarget
from ..settings import RetargetSettings
from .binding import apply_solution, body_points, frozen_variables, pose_model
from .body import Body
from .clearance import PartPairs, clearance, coming_near
from .contact import Contact, ContactList
from .pair_solver import PairProblem, solve_pair
from .parts import POINTS
from .skin import target_girths
from .tracks import ContactTrack, contact_tracks


@dataclass(frozen=True)
class Touch:
    """What became of the contacts. tracks: in the order of `contacts`; before, after: both targets' bodies
    without and with the solve; sources: the take's; scale: of the pair. points (2, T, 18, 3): of `after`."""

    contacts: list[Contact]
    tracks: list[ContactTrack]
    sources: tuple[Body, Body]
    before: tuple[Body, Body]
    after: tuple[Body, Body]
    scale: float

    @property
    def points(self) -> np.ndarray:
        return np.stack([body.points for body in self.after])

    def gap_errors(self, bodies: tuple[Body, Body]) -> list[np.ndarray]:
        """For each contact, how far (frames in contact,) the touching points are from where they belong, in
        metres."""
        return [
            np.linalg.norm(track.error(bodies, self.scale), axis=-1)[track.active] for track in self.tracks
        ]

    def overlap(self, bodies: tuple[Body, Body], sources: bool = False) -> np.ndarray:
        """Depth (T,) of the two people in each other, summed over all parts, in metres."""
        return self._depths(bodies, sources).sum(axis=-1)

    def deepest(self, bodies: tuple[Body, Body]) -> float:
        """Metres by which any two parts of the two people overlap in any frame."""
        return float(self._depths(bodies, sources=False).max(initial=0.0))

    def hips_moved(self) -> tuple[float, float]:
        """Metres by which the solve moved the middle between the hip joints of A and of B, at most."""
        hips = [POINTS.index("l_hip"), POINTS.index("r_hip")]
        moves = (
            (now.points - was.points)[:, hips].mean(axis=1)
            for was, now in zip(self.before, self.after, strict=True)
        )
        a, b = (float(np.linalg.norm(move, axis=-1).max()) for move in moves)
        return a, b

    def _depths(self, bodies: tuple[Body, Body], sources: bool) -> np.ndarray:
        """Depths (T, N) of pairs of parts of the two people, metres of the targets."""
        pairs = PartPairs.all_pairs()
        pairs = pairs.kept(pairs.across)
        bodies = self.sources if sources else bodies
        depth = np.maximum(-clearance(coming_near(pairs, bodies), bodies).distance, 0.0)
        return depth * (self.scale if sources else 1.0)

    def report(self) -> dict[str, Any]:
        """Plain numbers in millimetres, before and after.

        overlap_mm: the largest sum over all parts in one frame; deepest_overlap_mm: of any two parts.
        hips_moved_mm: by the solve, of A and of B, at most.
        """
        before, after = self.gap_errors(self.before), self.gap_errors(self.after)
        depths = {
            "take": self._depths(self.before, sources=True),
            "before": self._depths(self.before, sources=False),
            "after": self._depths(self.after, sources=False),
        }
        rows = [
            {
                "first": contact.first,
                "first_part": contact.first_part,
                "second": contact.second,
                "second_part": contact.second_part,
                "start": round(contact.start, 4),
                "end": round(contact.end, 4),
                "gap_error_before_mm": _mm(np.median(was)),
                "gap_error_mm": _mm(np.median(now)),
            }
            for contact, was, now in zip(self.contacts, before, after, strict=True)
        ]
        return {
            "contacts": rows,
            "gap_error_before_mm": _spread(before),
            "gap_error_mm": _spread(after),
            "overlap_mm": {k: _mm(d.sum(axis=-1).max(initial=0.0)) for k, d in depths.items()},
            "deepest_overlap_mm": {k: _mm(d.max(initial=0.0)) for k, d in depths.items()},
            "hips_moved_mm": dict(zip("AB", map(_mm, self.hips_moved()), strict=True)),
        }


def keep_in_touch(
    actors: tuple[ActorRetarget, ActorRetarget],
    contacts: ContactList,
    scale: float,
    fps: float,
    settings: RetargetSettings,
) -> Touch:
    """Solve both actors together and put the result on their rigs (in place)."""
    sources = (Body.of_source(actors[0].source), Body.of_source(actors[1].source))
    listed = contacts.to_solve(fps, sources[0].frames)
    tracks = contact_tracks(listed, sources, fps)
    models = (pose_model(actors[0]), pose_model(actors[1]))
    radii = (target_girths(actors[0].rig, models[0].points), target_girths(actors[1].rig, models[1].points))
    wanted = tracks if settings.keep_contacts else []
    problem = PairProblem(
        models, sources, radii, wanted, scale, fps, settings.leads, settings.keep_apart,
        frozen=tuple(frozen_variables(a, m) for a, m in zip(actors, models, strict=True)),
    )  # fmt: skip
    before = problem.bodies([m.points for m in models])
    if settings.keep_contacts:
        solution = solve_pair(problem)
        if solution.any():
            for actor, model, x in zip(actors, models, solution, strict=True):
                apply_solution(actor, model, x)
    after = problem.bodies([body_points(actor) for actor in actors])
    return Touch(list(listed), tracks, sources, before, after, scale)


def _mm(metres: Any) -> float:
    return round(float(metres) * 1000, 3)


def _spread(parts: list[np.ndarray]) -> dict[str, float] | None:
    values = np.concatenate(parts) if parts else np.zeros(0)
    if len(values) == 0:
        return None
    return {"median": _mm(np.median(values)), "p95": _mm(np.percentile(values, 95))}
