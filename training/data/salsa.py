# SPDX-License-Identifier: GPL-3.0-or-later
"""The salsa captures as a recipe asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ..recipe import Recipe
from .cmu import load_cmu_pair
from .sequences import Sequence2, Statistics, augmented, sequence_of, statistics


@dataclass(frozen=True)
class SalsaData:
    """Everything that both trainings read."""

    train: list[Sequence2]
    held_out: list[Sequence2]
    stats: Statistics
    offsets: torch.Tensor


def load_salsa(folder: Path, recipe: Recipe) -> SalsaData:
    """Augmented training trials and unchanged held-out ones, with the statistics of the former."""
    clips = {trial: load_cmu_pair(folder, trial) for trial in recipe.train + recipe.held_out}
    train = [s for trial in recipe.train for s in augmented(clips[trial])]
    held_out = [sequence_of(clips[trial]) for trial in recipe.held_out]
    offsets = torch.tensor(clips[recipe.train[0]].rest_offsets[0], dtype=torch.float32)
    return SalsaData(train, held_out, statistics(train, recipe.seed), offsets)
