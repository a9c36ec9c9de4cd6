# SPDX-License-Identifier: GPL-3.0-or-later
"""How motion is laid out for training: which number of a frame is what, for either skeleton.

A store keeps `stored` numbers per person and frame, of which the model reads the first `size`. InterHuman's
layout is stored with the root's rotation behind it even where the model does not read it: the loss needs it
to pose the decoded rotations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from intermoe_engine.representation import INTERHUMAN_ROOT, features_from_motion, foot_contacts
from intermoe_engine.skeleton import CONTACT_JOINTS, SMPL22

from .data.interx_features import interx_features
from .data.pair_clip import PairClip
from .data.smplx_bodies import SMPLX_PARENTS, generic_body
from .kinematics import forward_joints, matrices_from_rows, matrices_from_sixd

_COLUMNS_MIRROR = (1.0, -1.0, -1.0, 1.0, -1.0, 1.0)
_ROWS_MIRROR = (1.0, -1.0, -1.0, -1.0, 1.0, 1.0)
_STILL_SQUARED_STEP = 0.001
_NEAR_FLOOR = 0.05


@dataclass(frozen=True, eq=False)
class MotionLayout:
    """Columns of one person's frame.

    positions, velocities (J, 3) and sixd (J, 6) are column numbers, sixd[0] the root's global rotation;
    contacts: column numbers of the four flags, or empty. sixd_of_rows: the six numbers are a rotation's first
    two rows, as in Inter-X, not its columns. canonical_turn: windows are turned so that person A faces +z.
    origin: where person A's root is in a window's first frame; None: at x = z = 0, heights as they are.
    shared_statistics: every joint is normalised by the same numbers.
    """

    name: str
    size: int
    stored: int
    parents: tuple[int, ...]
    mirror: tuple[int, ...]
    positions: np.ndarray
    velocities: np.ndarray
    sixd: np.ndarray
    contacts: tuple[int, ...]
    sixd_of_rows: bool
    canonical_turn: bool
    origin: tuple[float, float, float] | None
    shared_statistics: bool

    @property
    def joints(self) -> int:
        return len(self.parents)

    def joint_positions(self, features: Tensor) -> Tensor:
        """(..., stored or size) -> (..., J, 3)."""
        return by_joint(features, self.positions)

    def posed(self, features: Tensor, offsets: Tensor) -> Tensor:
        """Joints (..., J, 3) relative to the root by forward kinematics of stored features (..., stored)."""
        sixd = by_joint(features, self.sixd)
        matrices = matrices_from_rows(sixd) if self.sixd_of_rows else matrices_from_sixd(sixd)
        return forward_joints(matrices, offsets, self.parents)

    def planted(self, features: Tensor) -> Tensor:
        """Whether each of the feet 7, 10, 8, 11 stands: (..., T, stored) -> (..., T, 4) bool.

        Read from the flags; without flags, and so without a floor, a foot stands that is still and within
        5 cm of the lowest that either foot comes.
        """
        if self.contacts:
            return features[..., list(self.contacts)] > 0.5
        feet = self.joint_positions(features)[..., list(CONTACT_JOINTS), :]
        velocities = by_joint(features, self.velocities)[..., list(CONTACT_JOINTS), :]
        height = feet[..., 1]
        low = height < height.amin(dim=(-2, -1), keepdim=True) + _NEAR_FLOOR
        return low & (velocities.square().sum(-1) < _STILL_SQUARED_STEP)

    def mirrored(self, features: Tensor) -> Tensor:
        """Features (..., stored) of the motion in a mirror at x = 0; exact."""
        columns, signs = self._mirror_columns
        return features.index_select(-1, columns) * signs

    @cached_property
    def _mirror_columns(self) -> tuple[Tensor, Tensor]:
        columns, signs = np.arange(self.stored), np.ones(self.stored)
        swap = list(self.mirror)
        for table, sign in (
            (self.positions, (-1.0, 1.0, 1.0)),
            (self.velocities, (-1.0, 1.0, 1.0)),
            (self.sixd, _ROWS_MIRROR if self.sixd_of_rows else _COLUMNS_MIRROR),
        ):
            columns[table] = table[swap]
            signs[table] = sign
        if self.contacts:
            flags = np.array(self.contacts)
            columns[flags] = flags[[2, 3, 0, 1]]
        return torch.from_numpy(columns), torch.from_numpy(signs.astype(np.float32))

    def canonical(self, windows: Tensor, reference: Tensor | None = None) -> Tensor:
        """Windows (B, 2, T, stored) in the frame of person A at frame 0 of `reference` (default: itself).

        reference is (B, 2, >= 1, stored): give frames that come before, to get windows from the middle of a
        longer canonical motion. One rigid transform moves both people.
        """
        first = (windows if reference is None else reference)[:, 0, 0]
        joints = self.joint_positions(first)
        out = windows.clone()
        cos, sin = torch.ones(len(first)), torch.zeros(len(first))
        if self.canonical_turn:
            across = joints[:, 2] - joints[:, 1]
            # forward = up × across = (across.z, 0, −across.x); turn it onto +z about y.
            angle = -torch.atan2(across[:, 2], -across[:, 0])
            cos, sin = angle.cos(), angle.sin()
            self._turn(out, cos, sin)
        x, y, z = joints[:, 0].unbind(-1)
        shift = torch.stack([-(cos * x + sin * z), torch.zeros_like(y), -(-sin * x + cos * z)], dim=-1)
        if self.origin is not None:
            shift = shift - torch.stack([torch.zeros_like(y), y, torch.zeros_like(y)], dim=-1)
            shift = shift + torch.tensor(self.origin)
        by_joint(out, self.positions).add_(shift[:, None, None, None])
        return out

    def _turn(self, windows: Tensor, cos: Tensor, sin: Tensor) -> None:
        """Turn about the vertical, in place, by angles with these (B,) cos and sin."""
        root = by_joint(windows, self.sixd[:1]).unflatten(-1, (3, 2))
        pairs = [(root[..., 0, :], root[..., 2, :])]  # its two columns, stored row by row, turn as vectors do
        for table in (self.positions, self.velocities):
            vectors = by_joint(windows, table)
            pairs.append((vectors[..., 0], vectors[..., 2]))
        for x, z in pairs:
            c, s = (value.reshape(-1, *[1] * (x.ndim - 1)) for value in (cos, sin))
            turned = c * x + s * z, c * z - s * x
            x.copy_(turned[0])
            z.copy_(turned[1])

    def features(self, clip: PairClip) -> np.ndarray:
        """What is stored of a clip, in the clip's own frame: (2, T, stored) float32."""
        if self.joints == len(SMPL22):
            positions = clip.positions()
            contacts = foot_contacts(positions, clip.fps)
            return features_from_motion(positions, clip.joint_rotations, contacts, INTERHUMAN_ROOT)
        return interx_features(clip).reshape(2, clip.frames, self.stored)

    def offsets(self, clip: PairClip) -> np.ndarray:
        """Rest offsets (2, J, 3) of the clip's people in metres."""
        if self.joints == len(SMPL22):
            return np.array(clip.rest_offsets)
        body = generic_body()
        return np.stack([body.with_person(person).offsets for person in clip.rest_offsets])


