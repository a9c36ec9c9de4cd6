# SPDX-License-Identifier: GPL-3.0-or-later
"""Inter-X as its authors publish it (Xu et al., CVPR 2024): SMPL-X axis-angle with hands.

    motions/train.h5, val.h5, test.h5 (or one .h5 file)   NAME → (T, 56, 6) float32, every 4th frame of 120
    motions/NAME/P1.npz, P2.npz                           the recording at 120 fps, with body shapes
    texts_processed/NAME.txt or texts/NAME.txt            `caption#word/POS …#0.0#0.0`, one a line
    splits/train.txt, val.txt, test.txt                   names, one a line
    annots/interaction_order.pkl (or .json)               0: the first person acts, 1: the second

Rows of a motion: the root's global rotation, 21 body joints, jaw and two eyes (zeros), 15 joints of the left
hand and 15 of the right, translation; person 1 in the first three numbers, person 2 in the last. y is up.
The HDF5 files put each person on the floor separately and on a body of neutral shape: a lift is kept only in
the recordings. Where no SMPL-X model files are given, the people get the project's generic body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from intermoe_engine.rotations import quat_continuous, quat_exp

from ..checks import DataError, Rejected
from ..floor import on_floor
from ..pair_clip import PairClip
from ..smplx_bodies import SmplxBody, generic_body, smplx_body
from . import LoaderOptions
from .interx_files import (
    H5_FPS,
    RECORDED_FPS,
    Layout,
    Pose,
    captions_of,
    layout_of,
    names_of,
    open_h5,
    read_h5_pose,
    read_npz_pose,
)

SOURCE = "interx"
_ROLES = {0: ("actor", "reactor"), 1: ("reactor", "actor")}


def find(path: Path) -> bool:
    """Whether `path` is an Inter-X folder or an .h5 file."""
    return layout_of(path) is not None


def names(path: Path, options: LoaderOptions | None = None) -> list[str]:
    """The names of all motions."""
    return names_of(_layout(path))


def clips(path: Path, options: LoaderOptions) -> Iterator[PairClip | Rejected]:
    """Every motion as a clip at `options.fps`, or why it cannot be one.

    `options.source_fps` overrides the files' usual frame rate (30 for HDF5, 120 for recordings).
    """
    layout = _layout(path)
    folder = layout.motion_folder
    if folder is not None:
        fps = options.source_fps or RECORDED_FPS
        for name in filter(options.wants, names_of(layout)):
            yield _clip(layout, name, partial(read_npz_pose, folder / name, fps), options)
        return
    fps = options.source_fps or H5_FPS
    seen: set[str] = set()
    for file in layout.h5_files:
        with open_h5(file) as data:
            for name in sorted(set(data.keys()) - seen):
                seen.add(name)
                if options.wants(name):
                    yield _clip(layout, name, partial(read_h5_pose, data, name, fps), options)


def _clip(
    layout: Layout, name: str, read: Callable[[], Pose | str], options: LoaderOptions
) -> PairClip | Rejected:
    try:
        pose = read()
    except (OSError, ValueError, KeyError, EOFError, AttributeError) as error:
        return Rejected(name, f"it cannot be read: {' '.join(str(error).split())}", SOURCE)
    if isinstance(pose, str):
        return Rejected(name, pose, SOURCE)
    bad = [p + 1 for p in (0, 1) if not (_finite(pose.rotations[p]) and _finite(pose.translation[p]))]
    if bad:
        return Rejected(name, f"NaN: numbers of person {bad[0]} are not finite", SOURCE)
    if not len(pose.translation[0]):
        return Rejected(name, "too short: 0 frames", SOURCE)
    return _posed(pose, layout, name, options)


def _posed(pose: Pose, layout: Layout, name: str, options: LoaderOptions) -> PairClip:
    step = round(pose.fps / options.fps)
    if step > 1 and abs(step * options.fps - pose.fps) < 1e-6:
        pose.rotations, pose.translation = pose.rotations[:, ::step], pose.translation[:, ::step]
        pose.fps = options.fps
    bodies = [_body(options.body_models, pose.gender[p], _key(pose.betas[p])) for p in (0, 1)]
    local = quat_continuous(quat_exp(pose.rotations), axis=1)
    clip = PairClip(
        name,
        pose.fps,
        pose.translation + np.stack([body.pelvis for body in bodies])[:, None],
        local[:, :, :22],
        np.stack([body.offsets[:22] for body in bodies]),
        _ROLES.get(layout.order.get(name, -1), ("", "")),
        captions=captions_of(layout, name),
        split=layout.splits.get(name, ""),
        source=SOURCE,
        hands=local[:, :, 25:55],
    )
    return on_floor(clip.resampled(options.fps))


def _layout(path: Path) -> Layout:
    layout = layout_of(path)
    if layout is None:
        raise DataError(f"{path}: no Inter-X data here; name the folder with motions/, or an .h5 file")
    return layout


def _key(betas: np.ndarray | None) -> tuple[float, ...] | None:
    return None if betas is None else tuple(float(b) for b in betas)


@lru_cache(maxsize=256)
def _body(models: Path | None, gender: str, betas: tuple[float, ...] | None) -> SmplxBody:
    """A person's body; reading a model takes seconds, and a person has many clips."""
    if models is None:
        return generic_body()
    return smplx_body(models, gender, None if betas is None else np.array(betas))


def _finite(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all())
