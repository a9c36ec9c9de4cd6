# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the parts of Inter-X lie on disk, and the motion of one name as SMPL-X parameters."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import DataError

if TYPE_CHECKING:
    import h5py

H5_FPS = 30.0
"""The published HDF5 files hold every 4th frame of the recording already."""
RECORDED_FPS = 120.0
"""… which P1.npz and P2.npz hold whole."""
ROWS = 56
_PEOPLE = ("P1.npz", "P2.npz")
_H5_FOLDERS = (".", "motions", "h5", "processed", "processed/motions")
_TEXT_FOLDERS = (
    "texts_processed",
    "processed/texts_processed",
    "texts",
    "text2motion/texts_processed",
    "text2motion",
)
_SPLIT_FOLDERS = ("splits", "split", "datasets", "processed/splits", ".")


@dataclass
class Pose:
    """SMPL-X parameters of two people: rotations (2, T, 55, 3) axis-angle, local (joint 0: global),
    translation (2, T, 3) metres, fps; betas and gender of each person where the files say them."""

    rotations: np.ndarray
    translation: np.ndarray
    fps: float
    betas: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
    gender: tuple[str, str] = ("neutral", "neutral")


@dataclass(frozen=True)
class Layout:
    """What there is: HDF5 files, or else the folder with a folder for each motion; texts; splits; order.

    order: by name, 0 where the first person acts and 1 where the second does.
    """

    h5_files: tuple[Path, ...]
    motion_folder: Path | None
    texts: Path | None
    splits: dict[str, str] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)


def layout_of(path: Path) -> Layout | None:
    """The parts of an Inter-X folder or .h5 file, None where `path` is no such thing."""
    if path.is_file():
        if path.suffix.lower() not in (".h5", ".hdf5", ".hh5"):
            return None
        root = path.parent.parent if path.parent.name in ("motions", "h5") else path.parent
        files: tuple[Path, ...] = (path,)
        folder = None
    else:
        root = path
        found = (sorted((path / f).glob("*.h5")) for f in _H5_FOLDERS)
        # Files such as train_global.h5 hold other numbers, derived by other projects.
        files = tuple(
            dict.fromkeys(file for some in found for file in some if not file.stem.endswith("_global"))
        )
        folder = next((f for f in (path / "motions", path) if _has_motion_folders(f)), None)
        if not files and folder is None:
            return None
    texts = next((root / name for name in _TEXT_FOLDERS if any((root / name).glob("G*.txt"))), None)
    return Layout(files, None if files else folder, texts, _splits(root, files), _order(root))


def names_of(layout: Layout) -> list[str]:
    """The names of all motions."""
    if layout.motion_folder is not None:
        return sorted(
            f.name for f in layout.motion_folder.iterdir() if any((f / p).is_file() for p in _PEOPLE)
        )
    found: set[str] = set()
    for file in layout.h5_files:
        with open_h5(file) as data:
            found.update(data.keys())
    return sorted(found)


def read_npz_pose(folder: Path, fps: float) -> Pose | str:
    """The pose of P1.npz and P2.npz in `folder`, or why there is none."""
    people = []
    for person in _PEOPLE:
        if not (folder / person).is_file():
            return f"one person missing: there is no {folder.name}/{person}"
        with np.load(folder / person, allow_pickle=False) as data:
            people.append(_npz_person(data))
    lengths = [len(p["translation"]) for p in people]
    if lengths[0] != lengths[1]:
        return f"unequal length: {lengths[0]} and {lengths[1]} frames"
    return Pose(
        np.stack([p["rotations"] for p in people]),
        np.stack([p["translation"] for p in people]),
        fps,
        (people[0]["betas"], people[1]["betas"]),
        (people[0]["gender"], people[1]["gender"]),
    )


