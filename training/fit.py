"""Fit the additive model: logistic loss, a prior on the indicators, and signs that hold."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit

from screening.catalogue import Catalogue
from screening.features import COMBINATION

Floats = NDArray[np.float64]

PENALTY = 0.5  # of half the squared distance from the prior, against a loss summed over weighted texts
MAX_ITERATIONS = 400
# Logits an indicator is held to add before any data: the authorities' strength, read as likelihood ratios
# of about 4.5, 2.2 and 1.3. Data move them; the sign cannot change.
PRIOR = {"strong": 1.5, "medium": 0.8, "weak": 0.3}
FRAMING_PRIOR, BOUNDED_PRIOR = -1.5, -0.4


@dataclass(frozen=True)
class Fitted:
    """Weights in column order and the intercept, in logits at the training weights' prevalence."""

    weights: Floats
    intercept: float


def prior_of(catalogue: Catalogue, codes: tuple[str, ...]) -> Floats:
    """Return what each indicator column is held to add before any data."""
    values = {COMBINATION: 0.5}
    for indicator in catalogue.indicators:
        risk = {"risk": PRIOR[indicator.strength], "framing": FRAMING_PRIOR, "bounded": BOUNDED_PRIOR}
        values[indicator.code] = risk.get(indicator.role, 0.0)
    return np.array([values[code] for code in codes])


def bounds_of(
    catalogue: Catalogue, codes: tuple[str, ...], weak_cap: float | None = None
) -> list[tuple[float | None, float | None]]:
    """Return the signs: risk never lowers a score, framing and bounded terms never raise it."""
    signs: dict[str, tuple[float | None, float | None]] = {
        "risk": (0, None),
        "framing": (None, 0),
        "bounded": (None, 0),
    }
    bounds = {i.code: signs.get(i.role, (None, None)) for i in catalogue.indicators}
    if weak_cap is not None:
        bounds |= {i.code: (0, weak_cap) for i in catalogue.indicators if i.role == "risk" and i.strength == "weak"}
    bounds[COMBINATION] = (0, None)
    return [bounds[code] for code in codes]


def fit(
    matrix: sparse.csr_matrix,
    targets: Floats,
    sample_weights: Floats,
    prior: Floats,
    bounds: list[tuple[float | None, float | None]],
    penalty: float = PENALTY,
    start: Fitted | None = None,
) -> Fitted:
    """Return the weights that minimise weighted logistic loss + penalty/2 · |weights - prior|².

    Parameters
    ----------
    matrix
        One row a text.
    targets
        In [0, 1]: labels, or a teacher's probabilities.
    prior, bounds
        For the first columns; the rest have prior 0 and no bounds.
    start
        Where the search begins: weights of a like fit save most of its steps. The prior, if None.

    Raises
    ------
    ValueError
        If all targets are alike: there is nothing to tell apart.
    """
    if targets.min() == targets.max():
        raise ValueError("all training texts have the same label; give both lures and other texts")
    columns = matrix.shape[1]
    centre = np.concatenate([prior, np.zeros(columns - len(prior) + 1)])
    limits = [*bounds, *[(None, None)] * (columns - len(bounds) + 1)]
    # A column that no text fills stays at its prior, and need not be carried through every step.
    used = np.append(np.bincount(matrix.indices, minlength=columns) > 0, True)
    begin = centre if start is None else np.append(start.weights, start.intercept)
    whole, centre, begin = centre, centre[used], begin[used]
    # Converted once, or every product would do it again: three times the time.
    matrix = matrix[:, used[:-1]].astype(np.float64)
    transposed = matrix.T.tocsr()

    def loss(theta: Floats) -> tuple[float, Floats]:
        z = matrix @ theta[:-1] + theta[-1]
        residual = sample_weights * (expit(z) - targets)
        away = theta - centre
        away[-1] = 0.0  # the intercept is free
        value = float(sample_weights @ (np.logaddexp(0, z) - targets * z) + penalty / 2 * away @ away)
        return value, np.append(transposed @ residual, residual.sum()) + penalty * away

    found = minimize(
        loss,
        begin,
        jac=True,
        method="L-BFGS-B",
        bounds=list(itertools.compress(limits, used)),
        options={"maxiter": MAX_ITERATIONS, "maxcor": 20},
    )
    whole[used] = found.x
    return Fitted(whole[:-1], float(whole[-1]))
