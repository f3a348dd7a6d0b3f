"""Folds that keep a source, and every copy of a template, on one side."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.corpus import template_group

FOLDS = 5
Ints = NDArray[np.int64]


def grouped_folds(corpus: pd.DataFrame, folds: int = FOLDS) -> Ints:
    """Return the fold of each row, of shape (n,), with the kinds spread evenly over folds.

    Rows that share a source, a group or the stems of their opening words share a fold.
    """
    component = _components(corpus)
    fold_of: dict[int, int] = {}
    for _, rows in sorted(corpus.assign(component=component).groupby("kind"), key=lambda item: str(item[0])):
        load = 1e-3 * np.bincount(list(fold_of.values()), minlength=folds)  # ties: the fold with fewest sources
        sizes = rows.groupby("component").size().sort_values(ascending=False, kind="stable")
        for part, size in sizes.items():
            load[fold_of.setdefault(part, int(load.argmin()))] += size
    return np.array([fold_of[part] for part in component])


def _components(corpus: pd.DataFrame) -> Ints:
    """Return the connected component of each row: rows are joined by what they share."""
    parent = list(range(len(corpus)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    seen: dict[tuple[str, str], int] = {}
    opening = [template_group(text, language) for text, language in zip(corpus.text, corpus.language, strict=True)]
    for i, (source, group, words) in enumerate(zip(corpus.source, corpus.group, opening, strict=True)):
        for key in (("source", source), ("group", group), ("opening", words)):
            if key[1] and (key[0] != "opening" or len(words.split()) >= 5):
                parent[root(i)] = root(seen.setdefault(key, i))
    return np.array([root(i) for i in range(len(corpus))])


def random_folds(corpus: pd.DataFrame, folds: int = FOLDS, seed: int = 0) -> Ints:
    """Return folds drawn at random: shown beside the grouped ones, to see what copies are worth."""
    return np.random.default_rng(seed).integers(0, folds, len(corpus))
