# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clips a recipe trains on and which it holds out, wherever they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ..data.cache import PairCache
from ..data.cmu import load_cmu_pair
from ..data.pair_clip import PairClip
from ..recipe import DataRecipe, RecipeError

HELD_OUT_EVERY = 10


@dataclass(frozen=True)
class ClipList:
    """Clips to read one at a time; digest says which they are and what they hold."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]
    digest: str
    load: Callable[[str], PairClip]

    def __iter__(self) -> Iterator[tuple[PairClip, bool]]:
        """(clip, whether it is held out), all that are trained on first."""
        for name in self.train:
            yield self.load(name), False
        for name in self.held_out:
            yield self.load(name), True


def find_clips(recipe: DataRecipe, path: Path) -> ClipList:
    """The clips at `path`: a cache or a folder of salsa captures. Raises RecipeError when none is left."""
    if recipe.kind == "salsa":
        trials = recipe.train + recipe.held_out
        files = [path / f"{person}_{trial}.bvh" for trial in trials for person in (60, 61)]
        for file in files:
            if not file.is_file():
                raise RecipeError(f"{file} is missing; --data must name the folder of the salsa captures")
        digest = " ".join(f"{file.name}:{file.stat().st_size}" for file in files)
        return ClipList(recipe.train, recipe.held_out, digest, lambda trial: load_cmu_pair(path, trial))
    return _from_cache(recipe, PairCache(path), path)


def _from_cache(recipe: DataRecipe, cache: PairCache, path: Path) -> ClipList:
    index: dict[str, int] = {}
    for i, entry in enumerate(cache.entries):
        key = entry.name if entry.name not in index else f"{entry.source}/{entry.name}"
        index[key] = i
    splits = {name: cache.entries[i].split for name, i in index.items()}
    has_splits = any(split == "train" for split in splits.values())
    if recipe.held_out:
        held = [n for n in index if _matches(n, recipe.held_out)]
    elif has_splits:
        held = [n for n, split in splits.items() if split == "val"]
    else:
        held = sorted(index)[HELD_OUT_EVERY // 2 :: HELD_OUT_EVERY]
    held_set = set(held)
    if recipe.train:
        train = [n for n in index if _matches(n, recipe.train)]
    else:
        train = [n for n, split in splits.items() if split == "train" or not has_splits]
    train = [n for n in train if n not in held_set]
    if not train:
        raise RecipeError(f"{path} holds no clip to train on; prepare more data or change [data] train")
    return ClipList(
        tuple(train), tuple(held) or tuple(train[:1]), cache.digest, lambda name: cache.load(index[name])
    )


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
