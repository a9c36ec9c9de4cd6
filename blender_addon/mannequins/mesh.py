# SPDX-License-Identifier: GPL-3.0-or-later
"""From the shape of a mannequin to a skinned mesh in numpy: a smooth inner body, shells over it, hands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .flesh import body_capsules, hand_capsules, joint_gaps
from .primitives import Capsule, Disc
from .shape import FINGERS, Build, landmarks
from .surface_nets import snap_to_surface, surface_nets

SHELL, JOINT, VISOR = 0, 1, 2
"""Material numbers of the faces."""

_SHELL_THICKNESS = 0.006
_SOFTNESS = 0.012  # metres over which a bone's hold fades into its neighbour's
_INFLUENCES = 4
_EDGE = 0.016  # roundness of the shells' rims; sharper ones would need a finer grid
_FLOOR = Disc(np.array([0.0, 0.0, -0.5]), np.array([0.0, 0.0, 1.0]), 0.5, 0.9)  # flat soles at z = 0

PARENT_PART = {
    "pelvis": None,
    "spine1": "pelvis",
    "spine2": "spine1",
    "spine3": "spine2",
    "neck": "spine3",
    "neck2": "neck",
    "head": "neck2",
}
for _s in ("l_", "r_"):
    _chain = ("spine3", _s + "clavicle", _s + "upper_arm", _s + "forearm", _s + "hand")
    PARENT_PART.update(zip(_chain[1:], _chain[:-1], strict=True))
    _chain = ("pelvis", _s + "thigh", _s + "shin", _s + "foot", _s + "toe")
    PARENT_PART.update(zip(_chain[1:], _chain[:-1], strict=True))
    for _f in FINGERS:
        _chain = (_s + "hand", *(f"{_s}{_f}{_i}" for _i in (1, 2, 3)))
        PARENT_PART.update(zip(_chain[1:], _chain[:-1], strict=True))
PARTS = tuple(PARENT_PART)
"""The roles of bones, parents before children."""


@dataclass
class SkinnedMesh:
    """vertices (V, 3) metres in Blender's axes, quads (F, 4), materials (F,), and for each vertex up to
    four parts (V, 4, numbers into PARTS) with weights (V, 4) that sum to one."""

    vertices: np.ndarray
    quads: np.ndarray
    materials: np.ndarray
    parts: np.ndarray
    weights: np.ndarray


def build_mesh(build: Build, spacing: float = 0.015, hand_spacing: float = 0.007) -> SkinnedMesh:
    """The whole mannequin at rest, standing on z = 0."""
    points = landmarks(build)
    body = body_capsules(build, points)
    hands = {side: hand_capsules(build, points, side) for side in ("l_", "r_")}
    everything = body + hands["l_"] + hands["r_"]
    gaps: list[Disc | Capsule] = [*joint_gaps(build, points), _FLOOR]

    grid, origin = _sample(body, spacing)
    shell_grid = _carve(grid - _SHELL_THICKNESS, gaps, origin, spacing)
    inner_grid = _carve(grid, [_FLOOR], origin, spacing)
    inner = _surface(lambda p: _open(union(body, p), [_FLOOR], p), inner_grid, origin, spacing)
    shell = _surface(lambda p: shells(body, gaps, p), shell_grid, origin, spacing)
    pieces = [(*_without_hidden(inner, shells(body, gaps, inner[0])), JOINT), (*shell, SHELL)]
    for side in ("l_", "r_"):
        hand_grid, hand_origin = _sample(hands[side], hand_spacing)
        caps = hands[side]
        pieces.append((*_surface(lambda p, c=caps: union(c, p), hand_grid, hand_origin, hand_spacing), SHELL))

    box = _visor(build).bounds(0.02)
    _, lens_points = _window((2**10,) * 3, box[0], hand_spacing, box)
    lens = lambda p: _lens(build, body, p)
    pieces.append((*_surface(lens, lens(lens_points), box[0], hand_spacing), VISOR))

    vertices, quads, materials, weights = [], [], [], []
    start = 0
    for v, q, material in pieces:
        vertices.append(v)
        quads.append(q + start)
        materials.append(np.full(len(q), material))
        weights.append(_smooth(part_weights(everything, v), q))
        start += len(v)
    parts, values = _strongest(np.concatenate(weights))
    return SkinnedMesh(
        np.concatenate(vertices), np.concatenate(quads), np.concatenate(materials), parts, values
    )


def union(capsules: Sequence[Capsule], points: np.ndarray) -> np.ndarray:
    """Signed distance (...) of points (..., 3) to all capsules, blended softly in their order."""
    distance = np.full(points.shape[:-1], 1.0)
    for capsule in capsules:
        distance = _soft_min(distance, capsule.distance(points), capsule.blend)
    return distance


def shells(capsules: Sequence[Capsule], gaps: Sequence[Disc | Capsule], points: np.ndarray) -> np.ndarray:
    """Signed distance of points (..., 3) to the shells: the body made thicker, open at the gaps."""
    return _open(union(capsules, points) - _SHELL_THICKNESS, gaps, points)


def part_weights(capsules: list[Capsule], points: np.ndarray) -> np.ndarray:
    """(V, P) shares of the parts at points (V, 3): by distance, among the nearest part and its neighbours."""
    distance = np.full((len(points), len(PARTS)), np.inf)
    for capsule in capsules:
        column = PARTS.index(capsule.part)
        distance[:, column] = np.minimum(distance[:, column], capsule.distance(points))
    nearest = distance.argmin(axis=1)
    near = _neighbours()[nearest]
    gap = np.where(near, distance - distance.min(axis=1, keepdims=True), np.inf)
    fine = np.array([part[2:].rstrip("123") in FINGERS for part in PARTS])
    weights = np.exp(-gap / np.where(fine, _SOFTNESS / 4, _SOFTNESS))
    return weights / weights.sum(axis=1, keepdims=True)


def _visor(build: Build) -> Capsule:
    h = build.height
    at = lambda x, y, z: np.array([x, y, z]) * h
    return Capsule("head", at(-0.024, -0.053, 0.950), at(0.024, -0.053, 0.950), 0.0165 * h, 0.0165 * h)


def _open(distance: np.ndarray, gaps: Sequence[Disc | Capsule], points: np.ndarray) -> np.ndarray:
    for gap in gaps:
        distance = -_soft_min(-distance, gap.distance(points), _EDGE)
    return distance


def _lens(build: Build, body: Sequence[Capsule], points: np.ndarray) -> np.ndarray:
    """The visor: what a capsule cuts out of a head slightly thicker than its shell."""
    head = union([c for c in body if c.part == "head"], points) - _SHELL_THICKNESS - 0.0025
    return -_soft_min(-head, -_visor(build).distance(points), 0.005)


def _soft_min(a: np.ndarray, b: np.ndarray, k: float) -> np.ndarray:
    near = np.maximum(k - np.abs(a - b), 0.0)
    return np.minimum(a, b) - near * near / (4 * k)


def _sample(capsules: list[Capsule], spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """The union on a grid; each capsule is evaluated only around itself. Returns (values, origin)."""
    margin = 0.05
    boxes = [c.bounds(margin) for c in capsules]
    origin = np.min([b[0] for b in boxes], axis=0) - spacing
    size = np.ceil((np.max([b[1] for b in boxes], axis=0) - origin) / spacing).astype(int) + 2
    values = np.full(size, margin)
    for capsule, box in zip(capsules, boxes, strict=True):
        window, points = _window(values.shape, origin, spacing, box)
        values[window] = _soft_min(values[window], capsule.distance(points), capsule.blend)
    return values, origin


def _carve(
    values: np.ndarray, gaps: Sequence[Disc | Capsule], origin: np.ndarray, spacing: float
) -> np.ndarray:
    carved = values.copy()
    for gap in gaps:
        if isinstance(gap, Disc):
            box = (gap.centre - gap.radius - 0.02, gap.centre + gap.radius + 0.02)
        else:
            box = gap.bounds(0.02)
        window, points = _window(values.shape, origin, spacing, box)
        carved[window] = -_soft_min(-carved[window], gap.distance(points), _EDGE)
    return carved


def _window(
    shape: tuple[int, ...], origin: np.ndarray, spacing: float, box: tuple[np.ndarray, np.ndarray]
) -> tuple[tuple[slice, ...], np.ndarray]:
    low = np.clip(np.floor((box[0] - origin) / spacing).astype(int), 0, shape)
    high = np.clip(np.ceil((box[1] - origin) / spacing).astype(int) + 1, 0, shape)
    axes = [origin[i] + spacing * np.arange(low[i], high[i]) for i in range(3)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True)), points


def _surface(
    field: Callable[[np.ndarray], np.ndarray], values: np.ndarray, origin: np.ndarray, spacing: float
) -> tuple[np.ndarray, np.ndarray]:
    vertices, quads = surface_nets(values, origin, spacing)
    vertices = snap_to_surface(field, _relax(vertices, quads), steps=2)
    return vertices, quads


def _relax(vertices: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Each vertex at the mean of its neighbours, for even quads; it goes back to the surface afterwards."""
    return 0.4 * vertices + 0.6 * _neighbour_mean(vertices, quads)


