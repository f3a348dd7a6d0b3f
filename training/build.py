"""From texts to a shipped model: features, out-of-fold scores, calibration, and the fold into tables."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import sparse

from screening.catalogue import Catalogue
from screening.features import Features
from training.design import Blocks, Design, Vocabulary, featurise_all, vocabulary_of
from training.fit import PENALTY, Fitted, bounds_of, fit, prior_of
from training.vectors import WordVectors

Floats = NDArray[np.float64]

JOBS = 2  # folds fitted at once, each in a process of its own

# How much a text of each kind counts, before lures and the rest are brought to the same total.
# Real wording counts more than ours; kinds of which few are at hand count more, or job ads would drown them.
KIND_WEIGHT = {
    "lure": 3.0,
    "look-alike": 6.0,
    "suspicious": 1.0,
    "emscad-fraud": 0.3,
    "tweet": 3.0,
    "comment": 4.0,
    "message": 3.0,
    "rental": 3.0,
    "post": 2.0,
    "awareness": 2.0,
}


@dataclass(frozen=True)
class Recipe:
    """What goes into a model; each part can be left out to measure what it is worth.

    EMSCAD's English fraud reads like office ads and taught the model to miss lures (recall at
    1 % of ads in English 0.38 with it, 0.71 without): it is evaluated on, not trained on.
    """

    blocks: Blocks = field(default_factory=Blocks)
    penalty: float = PENALTY
    generated: bool = True
    generated_weight: float = 1.0
    suspicious: bool = True
    emscad: bool = False


@dataclass(frozen=True)
class Prepared:
    """Texts with their features and matrix; rows line up."""

    table: pd.DataFrame
    features: list[Features]
    matrix: sparse.csr_matrix
    design: Design


def prepare(table: pd.DataFrame, catalogue: Catalogue, recipe: Recipe, vectors: WordVectors | None) -> Prepared:
    """Return the texts ready for fitting."""
    features = featurise_all(table.text.tolist(), catalogue)
    return assemble(table, features, vocabulary_of(features, catalogue), recipe, vectors)


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


def sample_weights(table: pd.DataFrame, recipe: Recipe) -> Floats:
    """Return one weight a text; lures and other texts have the same total, and the mean is 1."""
    weights = table.kind.map(KIND_WEIGHT).fillna(1.0).to_numpy(float).copy()
    weights[table.kind.str.startswith("generated").to_numpy()] *= recipe.generated_weight
    lure = table.label.to_numpy() == 1
    weights[lure] *= weights[~lure].sum() / weights[lure].sum()
    return np.asarray(weights / weights.mean())


def usable(table: pd.DataFrame, recipe: Recipe) -> NDArray[np.bool_]:
    """Return which rows may teach under this recipe."""
    keep = table.train.to_numpy(bool).copy()
    for part, wanted in (("generated", recipe.generated), ("suspicious", recipe.suspicious), ("emscad", recipe.emscad)):
        if not wanted:
            keep &= ~table.kind.str.startswith(part).to_numpy()
    return keep


def fit_rows(data: Prepared, rows: NDArray[np.bool_], catalogue: Catalogue, recipe: Recipe) -> Fitted:
    """Return the weights learnt from some of the rows."""
    codes = data.design.vocabulary.codes
    factor = recipe.blocks.indicators
    table = data.table[rows]
    return fit(
        data.matrix[rows],
        table.label.to_numpy(float),
        sample_weights(table, recipe),
        prior_of(catalogue, codes) / factor,
        bounds_of(catalogue, codes),
        recipe.penalty,
    )


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
