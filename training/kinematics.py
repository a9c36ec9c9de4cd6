# SPDX-License-Identifier: GPL-3.0-or-later
"""Forward kinematics of the 22 joints in torch, for losses. The numpy twin is intermoe_engine.kinematics."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from intermoe_engine.skeleton import SMPL22


def matrices_from_sixd(sixd: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of 6D numbers in InterHuman's row-by-row order."""
    columns = sixd.unflatten(-1, (3, 2))
    x = F.normalize(columns[..., 0], dim=-1, eps=1e-6)
    y = columns[..., 1]
    y = F.normalize(y - (x * y).sum(-1, keepdim=True) * x, dim=-1, eps=1e-6)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)


def posed_joints(features: Tensor, offsets: Tensor) -> Tensor:
    """Joint positions (..., 22, 3), relative to the pelvis, that the rotations of features (..., 268) give.

    offsets (22, 3) are the rest offsets in metres.
    """
    sixd = torch.cat([features[..., 262:268], features[..., 132:258]], dim=-1).unflatten(-1, (22, 6))
    local = matrices_from_sixd(sixd)
    rotations = [local[..., 0, :, :]]
    positions = [torch.zeros_like(features[..., 0:3])]
    for joint in range(1, 22):
        parent = int(SMPL22.parents[joint])
        positions.append(positions[parent] + rotations[parent] @ offsets[joint])
        rotations.append(rotations[parent] @ local[..., joint, :, :])
    return torch.stack(positions, dim=-2)
