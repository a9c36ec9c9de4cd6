# SPDX-License-Identifier: GPL-3.0-or-later
"""A verified bundle: the card, the models' bytes and the feature statistics."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..npz import read_arrays
from .card import BundleCard
from .errors import BundleError
from .store import FolderStore, Store, ZipStore, check_file, open_store, read_card, read_file
from .unpacked import WEIGHTS_SUFFIX, needs_unpacking, unpacked

_STATISTICS_LIMIT = 16 << 20
_STARTER = Path(__file__).resolve().parent.parent / "bundles" / "starter.zip"


def default_bundle_path() -> Path:
    """The bundle used when none is named: `INTERMOE_BUNDLE` if set, else the packaged starter."""
    override = os.environ.get("INTERMOE_BUNDLE")
    return Path(override).expanduser() if override else _STARTER


@dataclass(frozen=True)
class FeatureStatistics:
    """Per-feature `mean` and `std`, both (F,): normalised = (feature - mean) / std."""

    mean: np.ndarray
    std: np.ndarray


class Bundle:
    """A bundle whose files were all checked against the sums in `bundle.json`.

    `sha256` is the digest of `bundle.json` itself; as that lists the digest of every file, it names
    the exact weights.
    """

    def __init__(self, path: Path, store: Store, card: BundleCard, sha256: str) -> None:
        """path: the folder or zip that was opened; `store` may be an unpacked copy of it."""
        self.path = path
        self._store = store
        self.card = card
        self.sha256 = sha256

    @property
    def size(self) -> int:
        """Bytes of all listed files together."""
        return sum(record.bytes for record in self.card.files.values())

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> Bundle:
        """Open and verify the bundle at `path` (folder or zip), or the default one.

        Raises BundleError with one line for anything wrong with it.
        """
        place = path
        try:
            place = Path(path).expanduser() if path is not None else default_bundle_path()
            store = open_store(place)
            data = read_card(store)
            card = BundleCard.from_json(data)
            sha256 = hashlib.sha256(data).hexdigest()
            if isinstance(store, ZipStore) and needs_unpacking(card.files):
                store = unpacked(store, card.files, sha256)
            else:
                for name, record in card.files.items():
                    check_file(store, name, record)
        except BundleError:
            raise
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: "~" of nobody
            raise BundleError(f"the bundle at {place} cannot be read ({error}); check the path") from error
        return cls(place, store, card, sha256)

    def read(self, name: str) -> bytes:
        """The bytes of a listed file, checked again as they are read. Raises BundleError."""
        record = self.card.files.get(name)
        if record is None:
            raise BundleError(f"the bundle does not list {name}; download it again")
        return read_file(self._store, name, record)

    def model(self, name: str) -> bytes | str:
        """An ONNX graph for `InferenceSession`.

        Bytes, except where the weights lie in a separate `NAME.data`: ONNX Runtime maps that from beside the
        graph, so a path is given.
        """
        if f"{name}{WEIGHTS_SUFFIX}" in self.card.files and isinstance(self._store, FolderStore):
            return str(self._store.file(name))
        return self.read(name)

    def statistics(self) -> FeatureStatistics:
        """The `mean` and `std` of `stats.npz`, float32. Raises BundleError."""
        try:
            arrays = read_arrays(io.BytesIO(self.read("stats.npz")), _STATISTICS_LIMIT)
            mean = np.asarray(arrays["mean"], dtype=np.float32)
            std = np.asarray(arrays["std"], dtype=np.float32)
        except BundleError:
            raise
        except (KeyError, ValueError) as error:
            raise BundleError(
                "stats.npz must hold the arrays mean and std; download the bundle again"
            ) from error
        if mean.ndim != 1 or mean.shape != std.shape or not np.isfinite(mean).all() or not (std > 0).all():
            raise BundleError(
                "stats.npz must hold one mean and one positive std per feature; download the bundle again"
            )
        return FeatureStatistics(mean, std)
