# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes with the sheets: one overview picture, and a page that names sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from intermoe_engine.atomic import replacing

from .phrasings import Phrasing

COLUMNS = 2
_DPI = 100
_TITLE_PIXELS = 22


@dataclass(frozen=True)
class Sheet:
    """A rendered interaction. strip: (H, W, 3) uint8, top row first, its moments side by side."""

    phrasing: Phrasing
    file: str
    strip: np.ndarray
    seconds: dict[str, float]


def strip_of(pictures: Sequence[np.ndarray], factor: int = 3) -> np.ndarray:
    """Square pictures (S, S, 4), 0..1, bottom row first -> (S / factor, N S / factor, 3) uint8, top first."""
    row = np.concatenate([picture[::-1, :, :3] for picture in pictures], axis=1)
    height, width = (size // factor * factor for size in row.shape[:2])
    blocks = row[:height, :width].reshape(height // factor, factor, width // factor, factor, 3)
    return np.round(blocks.mean(axis=(1, 3)) * 255).astype(np.uint8)


def draw_index(path: Path, sheets: Sequence[Sheet], columns: int = COLUMNS) -> Path:
    """All strips with their names on one JPEG. Raises ValueError without sheets, OSError."""
    if not sheets:
        raise ValueError("there is nothing to draw")
    height, width = sheets[0].strip.shape[:2]
    columns = min(columns, len(sheets))
    rows = -(-len(sheets) // columns)
    cell = height + _TITLE_PIXELS
    figure = Figure(figsize=(columns * width / _DPI, rows * cell / _DPI), dpi=_DPI)
    for k, sheet in enumerate(sheets):
        column, row = divmod(k, rows)
        box = (column / columns, 1.0 - (row + 1) * cell / (rows * cell), 1 / columns, height / (rows * cell))
        axes = figure.add_axes(box)
        axes.imshow(sheet.strip, aspect="auto", interpolation="nearest")
        axes.axis("off")
        title = f"{sheet.phrasing.name.replace('_', ' ')}: {sheet.phrasing.prompt}"
        axes.set_title(title[:110], fontsize=7, loc="left", pad=3, x=0.005)
    with replacing(path) as temporary, temporary.open("wb") as file:
        FigureCanvasAgg(figure).print_jpg(file, pil_kwargs={"quality": 80})
    return path


def write_page(path: Path, sheets: Sequence[Sheet], title: str, command: str) -> Path:
    """A Markdown page beside the sheets: the command, then each sentence with its sheet."""
    lines = [f"# {title}", "", f"Made by `{command}`.", "", "![All](index.jpg)", ""]
    for sheet in sheets:
        phrasing = sheet.phrasing
        told = "held out" if phrasing.held_out else "an example of the bundle's card"
        lines += [
            f"**{phrasing.name.replace('_', ' ')}**: “{phrasing.prompt}” ({told})",
            "",
            f"![{phrasing.name}]({sheet.file})",
            "",
        ]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")
    return path
