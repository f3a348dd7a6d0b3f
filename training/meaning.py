"""What a multilingual sentence encoder makes of whole texts, and a linear layer above it.

The layer is the teacher of the first tier (its scores soften the labels: distillation, Hinton et
al. 2015) and, above the first tier's logit, the second look.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from screening.features import Features
from screening.semantic import centred, load_encoder, reading
from training.weighing import Recipe, sample_weights

# Generated texts count for less here than in the first tier, or the layer learns our wording: alone it finds
# 0.76 of the lures at 1 % of ads with three times this weight and a looser fit, 0.83 so.
TEACHING = Recipe(generated_weight=0.1)
INVERSE_PENALTY = 0.3

Flags = NDArray[np.bool_]
Vectors = NDArray[np.float32]


def text_vectors(table: pd.DataFrame, features: Sequence[Features], cache: Path | None) -> tuple[Vectors, Vectors]:
    """Return the centred vectors of what the second look would read of each text, and the centre taken off them."""
    raw = encoded([reading(f, text) for f, text in zip(features, table.text, strict=True)], cache)
    centre = raw.mean(axis=0)
    return centred(raw, centre), centre


def encoded(texts: Sequence[str], cache: Path | None) -> NDArray[np.float32]:
    """Return the encoder's vectors, asking it only for texts whose digest the cache does not hold."""
    path = cache / "text-vectors.npz" if cache else None
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32] for text in texts]
    known: dict[str, NDArray[np.float16]] = {}
    if path and path.exists():
        with np.load(path, allow_pickle=False) as stored:
            known = dict(zip(stored["digests"].tolist(), stored["vectors"], strict=True))
    new = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in known}
    if new:
        encode = load_encoder()
        for number, (digest, text) in enumerate(new.items()):
            if number % 1000 == 0:
                print(f"\r{number:,} of {len(new):,} texts encoded", end="", file=sys.stderr, flush=True)
            known[digest] = encode(text).astype(np.float16)
        print(file=sys.stderr)
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, digests=np.array(list(known)), vectors=np.stack(list(known.values())))
    return np.stack([known[digest] for digest in digests]).astype(np.float32)


def fitted_layer(table: pd.DataFrame, rows: Flags, vectors: NDArray[np.float32]) -> LogisticRegression:
    """Return the layer fitted on some of the rows."""
    layer = LogisticRegression(C=INVERSE_PENALTY, max_iter=300)
    part = table[rows]
    return layer.fit(vectors[rows], part.label.to_numpy(), sample_weight=sample_weights(part, TEACHING))
