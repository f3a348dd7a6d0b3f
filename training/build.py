"""From texts to a shipped model: features, out-of-fold scores, calibration, and the fold into tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import sparse

from screening.catalogue import Catalogue
from screening.features import Features
from training.design import Design, Vocabulary, featurise_all, vocabulary_of
from training.fit import Fitted, bounds_of, fit, prior_of
from training.hard import Rest, hardest, rest_of
from training.meaning import TEACHING, Vectors, fitted_layer, text_vectors
from training.vectors import WordVectors, lexicon_of
from training.weighing import Recipe, sample_weights, usable

Floats = NDArray[np.float64]

JOBS = 2  # folds fitted at once, each in a process of its own


@dataclass(frozen=True)
class Prepared:
    """Texts with their features, matrix and the encoder's centred vectors (None without encoder); rows line up.

    `centre` was taken off the vectors. `rest` holds the stretches that the texts' windows left out (None
    where nothing was cut).
    """

    table: pd.DataFrame
    features: list[Features]
    matrix: sparse.csr_matrix
    design: Design
    vectors: Vectors | None = None
    centre: Vectors | None = None
    rest: Rest | None = None


def prepare(table: pd.DataFrame, catalogue: Catalogue, recipe: Recipe, cache: Path | None) -> Prepared:
    """Return the texts ready for fitting; `cache` is where the encoder's vectors are kept, None does without it."""
    features = featurise_all(table.text.tolist(), catalogue)
    vocabulary = vocabulary_of(features, catalogue)
    words = WordVectors(lexicon_of(table.text), cache) if cache else None
    vectors, centre = text_vectors(table, features, cache) if cache else (None, None)
    prepared = assemble(table, features, vocabulary, recipe, words)
    rest = rest_of(table, catalogue, prepared.design)
    return replace(prepared, vectors=vectors, centre=centre, rest=rest)


def assemble(
    table: pd.DataFrame,
    features: list[Features],
    vocabulary: Vocabulary,
    recipe: Recipe,
    vectors: WordVectors | None,
) -> Prepared:
    """Return features and matrix together, for a given vocabulary."""
    design = Design(vocabulary, recipe.blocks, vectors if recipe.blocks.vectors else None)
    return Prepared(table, features, design.matrix(features), design)


def fit_rows(data: Prepared, rows: NDArray[np.bool_], catalogue: Catalogue, recipe: Recipe) -> Fitted:
    """Return the weights learnt from some of the rows, then from the hardest of what their windows left out as well."""
    matrix, wanted, table = data.matrix[rows], targets(data, rows, recipe), data.table[rows]
    fitted = _fit(data.design.vocabulary.codes, matrix, wanted, table, catalogue, recipe)
    if data.rest is None or not recipe.hard:
        return fitted
    hard = hardest(data.rest, rows, fitted, recipe.hard)
    return _fit(
        data.design.vocabulary.codes,
        sparse.vstack([matrix, data.rest.matrix[hard]], format="csr"),
        np.append(wanted, np.zeros(len(hard))),
        pd.concat([table, data.rest.table.iloc[hard]]),
        catalogue,
        recipe,
        fitted,
    )


def _fit(
    codes: tuple[str, ...],
    matrix: sparse.csr_matrix,
    wanted: Floats,
    table: pd.DataFrame,
    catalogue: Catalogue,
    recipe: Recipe,
    start: Fitted | None = None,
) -> Fitted:
    prior = prior_of(catalogue, codes) / recipe.blocks.indicators
    bounds = bounds_of(catalogue, codes, recipe.weak_cap)
    return fit(matrix, wanted, sample_weights(table, recipe), prior, bounds, recipe.penalty, start)


def targets(data: Prepared, rows: NDArray[np.bool_], recipe: Recipe) -> Floats:
    """Return what the rows are fitted to: their labels, softened by a teacher that saw only these rows.

    The teacher is the linear layer above the encoder. Of look-alikes it knows less than the labels do
    (it finds 0.62 of the lures at 10 % of them, the first tier 0.83): those and retold lures keep their
    labels. Honest twins do not: with labels of their own, recall at 1 % of ads falls from 0.84 to 0.81.
    """
    labels = data.table.label.to_numpy(float)[rows]
    if data.vectors is None or not recipe.distilled:
        return labels
    layer = fitted_layer(data.table, rows & usable(data.table, TEACHING), data.vectors)
    taught = layer.predict_proba(data.vectors[rows])[:, 1]
    share = np.where(data.table.kind[rows].isin(recipe.own_labels), 0.0, recipe.distilled)
    return np.asarray((1 - share) * labels + share * taught)


def out_of_fold(data: Prepared, folds: NDArray[np.int64], catalogue: Catalogue, recipe: Recipe) -> Floats:
    """Return each row's logit by a model that saw nothing of its fold; rows of fold -1 teach every time."""
    teach = usable(data.table, recipe)
    numbers = range(int(folds.max()) + 1)
    fitted = Parallel(n_jobs=JOBS)(delayed(fit_rows)(data, teach & (folds != k), catalogue, recipe) for k in numbers)
    logits = np.zeros(len(data.table))
    for fold, model in zip(numbers, fitted, strict=True):
        inside = folds == fold
        logits[inside] = data.matrix[inside] @ model.weights + model.intercept
    return logits
