# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers that features are normalised by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from intermoe_engine.npz import write_arrays

from ..layouts import MotionLayout
from ..recipe import RecipeError

LEAST_SHARE = 0.25
"""No deviation is less than this part of the mean one of its kind: contact flags hardly vary."""


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation (stored,) of canonical features.

    Numbers that are stored but not read by the model (see MotionLayout) have mean 0 and deviation 1.
    """

    mean: Tensor
    std: Tensor

    def normalise(self, features: Tensor) -> Tensor:
        """Features (..., stored) with mean 0 and deviation 1."""
        return (features - self.mean) / self.std

    def denormalise(self, features: Tensor) -> Tensor:
        """Of (..., stored), or of the (..., size) that the model gives."""
        size = features.shape[-1]
        return features * self.std[..., :size] + self.mean[..., :size]

    def to(self, device: torch.device) -> Statistics:
        """The same on another device."""
        return Statistics(self.mean.to(device), self.std.to(device))

    def save(self, path: Path, layout: MotionLayout) -> None:
        """Write mean and std (size,), whole or not at all."""
        write_arrays(path, {"mean": self.mean[: layout.size].numpy(), "std": self.std[: layout.size].numpy()})


def statistics(windows: Tensor, layout: MotionLayout) -> Statistics:
    """Of canonical windows (B, 2, T, stored), both people and both orders being among them."""
    flat = windows.flatten(0, 2)
    if layout.shared_statistics:
        joints = flat.reshape(-1, layout.stored // layout.joints)
        mean, std = joints.mean(dim=0), joints.std(dim=0).clamp(min=1e-4)
        return Statistics(mean.repeat(layout.joints), std.repeat(layout.joints))
    mean, std = flat.mean(dim=0), flat.std(dim=0)
    # One deviation for each kind of number keeps the metric's proportions: a toe counts as much as a head.
    kinds = (layout.positions, layout.velocities, layout.sixd[1:], np.array(layout.contacts), layout.sixd[0])
    for kind in kinds:
        columns = torch.from_numpy(kind.reshape(-1))
        std[columns] = std[columns].clamp(min=LEAST_SHARE * float(std[columns].mean()))
    mean[layout.size :], std[layout.size :] = 0.0, 1.0
    return Statistics(mean, std)


def given_statistics(folder: Path, layout: MotionLayout) -> Statistics:
    """The official release's global_mean.npy and global_std.npy. Raises RecipeError."""
    mean, std = torch.zeros(layout.stored), torch.ones(layout.stored)
    for name, target in (("global_mean", mean), ("global_std", std)):
        path = folder / f"{name}.npy"
        if not path.is_file():
            raise RecipeError(
                f"{path} is missing; take it from the official release or leave `statistics` out"
            )
        values = np.load(path, allow_pickle=False).astype(np.float32).reshape(-1)
        if layout.shared_statistics and len(values) == layout.stored // layout.joints:
            values = np.tile(values, layout.joints)
        if len(values) != layout.size:
            raise RecipeError(f"{path} holds {len(values)} numbers where {layout.name} has {layout.size}")
        target[: layout.size] = torch.from_numpy(values)
    return Statistics(mean, std)
