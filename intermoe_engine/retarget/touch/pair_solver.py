# SPDX-License-Identifier: GPL-3.0-or-later
"""Both people solved together, over all frames: a nonlinear least squares by damped Gauss–Newton.

Terms, each squared and weighed: contact errors; how far each number is from the transferred pose; its
acceleration; limbs beyond their reach; parts that overlap more than in the take; the centre of mass leaving
its place over the feet. Feet are not among the unknowns: they stay where they are planted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from .body import Body
from .clearance import PartPairs, clearance, coming_near
from .parts import ENDS, POINTS, STARTS
from .pose_model import COLLAR, LEAN, SHIFT, SWIVEL, VARIABLES, WRIST, PoseModel
from .smooth_system import second_difference_energy, solve_smooth
from .tracks import ContactTrack

MOST_LEAN = np.radians(50.0)
"""Radians by which a trunk may bend beyond the take's pose."""
MOST_SHIFT = 0.3
"""Share of the leg's length by which a pelvis may leave its place."""
MOST_COLLAR = 0.6
"""Share of the clavicle's length by which a shoulder may leave its place: about 30 degrees."""


@dataclass(frozen=True)
class SolverWeights:
    """Lengths count as shares of the arm's length, angles as radians.

    wrist, collar, shift, lift, lean, swivel: unwillingness to move a wrist from its shoulder, a shoulder on
    its clavicle, the pelvis sideways, the pelvis up or down, to bend the trunk, and to turn an elbow about
    its arm. contact, leaning, reach, overlap, limit, balance: weights of touches with a hand, of others, and
    of the other terms. leader: how many times more unwilling the leading person is. arm_time, trunk_time:
    seconds in which a correction comes and goes. damping: of both stages' first steps, in unwillingnesses. A
    round must promise to better the cost by the share of `tolerance` and by `enough`.
    rounds_in_place, rounds_apart: at most so many, first for contacts alone, then with overlaps.
    """

    wrist: float = 1.0
    collar: float = 3.0
    shift: float = 2.0
    lift: float = 4.0
    lean: float = 0.8
    swivel: float = 0.5
    contact: float = 100.0
    leaning: float = 40.0
    reach: float = 100.0
    overlap: float = 60.0
    limit: float = 150.0
    balance: float = 1.0
    leader: float = 6.0
    arm_time: float = 0.12
    trunk_time: float = 0.25
    damping: tuple[float, float] = (1.0, 30.0)
    tolerance: float = 0.02
    enough: float = 1.0
    rounds_in_place: int = 8
    rounds_apart: int = 14

    def unwillingness(self, arm_length: float) -> np.ndarray:
        """Weights (20,) of the variables, before squaring."""
        out = np.zeros(VARIABLES)
        out[SHIFT] = np.array([self.shift, self.lift, self.shift]) / arm_length
        out[LEAN] = self.lean
        for side in ("l", "r"):
            out[COLLAR[side]] = self.collar / arm_length
            out[WRIST[side]] = self.wrist / arm_length
            out[SWIVEL[side]] = self.swivel
        return out

    def times(self) -> np.ndarray:
        """Seconds (20,) in which each variable comes and goes."""
        out = np.full(VARIABLES, self.arm_time)
        out[SHIFT] = out[LEAN] = self.trunk_time
        return out


@dataclass
class PairProblem:
    """models, sources (bodies of the take), radii (of the targets' parts): for A and B. scale: of the pair.
    leads: "share", "A" or "B". allowance: metres by which the two may overlap; None: as much as in the
    take. frozen: flags (20,) for A and B of variables that stay zero."""

    models: tuple[PoseModel, PoseModel]
    sources: tuple[Body, Body]
    radii: tuple[np.ndarray, np.ndarray]
    tracks: list[ContactTrack]
    scale: float
    fps: float
    leads: str = "share"
    keep_apart: bool = True
    allowance: float | None = None
    frozen: tuple[np.ndarray, ...] = ()
    weights: SolverWeights = field(default_factory=SolverWeights)

    def bodies(self, points: list[np.ndarray]) -> tuple[Body, Body]:
        """The targets' bodies at these points."""
        a, b = (s.on(p, r) for s, p, r in zip(self.sources, points, self.radii, strict=True))
        return a, b

    def stiffness(self) -> np.ndarray:
        """Unwillingness (40,) of all variables of both people."""
        stiff = np.stack([self.weights.unwillingness(m.arm_length) for m in self.models])
        for k, name in enumerate(("A", "B")):
            if self.leads == name:
                stiff[k] *= self.weights.leader
        for k, flags in enumerate(self.frozen):
            stiff[k, flags] *= 1e4
        return stiff.ravel()


