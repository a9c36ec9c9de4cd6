# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact sheets: takes on pairs of rigs as capsules, from two angles, beside the take itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import replacing
from ..errors import EngineError
from ..retarget import retarget_pair
from ..retarget.source import SourceActor
from ..retarget.touch.body import girths, source_points
from ..retarget.touch.parts import ENDS, STARTS
from ..take import Take
from .rigs import built_rigs
from .takes import SCRIPTED, salsa

PAIRS = (("1.0 A-pose", "0.6"), ("long arms", "short legs"), ("wide", "0.8"))
"""Three very different pairs."""
_MOMENTS = 4
_VIEWS = {"from the side": ((2, 1), 0), "from the front": ((0, 1), 2)}
_COLOURS = ("tab:orange", "tab:blue")


def draw_sheets(folder: Path, with_salsa: bool = True) -> list[Path]:
    """One PNG for each of handshake, hug and salsa: rows are the take and PAIRS, columns moments of contact
    in two views. Raises EngineError without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        raise EngineError("contact sheets need matplotlib; run: pip install matplotlib")
    takes = [SCRIPTED[name]().take for name in ("handshake", "hug")]
    takes += salsa(seconds=6.0)[:1] if with_salsa else []
    folder.mkdir(parents=True, exist_ok=True)
    return [_sheet(take, folder / f"{take.prompt.replace(' ', '_')}.png") for take in takes]


def _sheet(take: Take, path: Path) -> Path:
    import matplotlib  # pyright: ignore[reportMissingImports]

    matplotlib.use("Agg")
    from matplotlib import pyplot  # pyright: ignore[reportMissingImports]

    rigs = built_rigs()
    sources = [SourceActor.from_motion(motion) for motion in take.actors]
    rows = [("take", np.stack([source_points(source) for source in sources]))]
    contacts = []
    for a, b in PAIRS:
        result = retarget_pair(take, rigs[a], rigs[b])
        contacts = result.contacts.between_people()
        rows.append((f"{a} + {b}", result.points))
    moments = _moments(contacts, take)
    figure, axes = pyplot.subplots(
        len(rows), 2 * len(moments), figsize=(2.6 * 2 * len(moments), 3.0 * len(rows)), squeeze=False
    )
    for row, (label, points) in enumerate(rows):
        radii = [girths(person) for person in points]
        low, high = points.min(axis=(0, 1, 2)) - 0.15, points.max(axis=(0, 1, 2)) + 0.15
        for column, frame in enumerate(moments):
            for view, (title, (plane, depth)) in enumerate(_VIEWS.items()):
                axis = axes[row, column + view * len(moments)]
                _draw(axis, points[:, frame], radii, plane, depth)
                axis.set_xlim(low[plane[0]], high[plane[0]])
                axis.set_ylim(-0.05, high[1])
                axis.set_aspect("equal")
                axis.set_xticks([])
                axis.set_yticks([])
                axis.set_title(f"{label}, {frame / take.fps:.1f} s\n{title}", fontsize=8)
    figure.suptitle(take.prompt)
    figure.tight_layout()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=70, format="png")
    pyplot.close(figure)
    return path


def _moments(contacts: list, take: Take) -> list[int]:
    """Frames to show: the middles of the longest contacts between people, in order."""
    longest = sorted(contacts, key=lambda c: c.start - c.end)
    frames: list[int] = []
    for contact in longest:
        for share in (0.5, 0.0, 1.0):
            frame = round((contact.start + share * (contact.end - contact.start)) * take.fps)
            frame = int(np.clip(frame, 0, take.frames - 1))
            if all(abs(frame - other) > 0.15 * take.fps for other in frames):
                frames.append(frame)
    spare = [int(f) for f in np.linspace(0, take.frames - 1, _MOMENTS)]
    return sorted((frames or spare)[:_MOMENTS])


def _draw(axis: Any, points: np.ndarray, radii: list[np.ndarray], plane: tuple[int, int], depth: int) -> None:
    """Capsules of both people in one frame, points (2, 18, 3), the nearer ones over the farther."""
    from matplotlib.collections import PolyCollection  # pyright: ignore[reportMissingImports]

    outlines, colours, depths = [], [], []
    for person, colour, radius in zip(points, _COLOURS, radii, strict=True):
        for start, end, r in zip(STARTS @ person, ENDS @ person, radius, strict=True):
            outlines.append(_outline(start[list(plane)], end[list(plane)], float(r)))
            colours.append(colour)
            depths.append(-(start + end)[depth])
    order = np.argsort(depths)[::-1]
    axis.add_collection(
        PolyCollection(
            [outlines[i] for i in order],
            facecolors=[colours[i] for i in order],
            edgecolors="k",
            linewidths=0.4,
            alpha=0.75,
        )
    )


def _outline(a: np.ndarray, b: np.ndarray, radius: float) -> np.ndarray:
    """Outline (N, 2) of a capsule seen from the side."""
    along = b - a
    angle = np.arctan2(along[1], along[0])
    turn = np.linspace(-np.pi / 2, np.pi / 2, 9)
    round_b = b + radius * np.stack([np.cos(angle + turn), np.sin(angle + turn)], axis=-1)
    round_a = a - radius * np.stack([np.cos(angle + turn), np.sin(angle + turn)], axis=-1)
    return np.concatenate([round_b, round_a])
