"""Texts as one sparse matrix whose columns the serving code can fold back into its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from screening.catalogue import Catalogue
from screening.features import COMBINATION, GRAM_BUCKETS, Features, Featuriser, grams_of, key_of
from screening.model import Model
from training.vectors import WordVectors

MIN_WORD_TEXTS = 2  # texts in which a word must stand to get a weight of its own
MIN_PAIR_TEXTS = 3
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Blocks:
    """How freely each block of columns may move: its columns are multiplied by this before the fit.

    Under one penalty a larger factor lets a block say more. Settled by ablation on real texts
    (`python -m training ablate`).
    """

    indicators: float = 1.0
    words: float = 1.0
    pairs: float = 1.0
    grams: float = 0.35
    vectors: float = 0.3


@dataclass(frozen=True)
class Vocabulary:
    """The terms that get weights of their own, in column order."""

    codes: tuple[str, ...]
    words: tuple[str, ...]
    pairs: tuple[str, ...]


def featurise_all(texts: Sequence[str], catalogue: Catalogue) -> list[Features]:
    """Return the features of every text, by the serving code."""
    featuriser = Featuriser(catalogue)
    return [featuriser(text) for text in texts]


def vocabulary_of(features: Sequence[Features], catalogue: Catalogue) -> Vocabulary:
    """Return the words and pairs frequent enough to learn."""
    words = Counter(w for f in features for w in f.words)
    pairs = Counter(p for f in features for p in f.pairs)
    return Vocabulary(
        (*catalogue.codes, COMBINATION),
        tuple(sorted(w for w, n in words.items() if n >= MIN_WORD_TEXTS)),
        tuple(sorted(p for p, n in pairs.items() if n >= MIN_PAIR_TEXTS)),
    )


class Design:
    """Builds matrices with columns [indicators | words | pairs | n-grams | word-vector dimensions]."""

    def __init__(self, vocabulary: Vocabulary, blocks: Blocks, vectors: WordVectors | None = None) -> None:
        self.vocabulary, self.blocks, self.vectors = vocabulary, blocks, vectors
        self._code_at = {c: i for i, c in enumerate(vocabulary.codes)}
        self._word_at = {w: i for i, w in enumerate(vocabulary.words)}
        self._pair_at = {p: i for i, p in enumerate(vocabulary.pairs)}
        self._grams: dict[str, list[int]] = {}

    def matrix(self, features: Sequence[Features]) -> sparse.csr_matrix:
        """Return one row a text, float32."""
        parts = [
            self._rows([f.values for f in features], self._code_at, self.blocks.indicators),
            self._rows([dict.fromkeys(f.words, f.scale) for f in features], self._word_at, self.blocks.words),
            self._rows([dict.fromkeys(f.pairs, f.scale) for f in features], self._pair_at, self.blocks.pairs),
            self._gram_rows(features),
        ]
        if self.vectors is not None:
            parts.append(self._vector_rows(features, self.vectors))
        return sparse.hstack(parts, format="csr", dtype=np.float32)

    @staticmethod
    def _rows(maps: Sequence[object], at: dict[str, int], factor: float) -> sparse.csr_matrix:
        columns: list[int] = []
        data: list[float] = []
        pointer = [0]
        for values in maps:
            for term, value in values.items():  # type: ignore[attr-defined]
                if (column := at.get(term)) is not None:
                    columns.append(column)
                    data.append(value * factor)
            pointer.append(len(columns))
        return sparse.csr_matrix((np.array(data, np.float32), columns, pointer), (len(maps), len(at)))

    def _gram_rows(self, features: Sequence[Features]) -> sparse.csr_matrix:
        columns: list[int] = []
        data: list[float] = []
        pointer = [0]
        for f in features:
            counts = Counter(g for w in f.words for g in self._grams_of(w))
            columns += counts.keys()
            data += [n * f.scale * self.blocks.grams for n in counts.values()]
            pointer.append(len(columns))
        return sparse.csr_matrix((np.array(data, np.float32), columns, pointer), (len(features), GRAM_BUCKETS))

    def _grams_of(self, word: str) -> list[int]:
        if word not in self._grams:
            self._grams[word] = list(grams_of(word))
        return self._grams[word]

    def _vector_rows(self, features: Sequence[Features], vectors: WordVectors) -> sparse.csr_matrix:
        words = sorted({w for f in features for w in f.words})
        at = {w: i for i, w in enumerate(words)}
        table = sparse.csr_matrix(vectors(words))
        rows = self._rows([dict.fromkeys(f.words, f.scale) for f in features], at, self.blocks.vectors)
        return (rows @ table).tocsr()

    @property
    def edges(self) -> list[int]:
        """Return where each block of columns ends."""
        sizes = [len(self.vocabulary.codes), len(self.vocabulary.words), len(self.vocabulary.pairs), GRAM_BUCKETS]
        return np.cumsum(sizes).tolist()

    def fold(self, weights: Floats, intercept: float, manifest: dict[str, object]) -> Model:
        """Return the serving model: every word's weight is its own plus those of its n-grams and its vector.

        Words that have a vector and were in no training text get a folded weight as well.
        """
        codes, words, pairs, grams = np.split(weights, self.edges)[:4]
        taught = np.split(weights, self.edges)[4]
        own = dict(zip(self.vocabulary.words, words * self.blocks.words, strict=True))
        gram_weights = grams * self.blocks.grams
        terms = sorted({*own, *(self.vectors.words if self.vectors else ())})
        totals = np.array([own.get(t, 0.0) + gram_weights[self._grams_of(t)].sum() for t in terms])
        if self.vectors is not None:
            totals += self.vectors(terms) @ taught * self.blocks.vectors
        word_keys, word_weights = _keyed(terms, totals)
        pair_keys, pair_weights = _keyed(list(self.vocabulary.pairs), pairs * self.blocks.pairs)
        return Model(
            word_keys,
            word_weights,
            pair_keys,
            pair_weights,
            gram_weights.astype(np.float32),
            dict(zip(self.vocabulary.codes, (codes * self.blocks.indicators).tolist(), strict=True)),
            intercept,
            manifest,
        )


def _keyed(terms: list[str], weights: Floats) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """Return sorted unique keys and their weights; the few terms that share a key share the first one's weight."""
    keys = np.array([key_of(t) for t in terms], dtype=np.uint32)
    unique, first = np.unique(keys, return_index=True)
    return unique, weights[first].astype(np.float32)