def solve_pair(problem: PairProblem) -> np.ndarray:
    """Variables (2, T, 20) of both people; zero where nothing has to be mended."""
    # Limbs first find their places: a limb on the wrong side of a body cannot be pushed out of it.
    x = bring_together(problem)
    return push_apart(problem, x) if problem.keep_apart else x


def bring_together(
    problem: PairProblem, start: np.ndarray | None = None, rounds: int | None = None
) -> np.ndarray:
    """Variables (2, T, 20) by which the contacts hold, whatever overlaps.

    start: variables that are near already, None for the pose as it is. rounds: at most so many, None for as
    many as the weights say.
    """
    w = problem.weights
    x = np.zeros((2, problem.models[0].frames, VARIABLES)) if start is None else start
    if not problem.tracks:
        return x
    damping = w.damping[0] if start is None else _NEAR_DAMPING * w.damping[0]
    return _descend(problem, x, None, damping, rounds or w.rounds_in_place)


def push_apart(problem: PairProblem, start: np.ndarray) -> np.ndarray:
    """Variables (2, T, 20), near those of `start`, by which also nothing overlaps that should not."""
    pairs = _near_pairs(problem, start)
    if pairs is None:
        return start
    return _descend(problem, start, pairs, problem.weights.damping[1], problem.weights.rounds_apart)


def _descend(
    problem: PairProblem,
    start: np.ndarray,
    pairs: tuple[PartPairs, np.ndarray] | None,
    damping: float,
    rounds: int,
) -> np.ndarray:
    """Better variables (2, T, 20) than `start`, in at most so many rounds.

    Levenberg–Marquardt: a step that makes things worse is taken back and tried again, damped.
    """
    w, stiff = problem.weights, problem.stiffness()
    smooth = stiff**2 * (np.tile(w.times(), 2) * problem.fps) ** 4
    x = np.concatenate(list(start), axis=-1)
    diagonal = np.arange(len(stiff))
    best, lowest, worse = x, np.inf, 4.0
    blocks = gradient = np.zeros(0)
    for _ in range(rounds):
        terms = _Terms(problem, x, pairs)
        bend = second_difference_energy(x, smooth)
        cost = terms.cost() + 0.5 * float(np.sum(x * (stiff**2 * x + bend)))
        if cost < lowest:
            damping = max(damping / 3, _LEAST_DAMPING)
            best, lowest, worse = x, cost, 4.0
            blocks, gradient = terms.normal_equations()
            gradient = gradient + stiff**2 * best + bend
        else:
            damping, worse = damping * worse, 2 * worse
        damped = blocks.copy()
        damped[:, diagonal, diagonal] += (1 + damping) * stiff**2
        step = solve_smooth(damped, -gradient, (1 + damping) * smooth)
        if -0.5 * float(np.sum(gradient * step)) < w.tolerance * lowest + w.enough:
            break  # as much as the linear model promises is not worth a round
        x = best + step
    return np.stack(np.split(best, 2, axis=-1))


@dataclass(frozen=True)
class _Term:
    """Errors (N, R) with weights (N,) at frames (N,). sides: (person, signed weights (N, 18) of
    its points) whose sum is what the error is about; directions (N, R, 3) along which it is measured, or None
    for its three coordinates. direct (N, R, 40): derivatives by the variables themselves, instead of both."""

    error: np.ndarray
    weight: np.ndarray
    frames: np.ndarray
    sides: list[tuple[int, np.ndarray]]
    directions: np.ndarray | None = None
    direct: np.ndarray | None = None


