# SPDX-License-Identifier: GPL-3.0-or-later
"""The joint tree that the model moves: SMPL's 22 body joints in a T-pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Skeleton:
    """A joint tree at rest.

    names: one for each joint, parents before children. parents (J,): -1 for the root. offsets (J, 3):
    metres from the parent at rest, in canonical space (y up, facing +z, the left side at +x). mirror
    (J,): the index of the joint on the other side, or the joint's own.
    """

    names: tuple[str, ...]
    parents: np.ndarray
    offsets: np.ndarray
    mirror: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """The number of the joint called `name` (ValueError if there is none)."""
        return self.names.index(name)

    def with_offsets(self, offsets: np.ndarray) -> Skeleton:
        """The same tree with other rest offsets (J, 3)."""
        return Skeleton(self.names, self.parents, np.asarray(offsets, dtype=float), self.mirror)

    def to_dict(self) -> dict:
        """Plain lists, as written into a bundle's card."""
        return {
            "names": list(self.names),
            "parents": [int(p) for p in self.parents],
            "offsets": np.round(self.offsets, 6).tolist(),
            "mirror": [int(m) for m in self.mirror],
        }

    @staticmethod
    def from_dict(data: dict) -> Skeleton:
        """The inverse of to_dict."""
        return Skeleton(
            tuple(data["names"]),
            np.array(data["parents"], dtype=int),
            np.array(data["offsets"], dtype=float),
            np.array(data["mirror"], dtype=int),
        )


def _mirror_by_name(names: tuple[str, ...]) -> np.ndarray:
    swap = {"l": "r", "r": "l"}
    other = [swap[n[0]] + n[1:] if n[:2] in ("l_", "r_") else n for n in names]
    return np.array([names.index(n) for n in other])


# name, parent, offset from the parent for an adult of about 1.75 m (left side; the right is mirrored)
_SMPL22 = (
    ("pelvis", None, (0.0, 0.0, 0.0)),
    ("l_hip", "pelvis", (0.075, -0.085, -0.005)),
    ("r_hip", "pelvis", None),
    ("spine1", "pelvis", (0.0, 0.115, -0.025)),
    ("l_knee", "l_hip", (0.025, -0.390, 0.0)),
    ("r_knee", "r_hip", None),
    ("spine2", "spine1", (0.0, 0.135, 0.010)),
    ("l_ankle", "l_knee", (-0.010, -0.415, -0.030)),
    ("r_ankle", "r_knee", None),
    ("spine3", "spine2", (0.0, 0.060, 0.010)),
    ("l_foot", "l_ankle", (0.025, -0.060, 0.130)),
    ("r_foot", "r_ankle", None),
    ("neck", "spine3", (0.0, 0.215, -0.040)),
    ("l_collar", "spine3", (0.075, 0.120, -0.025)),
    ("r_collar", "spine3", None),
    ("head", "neck", (0.0, 0.090, 0.045)),
    ("l_shoulder", "l_collar", (0.115, 0.035, -0.010)),
    ("r_shoulder", "r_collar", None),
    ("l_elbow", "l_shoulder", (0.260, -0.010, -0.015)),
    ("r_elbow", "r_shoulder", None),
    ("l_wrist", "l_elbow", (0.255, 0.005, 0.0)),
    ("r_wrist", "r_elbow", None),
)


def _smpl22() -> Skeleton:
    names = tuple(row[0] for row in _SMPL22)
    parents = np.array([-1 if row[1] is None else names.index(row[1]) for row in _SMPL22])
    mirror = _mirror_by_name(names)
    offsets = np.zeros((len(names), 3))
    for i, (_, _, offset) in enumerate(_SMPL22):
        left = offset if offset is not None else _SMPL22[mirror[i]][2]
        offsets[i] = left if offset is not None else (-left[0], left[1], left[2])
    return Skeleton(names, parents, offsets, mirror)


SMPL22 = _smpl22()
"""SMPL's joints 0..21 with the rest offsets of a generic adult. The order is the published one."""

L_ANKLE, R_ANKLE, L_FOOT, R_FOOT = 7, 8, 10, 11
CONTACT_JOINTS = (L_ANKLE, L_FOOT, R_ANKLE, R_FOOT)
"""The joints of the four contact flags, in the order of the features."""
