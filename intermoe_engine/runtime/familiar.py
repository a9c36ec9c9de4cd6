# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a model has been taught anything like a sentence, by sentences that it was trained on."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from ..bundle import Bundle, BundleError
from ..bundle.interactions import KnownInteraction
from ..npz import ArraysError, read_arrays

KNOWN_FILE = "known.npz"
"""sentences (N,) text; vectors (N, S) float16 of length 1; least: the cosine below which a hint is due;
interactions (N,) text, not in every bundle: what each sentence asks for, by its name in the card."""
_LIMIT = 16 << 20
_NAMED = 3
_ALIKE = 0.9


class KnownSentences:
    """Sentences that a bundle's model was trained on, as vectors of the sentence encoder."""

    def __init__(
        self,
        sentences: Sequence[str],
        vectors: np.ndarray,
        least: float,
        interactions: Sequence[KnownInteraction | None] | None = None,
    ) -> None:
        """vectors: (N, S), rows of length 1; interactions: what each sentence asks for, where it is known.

        Raises ValueError where they do not fit the sentences.
        """
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(sentences) or len(sentences) == 0:
            raise ValueError("there must be one vector for each known sentence, and at least one")
        if not np.isfinite(vectors).all() or not 0.0 <= least <= 1.0:
            raise ValueError("the vectors must be finite and the least similarity lie between 0 and 1")
        self.sentences, self.vectors, self.least = tuple(sentences), vectors, least
        self.interactions = tuple(interactions) if interactions is not None else (None,) * len(self.sentences)
        if len(self.interactions) != len(self.sentences):
            raise ValueError("there must be one interaction for each known sentence")

    @classmethod
    def of_bundle(cls, bundle: Bundle) -> KnownSentences | None:
        """Those that the bundle brings, None where it brings none. Raises BundleError for a broken file."""
        if KNOWN_FILE not in bundle.card.files:
            return None
        try:
            arrays = read_arrays(io.BytesIO(bundle.read(KNOWN_FILE)), _LIMIT)
            sentences = [str(s) for s in arrays["sentences"].tolist()]
            listed = {interaction.name: interaction for interaction in bundle.card.interactions}
            names = arrays["interactions"].tolist() if "interactions" in arrays else [""] * len(sentences)
            interactions = [listed.get(str(name)) for name in names]
            return cls(sentences, arrays["vectors"], float(arrays["least"]), interactions)
        except (ArraysError, KeyError, TypeError, ValueError) as error:
            raise BundleError(f"{KNOWN_FILE} cannot be read ({error}); download the bundle again") from error

    def nearest(self, vector: np.ndarray, count: int = _NAMED) -> list[tuple[str, float]]:
        """The most similar sentences to a vector (S,) with their cosines, near repetitions left out."""
        likeness = self._likeness(vector)
        chosen: list[int] = []
        for index in np.argsort(-likeness, kind="stable"):
            if len(chosen) == count:
                break
            if not chosen or float((self.vectors[chosen] @ self.vectors[index]).max()) < _ALIKE:
                chosen.append(int(index))
        return [(self.sentences[k], float(likeness[k])) for k in chosen]

    def nearest_interactions(self, vector: np.ndarray, count: int = _NAMED) -> list[KnownInteraction]:
        """The interactions whose sentences are most similar to a vector (S,), each once; may be none."""
        order = np.argsort(-self._likeness(vector), kind="stable")
        found = dict.fromkeys(known for k in order if (known := self.interactions[k]) is not None)
        return list(found)[:count]

    def interaction(self, vector: np.ndarray) -> KnownInteraction | None:
        """What the most similar sentence asks for; None for an unfamiliar one, or where it is not known."""
        likeness = self._likeness(vector)
        best = int(likeness.argmax())
        return self.interactions[best] if likeness[best] >= self.least else None

    def hint(self, vector: np.ndarray) -> str | None:
        """What to tell the user of a sentence that is unlike all known ones; None for a familiar one."""
        near = self.nearest(vector)
        if near[0][1] >= self.least:
            return None
        known = [
            f'{near.name.replace("_", " ")} ("{near.prompt}")' for near in self.nearest_interactions(vector)
        ]
        named = ", ".join(known or [f'"{sentence}"' for sentence, _ in near])
        return f"this bundle was not trained on anything like this sentence; it knows, nearest first: {named}"

    def _likeness(self, vector: np.ndarray) -> np.ndarray:
        """Cosines (N,) of the sentences to a vector (S,)."""
        return self.vectors @ (vector / max(float(np.linalg.norm(vector)), 1e-9))