def read_h5_pose(file: h5py.File, name: str, fps: float) -> Pose | str:
    """The pose of one HDF5 data set (T, 56, 6), person 1 in [..., :3], or why there is none.

    A data set's attribute `fps`, where there is one, goes before the argument.
    """
    dataset: Any = file[name]
    shape = getattr(dataset, "shape", None)
    if shape is not None and len(shape) == 3 and shape[1:] == (ROWS, 3):
        return "one person missing: the data set holds 3 numbers a joint, two people have 6"
    if shape is None or len(shape) != 3 or shape[1:] != (ROWS, 6):
        return f"its shape is {shape}, not (frames, {ROWS}, 6)"
    data = np.asarray(dataset[:], dtype=np.float64)
    both = np.stack([data[..., :3], data[..., 3:]])
    return Pose(both[:, :, :55], both[:, :, 55], float(dataset.attrs.get("fps", fps)))


@contextmanager
def open_h5(file: Path) -> Iterator[h5py.File]:
    """An HDF5 file to read. Raises DataError where h5py is missing or the file is damaged."""
    try:
        import h5py
    except ImportError as error:
        raise DataError(
            f'{file}: HDF5 needs h5py; install it with: pip install "intermoe-blender[train]"'
        ) from error
    try:
        data = h5py.File(file, "r")
    except OSError as error:
        raise DataError(f"{file}: not a readable HDF5 file ({error}); copy it again") from error
    with data:
        yield data


def captions_of(layout: Layout, name: str) -> tuple[str, ...]:
    """The captions of a motion; the word lists behind the first # of the processed files are left out."""
    if layout.texts is None or not (layout.texts / f"{name}.txt").is_file():
        return ()
    text = (layout.texts / f"{name}.txt").read_text(encoding="utf-8", errors="replace")
    captions = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return tuple(caption for caption in captions if caption)


def _npz_person(data: Any) -> dict[str, Any]:
    frames = len(data["trans"])
    part = lambda key, joints: np.asarray(data[key], dtype=np.float64).reshape(frames, joints, 3)
    face = np.zeros((frames, 3, 3))
    rotations = [
        part("root_orient", 1),
        part("pose_body", 21),
        face,
        part("pose_lhand", 15),
        part("pose_rhand", 15),
    ]
    return {
        "rotations": np.concatenate(rotations, axis=1),
        "translation": np.asarray(data["trans"], dtype=np.float64),
        "betas": np.asarray(data["betas"], dtype=np.float64).reshape(-1) if "betas" in data else None,
        "gender": str(data["gender"]) if "gender" in data else "neutral",
    }


def _has_motion_folders(folder: Path) -> bool:
    return folder.is_dir() and any(any((f / p).is_file() for p in _PEOPLE) for f in folder.glob("G*T*A*R*"))


def _splits(root: Path, h5_files: tuple[Path, ...]) -> dict[str, str]:
    splits: dict[str, str] = {}
    for split in ("train", "val", "test"):
        for folder in _SPLIT_FOLDERS:
            file = root / folder / f"{split}.txt"
            if file.is_file():
                words = file.read_text(encoding="utf-8", errors="replace").split()
                splits |= dict.fromkeys(words, split)
                break
        for file in h5_files:
            if file.stem == split:
                with open_h5(file) as data:
                    splits |= dict.fromkeys(data.keys(), split)
    return splits


def _order(root: Path) -> dict[str, int]:
    """Who acts, from annots/interaction_order.pkl or the same as .json."""
    for folder in ("annots", "."):
        file = root / folder / "interaction_order.json"
        if file.is_file():
            try:
                return {str(k): int(v) for k, v in json.loads(file.read_text(encoding="utf-8")).items()}
            except (ValueError, AttributeError, TypeError) as error:
                raise DataError(f"{file}: not a table of names and 0 or 1 ({error}); correct it") from error
        file = file.with_suffix(".pkl")
        if file.is_file():
            try:
                with file.open("rb") as stream:
                    table = _PlainUnpickler(stream).load()
                return {str(k): int(v) for k, v in table.items()}
            except (pickle.UnpicklingError, EOFError, AttributeError, TypeError, ValueError) as error:
                raise DataError(
                    f"{file}: not a plain table of names and 0 or 1 ({error}); write it anew as "
                    "interaction_order.json"
                ) from error
    return {}


class _PlainUnpickler(pickle.Unpickler):
    """Reads tables, texts and numbers, and refuses anything that names code to run."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is not read")
