# SPDX-License-Identifier: GPL-3.0-or-later
"""Forward kinematics in torch, for losses. The numpy twin is intermoe_engine.kinematics."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from intermoe_engine.skeleton import SMPL22

_SMPL_PARENTS = tuple(int(parent) for parent in SMPL22.parents)


def matrices_from_sixd(sixd: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of 6D numbers in InterHuman's row-by-row order."""
    columns = sixd.unflatten(-1, (3, 2))
    x = F.normalize(columns[..., 0], dim=-1, eps=1e-6)
    y = columns[..., 1]
    y = F.normalize(y - (x * y).sum(-1, keepdim=True) * x, dim=-1, eps=1e-6)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)


def matrices_from_rows(sixd: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of 6D numbers that are the first two rows, as in Inter-X."""
    x = F.normalize(sixd[..., :3], dim=-1, eps=1e-6)
    y = sixd[..., 3:]
    y = F.normalize(y - (x * y).sum(-1, keepdim=True) * x, dim=-1, eps=1e-6)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-2)


@lru_cache
def _generations(parents: tuple[int, ...]) -> list[list[int]]:
    """Joints by their number of ancestors, the root's generation left out."""
    depth = [0] * len(parents)
    for joint, parent in enumerate(parents):
        depth[joint] = depth[parent] + 1 if parent >= 0 else 0
    return [[j for j, d in enumerate(depth) if d == level] for level in range(1, max(depth) + 1)]


def forward_joints(local: Tensor, offsets: Tensor, parents: Sequence[int]) -> Tensor:
    """Joint positions (..., J, 3), relative to the root, of local rotations.

    Args:
        local: (..., J, 3, 3) local rotations, joint 0 global.
        offsets: (J, 3) or (..., J, 3) rest offsets in metres.
        parents: of each joint, before its children; -1 for joint 0.
    """
    offsets = offsets.expand(*local.shape[:-2], 3)
    shape = local.shape[:-3]
    rotations: list[Tensor] = [local.new_empty(0)] * len(parents)
    positions: list[Tensor] = list(rotations)
    rotations[0], positions[0] = local[..., 0, :, :], local.new_zeros(*shape, 3)
    # A generation at a time: a body has 22 or 55 joints, but only nine or twelve generations.
    for joints in _generations(tuple(parents)):
        above = torch.stack([rotations[parents[j]] for j in joints], dim=-3)
        start = torch.stack([positions[parents[j]] for j in joints], dim=-2)
        at = start + (above @ offsets[..., joints, :, None]).squeeze(-1)
        turned = above @ local[..., joints, :, :]
        for k, joint in enumerate(joints):
            positions[joint], rotations[joint] = at[..., k, :], turned[..., k, :, :]
    return torch.stack(positions, dim=-2)


def posed_joints(features: Tensor, offsets: Tensor) -> Tensor:
    """Joint positions (..., 22, 3), relative to the pelvis, that the rotations of features (..., 268) give.

    offsets (22, 3) or (..., 22, 3) are the rest offsets in metres.
    """
    sixd = torch.cat([features[..., 262:268], features[..., 132:258]], dim=-1).unflatten(-1, (22, 6))
    return forward_joints(matrices_from_sixd(sixd), offsets, _SMPL_PARENTS)
