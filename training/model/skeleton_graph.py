# SPDX-License-Identifier: GPL-3.0-or-later
"""The graphs that the VAE convolves over: 22 joints, then 12 and 7 overlapping body parts."""

from __future__ import annotations

import torch
from torch import Tensor

JOINTS = 22
PARTS = 7

# SMPL joints 0..21, the parent of each.
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)

# Joint groups that each pooling level averages: 22 -> 12, then 12 -> 7 (last one is the head).
POOL_GROUPS: tuple[tuple[tuple[int, ...], ...], ...] = (
    (
        (0, 1, 2, 3),
        (0, 1, 4),
        (4, 7, 10),
        (0, 2, 5),
        (5, 8, 11),
        (0, 3, 6, 9),
        (9, 6, 12, 13, 14),
        (9, 13, 16),
        (16, 18, 20),
        (9, 14, 17),
        (17, 19, 21),
        (9, 12, 15),
    ),
    ((0, 1, 3, 5), (0, 1, 2), (0, 3, 4), (0, 5, 6), (6, 7, 8), (6, 9, 10), (6, 11)),
)

# Edges between the 12 parts of the middle level.
PART_EDGES = ((0, 1), (0, 3), (0, 5), (1, 2), (3, 4), (5, 6), (6, 7), (6, 9), (6, 11), (7, 8), (9, 10))

_NODES = (JOINTS, len(POOL_GROUPS[0]))


def adjacency(level: int) -> Tensor:
    """Adjacency with self loops of level 0 (22 joints) or 1 (12 parts): (N, N) of 0 and 1."""
    edges = PART_EDGES if level else [(child, p) for child, p in enumerate(SMPL_PARENTS) if p >= 0]
    matrix = torch.eye(_NODES[level])
    for a, b in edges:
        matrix[a, b] = matrix[b, a] = 1.0
    return matrix


def unpool_matrix(level: int) -> Tensor:
    """(N fine, N coarse) of 0 and 1: a joint is the sum of the groups that hold it."""
    groups = POOL_GROUPS[level]
    matrix = torch.zeros(_NODES[level], len(groups))
    for column, group in enumerate(groups):
        matrix[list(group), column] = 1.0
    return matrix


def pool_matrix(level: int) -> Tensor:
    """(N coarse, N fine): each group is the mean of its joints."""
    members = unpool_matrix(level).T
    return members / members.sum(dim=1, keepdim=True)
