# SPDX-License-Identifier: GPL-3.0-or-later
"""InterHuman as its authors publish it (Liang et al., InterGen, 2023).

    motions_processed/person1/NAME.npy, person2/NAME.npy   492 columns a frame, 30 frames a second, z up
    split/train.txt, val.txt, test.txt                     names, one a line (also directly in the folder)
    annots/NAME.txt                                        captions, one a line
    ignore_list.txt                                        names to leave out

The columns are the positions of 62 joints and then the local rotations of 51 joints, 6D: the first two
columns of the matrix, row by row. SMPL's 22 joints and 21 rotations are used. The root's rotation is not
stored: it is solved from the positions, together with each person's rest offsets. The positions stay as
given, and both people keep one floor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from intermoe_engine.rotations import matrix_to_quat, sixd_to_matrix

from ..checks import Rejected
from ..floor import on_floor
from ..pair_clip import PairClip
from ..root_fit import fit_root_and_offsets
from . import LoaderOptions

SOURCE = "interhuman"
FPS = 30.0
COLUMNS = 492
POSITIONS = slice(0, 66)
ROTATIONS = slice(186, 312)
Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""The matrix that turns the files' z up into y up."""
AGREEMENT = 0.05
"""Metres on average by which posed joints may miss the given ones before the rotations count as misread."""


GIVEN = 1e-3
"""Metres that posed joints may miss the given ones before the given positions are kept beside the bones."""


class NotFinite(ValueError):
    """Numbers that are NaN or infinite among those that are used."""


def find(path: Path) -> bool:
    """Whether `path` is an InterHuman folder."""
    return (path / "motions_processed" / "person1").is_dir()


def names(path: Path, options: LoaderOptions | None = None) -> list[str]:
    """Every motion that either person has a file for, without those on the ignore list."""
    folders = [path / "motions_processed" / person for person in ("person1", "person2")]
    found = {file.stem for folder in folders for file in folder.glob("*.npy")}
    return sorted(found - set(_lines(path / "ignore_list.txt")))


def clips(path: Path, options: LoaderOptions) -> Iterator[PairClip | Rejected]:
    """Every motion as a clip, given positions and all, or why it cannot be one."""
    splits = split_of(path)
    for name in names(path):
        if options.wants(name):
            yield _clip(path, name, splits.get(name, ""))


def split_of(path: Path) -> dict[str, str]:
    """The split of each name, from split/*.txt or from the lists in the folder itself."""
    splits: dict[str, str] = {}
    for split in ("train", "val", "test"):
        for file in (path / "split" / f"{split}.txt", path / f"{split}.txt"):
            splits |= dict.fromkeys(_lines(file), split)
    return splits


def _clip(path: Path, name: str, split: str) -> PairClip | Rejected:
    people = []
    for person in ("person1", "person2"):
        file = path / "motions_processed" / person / f"{name}.npy"
        if not file.is_file():
            return Rejected(name, f"one person missing: there is no {person}/{name}.npy", SOURCE)
        try:
            people.append(_read(file))
        except NotFinite as error:
            return Rejected(name, f"NaN: {person}/{name}.npy {error}", SOURCE)
        except (OSError, ValueError, EOFError) as error:
            return Rejected(name, f"{person}/{name}.npy: {' '.join(str(error).split())}", SOURCE)
    lengths = [len(positions) for positions, _ in people]
    if lengths[0] != lengths[1]:
        return Rejected(name, f"unequal length: {lengths[0]} and {lengths[1]} frames", SOURCE)
    positions = np.stack([p for p, _ in people])
    body = np.stack([r for _, r in people])
    if not lengths[0]:
        return Rejected(name, "too short: 0 frames", SOURCE)
    fits = [fit_root_and_offsets(positions[p], body[p]) for p in (0, 1)]
    clip = PairClip(
        name,
        FPS,
        positions[:, :, 0],
        np.stack([np.concatenate([fits[p][0][:, None], body[p]], axis=1) for p in (0, 1)]),
        np.stack([offsets for _, offsets in fits]),
        ("", ""),
        captions=tuple(_lines(path / "annots" / f"{name}.txt")),
        split=split,
        source=SOURCE,
    )
    miss = np.linalg.norm(clip.posed_positions() - positions, axis=-1)
    if miss.mean() > AGREEMENT:
        return Rejected(
            name,
            f"rotations and positions disagree by {100 * miss.mean():.0f} cm: the 6D numbers are not the "
            "first two columns row by row",
            SOURCE,
        )
    # The positions stay as given; where the bones reach them to the millimetre, the bones say it all.
    clip = on_floor(replace(clip, given_positions=positions))
    return clip if miss.max() > GIVEN else replace(clip, given_positions=None)


def _read(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Positions (T, 22, 3), y up, and body rotations (T, 21, 4)."""
    data = np.load(file, allow_pickle=False)
    if data.ndim != 2 or data.shape[1] != COLUMNS:
        raise ValueError(f"its shape is {data.shape}, not (frames, {COLUMNS})")
    data = data.astype(np.float64)
    frames = len(data)
    for columns in (POSITIONS, ROTATIONS):
        if not np.isfinite(data[:, columns]).all():
            raise NotFinite(
                f"holds {int((~np.isfinite(data[:, columns])).sum())} numbers that are not finite"
            )
    positions = data[:, POSITIONS].reshape(frames, 22, 3) @ Y_UP.T
    rotations = matrix_to_quat(sixd_to_matrix(data[:, ROTATIONS].reshape(frames, 21, 6)))
    return positions, rotations


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8", errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]
