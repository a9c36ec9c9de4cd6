# SPDX-License-Identifier: GPL-3.0-or-later
"""Both people solved together, over all frames: a nonlinear least squares by damped Gauss–Newton.

Terms, each squared and weighed: contact errors; how far each number is from the transferred pose; its
acceleration; limbs beyond their reach; parts that overlap more than in the take; the centre of mass leaving
its place over the feet. Feet are not among the unknowns: they stay where they are planted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .body import Body
from .clearance import PartPairs, clearance
from .parts import ENDS, POINTS, STARTS
from .pose_model import COLLAR, LEAN, SHIFT, VARIABLES, WRIST, PoseModel
from .smooth_system import second_difference_energy, solve_smooth
from .tracks import ContactTrack


@dataclass(frozen=True)
class SolverWeights:
    """Lengths count as shares of the arm's length, angles as radians.

    wrist, collar, shift, lift, lean: unwillingness to move a wrist from its shoulder, a shoulder on its
    clavicle, the pelvis sideways, the pelvis up or down, and to bend the trunk. contact, reach, overlap,
    balance: weights of the other terms. leader: how many times more unwilling the leading person is.
    arm_time, trunk_time: seconds in which a correction comes and goes. damping: of the first step, in
    unwillingnesses. tolerance: share of the cost by which a round must better it; rounds: at most so many.
    """

    wrist: float = 1.0
    collar: float = 3.0
    shift: float = 2.0
    lift: float = 2.5
    lean: float = 1.2
    contact: float = 100.0
    reach: float = 100.0
    overlap: float = 40.0
    balance: float = 1.0
    leader: float = 6.0
    arm_time: float = 0.12
    trunk_time: float = 0.25
    damping: float = 1.0
    tolerance: float = 1e-3
    rounds: int = 12

    def unwillingness(self, arm_length: float) -> np.ndarray:
        """Weights (18,) of the variables, before squaring."""
        out = np.zeros(VARIABLES)
        out[SHIFT] = np.array([self.shift, self.lift, self.shift]) / arm_length
        out[LEAN] = self.lean
        for side in ("l", "r"):
            out[COLLAR[side]] = self.collar / arm_length
            out[WRIST[side]] = self.wrist / arm_length
        return out

    def times(self) -> np.ndarray:
        """Seconds (18,) in which each variable comes and goes."""
        out = np.full(VARIABLES, self.arm_time)
        out[SHIFT] = out[LEAN] = self.trunk_time
        return out


@dataclass
class PairProblem:
    """models, sources (bodies of the take), radii (of the targets' parts): for A and B. scale: of the pair.
    leads: "share", "A" or "B". frozen: flags (18,) for A and B of variables that stay zero."""

    models: tuple[PoseModel, PoseModel]
    sources: tuple[Body, Body]
    radii: tuple[np.ndarray, np.ndarray]
    tracks: list[ContactTrack]
    scale: float
    fps: float
    leads: str = "share"
    keep_apart: bool = True
    frozen: tuple[np.ndarray, ...] = ()
    weights: SolverWeights = field(default_factory=SolverWeights)

    def bodies(self, points: list[np.ndarray]) -> tuple[Body, Body]:
        """The targets' bodies at these points."""
        a, b = (s.on(p, r) for s, p, r in zip(self.sources, points, self.radii, strict=True))
        return a, b


def solve_pair(problem: PairProblem) -> np.ndarray:
    """Variables (2, T, 18) of both people; zero where nothing has to be mended.

    Levenberg–Marquardt: a step that makes things worse is taken back and tried again, damped.
    """
    w, models = problem.weights, problem.models
    frames = models[0].frames
    stiff = np.concatenate([w.unwillingness(m.arm_length) for m in models])
    for k, name in enumerate(("A", "B")):
        if problem.leads == name:
            stiff[k * VARIABLES : (k + 1) * VARIABLES] *= w.leader
    for k, flags in enumerate(problem.frozen):
        stiff[k * VARIABLES : (k + 1) * VARIABLES][flags] *= 1e4
    smooth = stiff**2 * (np.tile(w.times(), 2) * problem.fps) ** 4
    pairs = _near_pairs(problem) if problem.keep_apart else None
    diagonal = np.arange(2 * VARIABLES)
    best, lowest, damping = np.zeros((frames, 2 * VARIABLES)), np.inf, w.damping
    system, x = None, best
    for _ in range(w.rounds):
        trial = _equations(problem, x, pairs)
        bend = second_difference_energy(x, smooth)
        cost = trial.cost + 0.5 * float(np.sum(x * (stiff**2 * x + bend)))
        if cost < lowest:
            done = lowest - cost < w.tolerance * cost or cost < 1e-9
            best, lowest, system = x, cost, trial
            damping = max(damping / 4, 1e-3)
            if done:
                break
        else:
            damping *= 10
        assert system is not None
        blocks = system.blocks.copy()
        blocks[:, diagonal, diagonal] += (1 + damping) * stiff**2
        gradient = system.gradient + stiff**2 * best + second_difference_energy(best, smooth)
        x = best + solve_smooth(blocks, -gradient, (1 + damping) * smooth)
    return np.stack(np.split(best, 2, axis=-1))


def _equations(
    problem: PairProblem, x: np.ndarray, pairs: tuple[PartPairs, np.ndarray] | None
) -> _NormalEquations:
    """All terms but stiffness and smoothness, at x (T, 36)."""
    system = _NormalEquations(len(x))
    halves = np.split(x, 2, axis=-1)
    points = [m.at(v) for m, v in zip(problem.models, halves, strict=True)]
    slopes = [m.derivative(v, p) for m, v, p in zip(problem.models, halves, points, strict=True)]
    bodies = problem.bodies(points)
    _add_contacts(system, problem, bodies, slopes)
    _add_reach(system, problem, points, slopes)
    _add_balance(system, problem, points, slopes)
    if pairs is not None:
        _add_overlaps(system, problem, bodies, slopes, *pairs)
    return system


class _NormalEquations:
    """blocks (T, 36, 36), gradient (T, 36) and value of half the sum of squares."""

    def __init__(self, frames: int) -> None:
        self.blocks = np.zeros((frames, 2 * VARIABLES, 2 * VARIABLES))
        self.gradient = np.zeros((frames, 2 * VARIABLES))
        self.cost = 0.0

    def add(self, rows: np.ndarray, error: np.ndarray, weight: np.ndarray, frames: np.ndarray) -> None:
        """Rows (N, R, 36) of derivatives with errors (N, R) and weights (N,) at frames (N,), each once."""
        weighed = rows * (weight**2)[:, None, None]
        self.blocks[frames] += np.swapaxes(weighed, -1, -2) @ rows
        self.gradient[frames] += (np.swapaxes(weighed, -1, -2) @ error[..., None])[..., 0]
        self.cost += 0.5 * float(np.sum(weight[:, None] ** 2 * error**2))


def _rows(frames: np.ndarray, parts: list[tuple[int, float, np.ndarray, np.ndarray]]) -> np.ndarray:
    """Derivatives (N, 3, 36) of Σ sign · (weights (N, 18) of one person's points)."""
    out = np.zeros((len(frames), 3, 2 * VARIABLES))
    for owner, sign, weights, slopes in parts:
        mine = np.einsum("np,npcv->ncv", weights, slopes[frames], optimize=True)
        out[..., owner * VARIABLES : (owner + 1) * VARIABLES] += sign * mine
    return out


def _add_contacts(system, problem: PairProblem, bodies: tuple[Body, Body], slopes: list[np.ndarray]) -> None:
    for track in problem.tracks:
        frames = np.flatnonzero(track.active)
        error = track.error(bodies, problem.scale)[frames]
        sides = [
            (owner, sign, track.weights(k)[frames], slopes[owner])
            for k, (owner, sign) in enumerate(zip(track.owners, (-1.0, 1.0), strict=True))
        ]
        arm = 0.5 * (problem.models[0].arm_length + problem.models[1].arm_length)
        weight = np.full(len(frames), problem.weights.contact * track.strength / arm)
        rows = _rows(frames, sides)
        if not track.has_hand:
            normal = track.normal(bodies)[frames]
            rows = np.einsum("nc,ncv->nv", normal, rows)[:, None]
            error = np.sum(error * normal, axis=-1, keepdims=True)
        system.add(rows, error, weight, frames)


def _add_reach(system, problem: PairProblem, points: list[np.ndarray], slopes: list[np.ndarray]) -> None:
    for owner, model in enumerate(problem.models):
        limbs = [("shoulder", "wrist", s, *model.arm_reach[s]) for s in ("l", "r")]
        limbs += [("hip", "ankle", s, None, reach) for s, reach in model.leg_reach.items()]
        for first, last, side, shortest, longest in limbs:
            i, j = POINTS.index(f"{side}_{first}"), POINTS.index(f"{side}_{last}")
            span = points[owner][:, j] - points[owner][:, i]
            length = np.linalg.norm(span, axis=-1)
            error = np.maximum(length - longest, 0.0)
            if shortest is not None:
                error = error + np.minimum(length - shortest, 0.0)
            frames = np.flatnonzero(np.abs(error) > 1e-6)
            if len(frames) == 0:
                continue
            direction = (span / np.maximum(length, 1e-9)[:, None])[frames]
            rows = np.zeros((len(frames), 1, 2 * VARIABLES))
            slope = slopes[owner][frames, j] - slopes[owner][frames, i]
            rows[:, 0, owner * VARIABLES : (owner + 1) * VARIABLES] = np.einsum(
                "nc,ncv->nv", direction, slope
            )
            weight = np.full(len(frames), problem.weights.reach / model.arm_length)
            system.add(rows, error[frames, None], weight, frames)


# Shares of the body's mass above the legs (Winter, Biomechanics and Motor Control, 2009, table 4.1).
_MASS = {"hip": 0.071, "shoulder": 0.107, "elbow": 0.028, "wrist": 0.022, "head": 0.081}


def _mass_weights() -> np.ndarray:
    out = np.zeros(len(POINTS))
    for name, mass in _MASS.items():
        for label in ("head",) if name == "head" else (f"l_{name}", f"r_{name}"):
            out[POINTS.index(label)] += mass
    return out / out.sum()


def _add_balance(system, problem: PairProblem, points: list[np.ndarray], slopes: list[np.ndarray]) -> None:
    mass = _mass_weights()
    for owner, model in enumerate(problem.models):
        frames = np.arange(model.frames)
        moved = np.einsum("p,tpc->tc", mass, points[owner] - model.points)[:, [0, 2]]
        weights = np.broadcast_to(mass, (model.frames, len(mass)))
        rows = _rows(frames, [(owner, 1.0, weights, slopes[owner])])[:, [0, 2]]
        weight = np.full(model.frames, problem.weights.balance / model.arm_length)
        system.add(rows, moved, weight, frames)


def _near_pairs(problem: PairProblem) -> tuple[PartPairs, np.ndarray] | None:
    """Pairs of parts that come near each other, and the distances (T, N) that they may come to."""
    pairs = PartPairs.all_pairs()
    now = clearance(pairs, problem.bodies([m.points for m in problem.models])).distance
    near = now.min(axis=0) < 0.15
    if not near.any():
        return None
    pairs = pairs.kept(near)
    taken = clearance(pairs, problem.sources).distance
    return pairs, np.minimum(problem.scale * taken, 0.0)


def _add_overlaps(
    system,
    problem: PairProblem,
    bodies: tuple[Body, Body],
    slopes: list[np.ndarray],
    pairs: PartPairs,
    allowed: np.ndarray,
) -> None:
    now = clearance(pairs, bodies)
    deep = allowed - now.distance
    weight = problem.weights.overlap / problem.models[0].arm_length
    for n in np.flatnonzero((deep > 1e-5).any(axis=0)):
        frames = np.flatnonzero(deep[:, n] > 1e-5)
        sides = []
        for owner, part, along, sign in (
            (pairs.owner_first[n], pairs.first[n], now.along_first, -1.0),
            (pairs.owner_second[n], pairs.second[n], now.along_second, 1.0),
        ):
            share = along[frames, n][:, None]
            weights = (1 - share) * STARTS[part] + share * ENDS[part]
            sides.append((int(owner), sign, weights, slopes[owner]))
        rows = np.einsum("nc,ncv->nv", now.normal[frames, n], _rows(frames, sides))[:, None]
        system.add(rows, -deep[frames, n, None], np.full(len(frames), weight), frames)