def by_joint(features: Tensor, table: np.ndarray) -> Tensor:
    """Features (..., F) by a table of columns (J, K): (..., J, K), a view where the table is regular."""
    joints, width = table.shape
    first = int(table[0, 0])
    stride = int(table[1, 0]) - first if joints > 1 else width
    regular = first + stride * np.arange(joints)[:, None] + np.arange(width)
    if not np.array_equal(table, regular):
        return features[..., table.reshape(-1)].unflatten(-1, (joints, width))
    if stride == width:
        return features[..., first : first + joints * width].unflatten(-1, (joints, width))
    return features[..., : joints * stride].unflatten(-1, (joints, stride))[..., first : first + width]


def _interhuman(name: str, size: int) -> MotionLayout:
    body = 132 + np.arange(126).reshape(21, 6)
    return MotionLayout(
        name=name,
        size=size,
        stored=268,
        parents=tuple(int(p) for p in SMPL22.parents),
        mirror=tuple(int(m) for m in SMPL22.mirror),
        positions=np.arange(66).reshape(22, 3),
        velocities=66 + np.arange(66).reshape(22, 3),
        sixd=np.concatenate([np.arange(262, 268)[None], body]),
        contacts=(258, 259, 260, 261),
        sixd_of_rows=False,
        canonical_turn=True,
        origin=None,
        shared_statistics=False,
    )


def _interx() -> MotionLayout:
    columns = np.arange(660).reshape(55, 12)
    body = [int(m) for m in SMPL22.mirror]
    x, y, z = (float(v) for v in generic_body().pelvis)
    return MotionLayout(
        name="interx",
        size=660,
        stored=660,
        parents=tuple(int(p) for p in SMPLX_PARENTS),
        mirror=(*body, 22, 24, 23, *range(40, 55), *range(25, 40)),
        positions=columns[:, 0:3],
        velocities=columns[:, 3:6],
        sixd=columns[:, 6:12],
        contacts=(),
        sixd_of_rows=True,
        canonical_turn=False,
        origin=(x, y, z),
        shared_statistics=True,
    )


LAYOUTS = {
    "interhuman": _interhuman("interhuman", 262),
    "interhuman+root": _interhuman("interhuman+root", 268),
    "interx": _interx(),
}
"""By the name of `ModelConfig.feature_layout`."""