class _Terms:
    """The squared terms, but stiffness and smoothness, at x (T, 40)."""

    def __init__(
        self, problem: PairProblem, x: np.ndarray, pairs: tuple[PartPairs, np.ndarray] | None
    ) -> None:
        self.problem = problem
        self.x = np.split(x, 2, axis=-1)
        self.points = [m.at(v) for m, v in zip(problem.models, self.x, strict=True)]
        self.bodies = problem.bodies(self.points)
        self.terms = [*self._contacts(), *self._reach(), *self._balance(), *self._limits()]
        if pairs is not None:
            self.terms += self._overlaps(*pairs)

    def cost(self) -> float:
        """Half the weighed sum of squares."""
        return 0.5 * sum(float(np.sum((t.weight[:, None] * t.error) ** 2)) for t in self.terms)

    def normal_equations(self) -> tuple[np.ndarray, np.ndarray]:
        """Blocks (T, 40, 40) and gradient (T, 40) of the cost, to first order in the errors."""
        frames = len(self.x[0])
        slopes = [
            m.derivative(v, p) for m, v, p in zip(self.problem.models, self.x, self.points, strict=True)
        ]
        flat = [s.reshape(frames, len(POINTS), -1) for s in slopes]
        rows, errors, at = [], [], []
        for term in self.terms:
            slope = self._slope(term, flat) if term.direct is None else term.direct
            rows.append((slope * term.weight[:, None, None]).reshape(-1, 2 * VARIABLES))
            errors.append((term.error * term.weight[:, None]).ravel())
            at.append(np.repeat(term.frames, term.error.shape[1]))
        return _gathered(np.concatenate(rows), np.concatenate(errors), np.concatenate(at), frames)

    @staticmethod
    def _slope(term: _Term, flat: list[np.ndarray]) -> np.ndarray:
        out = np.zeros((len(term.frames), 3, 2 * VARIABLES))
        for owner, weights in term.sides:
            mine = (weights[:, None] @ flat[owner][term.frames]).reshape(-1, 3, VARIABLES)
            out[..., owner * VARIABLES : (owner + 1) * VARIABLES] = mine
        return out if term.directions is None else term.directions @ out

    def _limits(self) -> Iterator[_Term]:
        """How far a trunk bends, a pelvis and a shoulder go: better not reached than reached oddly."""
        for owner, model in enumerate(self.problem.models):
            firm = self.problem.weights.limit
            ways = [(LEAN, MOST_LEAN, firm), (SHIFT, MOST_SHIFT * model.leg_length, firm / model.leg_length)]
            for side, length in model.collar_length.items():
                ways.append((COLLAR[side], MOST_COLLAR * length, firm / model.arm_length))
            for variables, most, weight in ways:
                vector = self.x[owner][:, variables]
                size = np.linalg.norm(vector, axis=-1)
                frames = np.flatnonzero(size > most)
                if len(frames):
                    direct = np.zeros((len(frames), 1, 2 * VARIABLES))
                    columns = slice(owner * VARIABLES + variables.start, owner * VARIABLES + variables.stop)
                    direct[:, 0, columns] = (vector / np.maximum(size, 1e-9)[:, None])[frames]
                    beyond = (size - most)[frames, None]
                    yield _Term(beyond, np.full(len(frames), weight), frames, [], direct=direct)

    def _contacts(self) -> Iterator[_Term]:
        problem = self.problem
        arm = 0.5 * (problem.models[0].arm_length + problem.models[1].arm_length)
        for track in problem.tracks:
            frames = np.flatnonzero(track.active)
            error = track.error(self.bodies, problem.scale)[frames]
            sides = [
                (owner, sign * track.weights(k)[frames])
                for k, (owner, sign) in enumerate(zip(track.owners, (-1.0, 1.0), strict=True))
            ]
            directions, firm = None, problem.weights.contact
            if not track.has_hand:
                directions, firm = track.normal(self.bodies)[frames][:, None], problem.weights.leaning
                error = (directions @ error[..., None])[..., 0]
            yield _Term(error, np.full(len(frames), firm * track.strength / arm), frames, sides, directions)

    def _reach(self) -> Iterator[_Term]:
        for owner, model in enumerate(self.problem.models):
            limbs = [("shoulder", "wrist", s, *model.arm_reach[s]) for s in ("l", "r")]
            limbs += [("hip", "ankle", s, None, reach) for s, reach in model.leg_reach.items()]
            for first, last, side, shortest, longest in limbs:
                i, j = POINTS.index(f"{side}_{first}"), POINTS.index(f"{side}_{last}")
                span = self.points[owner][:, j] - self.points[owner][:, i]
                length = np.linalg.norm(span, axis=-1)
                error = np.maximum(length - longest, 0.0)
                if shortest is not None:
                    error = error + np.minimum(length - shortest, 0.0)
                frames = np.flatnonzero(np.abs(error) > 1e-6)
                if len(frames):
                    weights = np.zeros((len(frames), len(POINTS)))
                    weights[:, i], weights[:, j] = -1.0, 1.0
                    along = (span / np.maximum(length, 1e-9)[:, None])[frames][:, None]
                    firm = np.full(len(frames), self.problem.weights.reach / model.arm_length)
                    yield _Term(error[frames, None], firm, frames, [(owner, weights)], along)

    def _balance(self) -> Iterator[_Term]:
        for owner, model in enumerate(self.problem.models):
            moved = np.einsum("p,tpc->tc", _MASS_WEIGHTS, self.points[owner] - model.points)[:, [0, 2]]
            weights = np.broadcast_to(_MASS_WEIGHTS, (model.frames, len(POINTS)))
            firm = np.full(model.frames, self.problem.weights.balance / model.arm_length)
            ground = np.broadcast_to(np.eye(3)[[0, 2]], (model.frames, 2, 3))
            yield _Term(moved, firm, np.arange(model.frames), [(owner, weights)], ground)

    def _overlaps(self, pairs: PartPairs, allowed: np.ndarray) -> Iterator[_Term]:
        now = clearance(pairs, self.bodies)
        deep = allowed - now.distance
        frames, n = np.nonzero(deep > 1e-5)
        if len(frames) == 0:
            return
        first = pairs.owner_first[n], pairs.first[n], now.along_first[frames, n], -1.0
        second = pairs.owner_second[n], pairs.second[n], now.along_second[frames, n], 1.0
        weights = np.zeros((2, len(frames), len(POINTS)))
        for owner, part, along, sign in (first, second):
            share = along[:, None]
            weights[owner, np.arange(len(frames))] += sign * ((1 - share) * STARTS[part] + share * ENDS[part])
        firm = np.full(len(frames), self.problem.weights.overlap / self.problem.models[0].arm_length)
        directions = now.normal[frames, n][:, None]
        yield _Term(-deep[frames, n, None], firm, frames, list(enumerate(weights)), directions)


