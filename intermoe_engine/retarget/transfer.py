# SPDX-License-Identifier: GPL-3.0-or-later
"""Source rotations for every mapped bone, spine and neck spread over as many bones as there are."""

from __future__ import annotations

import numpy as np

from ..rotations import quat_slerp, quat_to_matrix
from ..skeleton import SMPL22
from .mapping import BoneMapping

_CHAINS = {"spine": ("pelvis", "spine1", "spine2", "spine3"), "neck": ("spine3", "neck")}


def bone_rotations(mapping: BoneMapping, quaternions: np.ndarray) -> dict[str, np.ndarray]:
    """For each mapped bone the source rotation since the T-pose that it follows, (T, 4) canonical.

    quaternions: (T, 22, 4) global. The k-th of n spine bones takes the rotation found k/n of the way along
    the source's spine, so that the last one carries the shoulders as the source's chest does.
    """
    out: dict[str, np.ndarray] = {}
    for row in mapping.body_rows:
        if row.joint in _CHAINS:
            chain = [SMPL22.index(name) for name in _CHAINS[row.joint]]
            for k, bone in enumerate(row.bones, start=1):
                place = k * (len(chain) - 1) / len(row.bones)
                low = min(int(np.floor(place + 1e-9)), len(chain) - 2)
                a, b = quaternions[:, chain[low]], quaternions[:, chain[low + 1]]
                out[bone] = quat_slerp(a, b, np.full(len(a), place - low))
        else:
            joint = SMPL22.index("pelvis" if row.joint == "root" else row.joint)
            for bone in row.bones:
                out[bone] = quaternions[:, joint]
    return out


def transferred(
    mapping: BoneMapping, quaternions: np.ndarray, aligned: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Bone rotations (T, 3, 3) in canonical world space; `aligned` comes from `alignment.alignments`."""
    followed = bone_rotations(mapping, quaternions)
    return {bone: quat_to_matrix(q) @ aligned[bone] for bone, q in followed.items()}
