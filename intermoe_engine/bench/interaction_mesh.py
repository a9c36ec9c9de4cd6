# SPDX-License-Identifier: GPL-3.0-or-later
"""An interaction mesh to compare with: both bodies deformed together as one mesh that spans them.

Ho, Komura and Tai, "Spatial relationship preserving character motion adaptation", ACM TOG 29(4), 2010: the
points of both people are joined by a Delaunay tetrahedralisation in each frame of the take; on the targets
each point's place among its neighbours (its Laplacian coordinate) is kept as well as bones of other lengths
allow, with smooth corrections. Bones come to their new lengths in steps. As in this project's solver, ankles
and toes stand where the feet were planted. It knows no contacts and no surfaces.
"""

from __future__ import annotations

import numpy as np

from ..retarget.touch.parts import POINTS
from ..retarget.touch.smooth_system import second_difference_energy, solve_smooth

STEPS, SETTLING = 4, 16
"""Rounds in which the bones come to their lengths, and rounds after that."""
_LENGTH, _FOOT = 40.0, 40.0
"""Weights of bone lengths and feet against that of the Laplacian coordinates, before squaring."""
_SMOOTH, _TIME = 0.1, 0.12
"""Weight of a correction's acceleration, and seconds in which it comes and goes: the pair solver's arms'."""
_DAMPING, _LEAST_DAMPING = 2000.0, 0.01
_LIMBS = (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "tip"))
_TRUNK = ("l_hip", "r_hip", "l_shoulder", "r_shoulder")
_HELD = [POINTS.index(f"{s}_{n}") for s in ("l", "r") for n in ("ankle", "toe")]


def bones() -> np.ndarray:
    """Pairs (E, 2) of points of one body that keep their distance: limbs, and trunk and head as one piece
    in each frame."""
    pairs = [(f"{s}_{a}", f"{s}_{b}") for s in ("l", "r") for a, b in _LIMBS]
    pairs += [(a, b) for i, a in enumerate(_TRUNK) for b in _TRUNK[i + 1 :]]
    pairs += [(end, name) for end in ("head", "crown") for name in ("l_shoulder", "r_shoulder", "l_hip")]
    pairs.append(("head", "crown"))
    return np.array([[POINTS.index(a), POINTS.index(b)] for a, b in pairs])


def laplacian(points: np.ndarray) -> np.ndarray:
    """Operators (T, N, N) that give Laplacian coordinates of points (T, N, 3) in each frame: a point minus
    the mean of its neighbours in the Delaunay mesh, each weighed by one over its distance. Needs scipy."""
    from scipy.spatial import Delaunay

    frames, count = points.shape[:2]
    joined = np.zeros((frames, count, count), dtype=bool)
    for t in range(frames):  # each frame has a mesh of its own
        corners = Delaunay(points[t], qhull_options="QJ").simplices
        for i in range(4):
            for j in range(4):
                joined[t, corners[:, i], corners[:, j]] = True
    distance = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    weights = np.where(joined & (distance > 0), 1.0 / np.maximum(distance, 1e-3), 0.0)
    weights[:, np.arange(count), np.arange(count)] = 0.0
    return np.eye(count) - weights / weights.sum(axis=-1, keepdims=True)


def deformed(taken: np.ndarray, placed: np.ndarray, scale: float, fps: float) -> np.ndarray:
    """Both targets' points (2, T, 18, 3), metres.

    taken (2, T, 18, 3): of the take. placed (2, T, 18, 3): of the targets, each alone with planted feet; says
    how long bones are and where feet stand. scale: of the pair.
    """
    people, frames, count = taken.shape[:3]
    model = np.moveaxis(scale * taken, 0, 1).reshape(frames, people * count, 3)
    target = np.moveaxis(placed, 0, 1).reshape(frames, people * count, 3)
    operators = laplacian(model)
    wanted = operators @ model
    pairs = np.concatenate([bones() + k * count for k in range(people)])
    held = np.concatenate([np.array(_HELD) + k * count for k in range(people)])
    length = lambda p: np.linalg.norm(p[:, pairs[:, 1]] - p[:, pairs[:, 0]], axis=-1)
    from_length, to_length = length(model), length(target)
    size = model.shape[1]
    base = np.einsum("tij,tik->tjk", operators, operators)
    blocks = np.einsum("tij,ab->tiajb", base, np.eye(3)).reshape(frames, 3 * size, 3 * size)
    feet = (3 * held[:, None] + np.arange(3)).ravel()
    blocks[:, feet, feet] += _FOOT**2
    diagonal = np.arange(3 * size)
    smooth = np.full(3 * size, _SMOOTH * (_TIME * fps) ** 4)
    best = x = model.copy()
    lowest, damping = np.inf, _DAMPING
    matrix, right = blocks, np.zeros((frames, 3 * size))
    for step in range(STEPS + SETTLING):
        share = min((step + 1) / STEPS, 1.0)
        span = x[:, pairs[:, 1]] - x[:, pairs[:, 0]]
        now = np.maximum(np.linalg.norm(span, axis=-1), 1e-9)
        goal = _LENGTH * ((1 - share) * from_length + share * to_length - now)
        away = wanted - operators @ x
        stand = _FOOT * ((1 - share) * model[:, held] + share * target[:, held] - x[:, held])
        moved = (x - model).reshape(frames, -1)
        bend = second_difference_energy(moved, smooth)
        cost = 0.5 * float(sum(np.sum(e**2) for e in (away, goal, stand)) + np.sum(moved * bend))
        if cost < lowest or step < STEPS:  # the goal moves on until the bones have their lengths
            damping = max(damping / 3, _LEAST_DAMPING)
            best, lowest = x, cost
            rows = np.zeros((frames, len(pairs), size, 3))
            order, along = np.arange(len(pairs)), span / now[..., None]
            rows[:, order, pairs[:, 1]], rows[:, order, pairs[:, 0]] = along, -along
            rows = _LENGTH * rows.reshape(frames, len(pairs), 3 * size)
            across = np.swapaxes(rows, -1, -2)
            matrix = blocks + across @ rows
            right = np.einsum("tji,tjc->tic", operators, away).reshape(frames, -1)
            right[:, feet] += _FOOT * stand.reshape(frames, -1)
            right += (across @ goal[..., None])[..., 0] - bend
        else:
            damping *= 8
        damped = matrix.copy()
        damped[:, diagonal, diagonal] += damping
        x = best + solve_smooth(damped, right, smooth).reshape(x.shape)
    return np.moveaxis(best.reshape(frames, people, count, 3), 1, 0)
