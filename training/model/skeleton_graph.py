# SPDX-License-Identifier: GPL-3.0-or-later
"""The graphs that the VAE convolves over: 22 or 55 joints, then 12 or 14, then 7 overlapping body parts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

Groups = tuple[tuple[int, ...], ...]
Edges = tuple[tuple[int, int], ...]

JOINTS = 22
PARTS = 7

# SMPL joints 0..21, the parent of each.
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
_WRISTS = (20, 21)
_HEAD = 15

# Joint groups that each pooling level averages: 22 -> 12, then 12 -> 7 (last one is the head).
POOL_GROUPS: tuple[Groups, ...] = (
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
PART_EDGES: Edges = (
    (0, 1), (0, 3), (0, 5), (1, 2), (3, 4), (5, 6), (6, 7), (6, 9), (6, 11), (7, 8), (9, 10),
)  # fmt: skip


@dataclass(frozen=True)
class BodyGraph:
    """The levels of one body: parents of its joints, groups that each pool averages, edges of its parts."""

    parents: tuple[int, ...]
    groups: tuple[Groups, Groups]
    part_edges: Edges

    @property
    def joints(self) -> int:
        return len(self.parents)

    def nodes(self, level: int) -> int:
        """Nodes of level 0 (joints) or 1 (parts of the middle level)."""
        return len(self.groups[0]) if level else self.joints

    def adjacency(self, level: int) -> Tensor:
        """Adjacency with self loops of level 0 (joints) or 1 (parts): (N, N) of 0 and 1."""
        edges = self.part_edges if level else [(child, p) for child, p in enumerate(self.parents) if p >= 0]
        matrix = torch.eye(self.nodes(level))
        for a, b in edges:
            matrix[a, b] = matrix[b, a] = 1.0
        return matrix

    def unpool_matrix(self, level: int) -> Tensor:
        """(N fine, N coarse) of 0 and 1: a joint is the sum of the groups that hold it."""
        groups = self.groups[level]
        matrix = torch.zeros(self.nodes(level), len(groups))
        for column, group in enumerate(groups):
            matrix[list(group), column] = 1.0
        return matrix

    def pool_matrix(self, level: int) -> Tensor:
        """(N coarse, N fine): each group is the mean of its joints."""
        members = self.unpool_matrix(level).T
        return members / members.sum(dim=1, keepdim=True)


SMPL_BODY = BodyGraph(SMPL_PARENTS, (POOL_GROUPS[0], POOL_GROUPS[1]), PART_EDGES)
"""SMPL's 22 joints, pooled as published: 22 -> 12 -> 7."""


def _smplx_body() -> BodyGraph:
    parents = [*SMPL_PARENTS, _HEAD, _HEAD, _HEAD]
    for wrist in _WRISTS:
        for _ in range(5):
            parents += [wrist, len(parents), len(parents) + 1]
    joints, parts = POOL_GROUPS
    head = (*joints[11], 22, 23, 24)
    left, right = (_WRISTS[0], *range(25, 40)), (_WRISTS[1], *range(40, 55))
    arms = {4: (*parts[4], 12), 5: (*parts[5], 13)}
    return BodyGraph(
        tuple(parents),
        ((*joints[:11], head, left, right), tuple(arms.get(i, part) for i, part in enumerate(parts))),
        (*PART_EDGES, (8, 12), (10, 13)),
    )


SMPLX_BODY = _smplx_body()
"""SMPL-X's 55 joints: 55 -> 14 -> 7.

Only the counts are published. The groups are ours: the 12 of SMPL's body, jaw and eyes going with the head,
and one for each hand (wrist and fingers), which then goes with its arm.
"""


def adjacency(level: int) -> Tensor:
    """`BodyGraph.adjacency` of SMPL's body: (22, 22) or (12, 12)."""
    return SMPL_BODY.adjacency(level)


def unpool_matrix(level: int) -> Tensor:
    """`BodyGraph.unpool_matrix` of SMPL's body."""
    return SMPL_BODY.unpool_matrix(level)


def pool_matrix(level: int) -> Tensor:
    """`BodyGraph.pool_matrix` of SMPL's body."""
    return SMPL_BODY.pool_matrix(level)