def _gathered(
    rows: np.ndarray, errors: np.ndarray, frames: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Normal equations (T, V, V), (T, V) of weighed rows (N, V) with errors (N,), each of one frame (N,)."""
    order = np.argsort(frames, kind="stable")
    frames = frames[order]
    starts = np.searchsorted(frames, np.arange(count))
    place = np.arange(len(frames)) - starts[frames]
    padded = np.zeros((count, int(place.max(initial=0)) + 1, rows.shape[1] + 1))
    padded[frames, place, :-1], padded[frames, place, -1] = rows[order], errors[order]
    products = np.swapaxes(padded[..., :-1], -1, -2) @ padded
    return products[..., :-1], products[..., -1]


_NEAR_DAMPING, _LEAST_DAMPING = 0.1, 0.01
_NEAR = 0.15  # metres: a pair of parts farther apart does not come to overlap by the solve


def _near_pairs(problem: PairProblem, x: np.ndarray) -> tuple[PartPairs, np.ndarray] | None:
    """Pairs of parts that come near each other, and the distances (T, N) that they may come to."""
    bodies = problem.bodies([m.at(v) for m, v in zip(problem.models, x, strict=True)])
    pairs = coming_near(PartPairs.all_pairs(), bodies, _NEAR)
    near = clearance(pairs, bodies).distance.min(axis=0, initial=np.inf) < _NEAR
    if not near.any():
        return None
    pairs = pairs.kept(near)
    allowed = np.minimum(problem.scale * clearance(pairs, problem.sources).distance, 0.0)
    if problem.allowance is not None:
        allowed[:, pairs.across] = -problem.allowance
    return pairs, allowed


# Shares of the body's mass above the legs (Winter, Biomechanics and Motor Control, 2009, table 4.1).
_MASS = {"hip": 0.071, "shoulder": 0.107, "elbow": 0.028, "wrist": 0.022, "head": 0.081}


def _mass_weights() -> np.ndarray:
    out = np.zeros(len(POINTS))
    for name, mass in _MASS.items():
        for label in ("head",) if name == "head" else (f"l_{name}", f"r_{name}"):
            out[POINTS.index(label)] += mass
    return out / out.sum()


_MASS_WEIGHTS = _mass_weights()