def _neighbour_mean(values: np.ndarray, quads: np.ndarray) -> np.ndarray:
    a = quads.ravel()
    b = np.roll(quads, -1, axis=1).ravel()
    count = np.bincount(a, minlength=len(values)) + np.bincount(b, minlength=len(values))
    total = np.empty_like(values)
    for column in range(values.shape[1]):
        total[:, column] = np.bincount(a, values[b, column], len(values)) + np.bincount(
            b, values[a, column], len(values)
        )
    return total / np.maximum(count, 1)[:, None]


def _without_hidden(
    mesh: tuple[np.ndarray, np.ndarray], shell_distance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The inner body without the faces that lie well under a shell."""
    vertices, quads = mesh
    quads = quads[(shell_distance[quads] > -0.7 * _SHELL_THICKNESS).any(axis=1)]
    used, quads = np.unique(quads, return_inverse=True)
    return vertices[used], quads.reshape(-1, 4)


def _neighbours() -> np.ndarray:
    """(P, P) true for a part itself, its parent and its children."""
    near = np.eye(len(PARTS), dtype=bool)
    for part, parent in PARENT_PART.items():
        if parent is not None:
            i, j = PARTS.index(part), PARTS.index(parent)
            near[i, j] = near[j, i] = True
    return near


def _smooth(weights: np.ndarray, quads: np.ndarray, rounds: int = 3) -> np.ndarray:
    for _ in range(rounds):
        weights = 0.5 * weights + 0.5 * _neighbour_mean(weights, quads)
    return weights


def _strongest(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    parts = np.argsort(-weights, axis=1)[:, :_INFLUENCES]
    values = np.take_along_axis(weights, parts, axis=1)
    values = np.where(values < 0.01, 0.0, values)
    return parts, values / values.sum(axis=1, keepdims=True)
