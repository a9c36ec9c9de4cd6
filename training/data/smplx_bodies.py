# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the 55 joints of an SMPL-X body lie at rest: from the user's model files, or a generic adult's.

The model files (SMPLX_NEUTRAL.npz, …) are free for research after registration at smpl-x.is.tue.mpg.de and
may not be passed on, so none comes with this project. The smplx package reads them.
"""

from __future__ import annotations

import importlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from intermoe_engine.kinematics import rest_positions
from intermoe_engine.skeleton import SMPL22

from .checks import DataError

JOINTS = 55
GENDERS = ("neutral", "female", "male")
_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
_WRISTS = (20, 21)
_HEAD = 15

SMPLX_PARENTS = np.concatenate(
    [
        SMPL22.parents,
        [_HEAD] * 3,
        *[
            [wrist if bone == 0 else 25 + 15 * hand + 3 * finger + bone - 1]
            for hand, wrist in enumerate(_WRISTS)
            for finger in range(5)
            for bone in range(3)
        ],
    ]
).astype(int)
"""Parents (55,): SMPL's 22 joints, jaw, two eyes, and three joints for each of five fingers of each hand."""

# Metres from the joint before, of the left hand in a T-pose (arm along +x, palm down, thumb to the front);
# first bones from the wrist. Proportions of an adult's hand.
_LEFT_HAND = {
    "index": ((0.100, -0.008, 0.022), (0.032, 0.001, 0.002), (0.023, -0.001, 0.001)),
    "middle": ((0.106, -0.005, -0.002), (0.032, 0.000, -0.002), (0.025, -0.001, -0.002)),
    "pinky": ((0.083, -0.011, -0.043), (0.016, 0.000, -0.008), (0.016, -0.001, -0.006)),
    "ring": ((0.094, -0.007, -0.024), (0.029, 0.000, -0.006), (0.024, -0.001, -0.004)),
    "thumb": ((0.038, -0.015, 0.030), (0.021, -0.002, 0.022), (0.026, -0.005, 0.016)),
}
_FACE = ((0.0, -0.005, 0.020), (0.032, 0.045, 0.065), (-0.032, 0.045, 0.065))


@dataclass(frozen=True)
class SmplxBody:
    """A body at rest: offsets (55, 3) from each joint's parent, and pelvis (3,), the pelvis in the model's
    own origin, in metres, y up. SMPL-X's translation moves that origin, not the pelvis."""

    offsets: np.ndarray
    pelvis: np.ndarray

    def with_person(self, rest_offsets: np.ndarray) -> SmplxBody:
        """This body with the 22 body joints' offsets (22, 3) of a clip's person."""
        return SmplxBody(np.concatenate([rest_offsets, self.offsets[22:]]), self.pelvis)


def generic_body() -> SmplxBody:
    """The project's generic adult with hands, for those who have no model files."""
    left = np.array([bone for finger in _FINGERS for bone in _LEFT_HAND[finger]])
    offsets = np.concatenate([SMPL22.offsets, _FACE, left, left * [-1.0, 1.0, 1.0]])
    # SMPL-X's origin lies between the shoulders, about 35 cm above the pelvis.
    return SmplxBody(offsets, np.array([0.0, -0.35, 0.01]))


def smplx_body(folder: Path, gender: str = "neutral", betas: np.ndarray | None = None) -> SmplxBody:
    """A body from SMPL-X model files: `folder` holds SMPLX_NEUTRAL.npz etc., directly or in smplx/.

    betas (N,): shape coefficients, zeros if None. Only .npz files are read (the .pkl ones can run code).
    Raises DataError where the file or the smplx package is missing.
    """
    gender = gender.lower() if gender.lower() in GENDERS else "neutral"
    file = _model_file(folder, gender)
    try:
        import torch

        lbs: Any = importlib.import_module("smplx.lbs")  # its annotations name a Tensor of its own
    except ImportError as error:
        raise DataError(
            f"SMPL-X bodies need the smplx package ({error}); install it with: "
            'pip install "intermoe-blender[train]"'
        ) from error
    template, shapes, regressor = (torch.from_numpy(a) for a in _read_model(file))
    # Behind the shape coefficients lie the expression's: 300 and 100, or 10 and 10 in the small files.
    given = np.zeros(0) if betas is None else np.asarray(betas, dtype=np.float64).reshape(-1)
    given = given[: 300 if shapes.shape[-1] >= 400 else 10]
    shaped = template[None]
    if given.size:
        shaped = shaped + lbs.blend_shapes(torch.from_numpy(given)[None], shapes[..., : given.size])
    rest = lbs.vertices2joints(regressor, shaped)[0, :JOINTS].numpy()
    offsets = rest - rest[SMPLX_PARENTS]
    offsets[0] = 0.0
    return SmplxBody(offsets, rest[0])


def rest_joints(body: SmplxBody) -> np.ndarray:
    """Joint positions (55, 3) at rest, in the model's own origin."""
    return rest_positions(SMPLX_PARENTS, body.offsets) + body.pelvis


def _read_model(file: Path) -> list[np.ndarray]:
    """Template (V, 3), shape directions (V, 3, N) and joint regressor (55, V) of a model file.

    Only these are unpacked, and without pickle: smplx's own loading would run what a file tells it to.
    """
    try:
        with np.load(file, allow_pickle=False) as data:
            arrays = [data[key].astype(np.float64) for key in ("v_template", "shapedirs", "J_regressor")]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        told = " ".join(str(error).split())
        raise DataError(f"{file}: not a readable SMPL-X model ({told}); download it again") from error
    template, shapes, regressor = arrays
    vertices = len(template)
    if (
        template.shape != (vertices, 3)
        or shapes.shape[:2] != (vertices, 3)
        or regressor.shape != (JOINTS, vertices)
    ):
        raise DataError(
            f"{file}: not an SMPL-X model of {JOINTS} joints; name the folder with SMPL-X's files"
        )
    return arrays


def _model_file(folder: Path, gender: str) -> Path:
    name = f"SMPLX_{gender.upper()}.npz"
    for file in (folder / name, folder / "smplx" / name, folder / "models" / "smplx" / name):
        if file.is_file():
            return file
    if folder.is_file() and folder.suffix == ".npz":
        return folder
    raise DataError(
        f"{folder}: no {name} there; download the SMPL-X models from smpl-x.is.tue.mpg.de, or leave "
        "--body-models away to use a generic body"
    )
