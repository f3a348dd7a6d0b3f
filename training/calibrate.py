"""Out-of-fold logits into probabilities at a stated prevalence, and operating points on honest ads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

PREVALENCE = 0.01  # share of lures assumed among texts screened: stated, not measured; `with_prevalence` changes it
OPERATING_POINTS = {"review": 0.01, "high": 0.001}  # share of real honest ads that pass
CURVE_SHARES = np.geomspace(0.5, 2e-4, 60)  # shares of honest texts at which the curve is sampled


@dataclass(frozen=True)
class Calibration:
    """The calibrated logit is `slope * logit + offset` (Platt 1999); the slope is positive."""

    slope: float
    offset: float

    def __call__(self, logits: Floats) -> Floats:
        """Return calibrated logits."""
        return self.slope * logits + self.offset


def calibrate(logits: Floats, lures: Flags, prevalence: float = PREVALENCE) -> Calibration:
    """Return the calibration of out-of-fold logits when `prevalence` of the texts are lures.

    Raises
    ------
    ValueError
        If higher logits do not go with lures: the model has learnt nothing.
    """
    weights = np.where(lures, prevalence / lures.mean(), (1 - prevalence) / (1 - lures.mean()))
    fitted = LogisticRegression(C=1e6).fit(logits[:, None], lures, sample_weight=weights)
    if fitted.coef_[0, 0] <= 0:
        raise ValueError("out-of-fold scores do not rise with lures; look at the training texts")
    return Calibration(float(fitted.coef_[0, 0]), float(fitted.intercept_[0]))


def operating_points(logits: Floats, honest_ads: Flags) -> dict[str, float]:
    """Return, per level, the logit that the stated share of honest ads pass."""
    return {level: float(np.quantile(logits[honest_ads], 1 - share)) for level, share in OPERATING_POINTS.items()}


def curve(logits: Floats, lures: Flags) -> list[tuple[float, float, float]]:
    """Return (logit, recall, false-positive rate) from the lowest threshold to the highest."""
    thresholds = np.quantile(logits[~lures], 1 - CURVE_SHARES)
    return [(float(t), float((logits[lures] > t).mean()), float((logits[~lures] > t).mean())) for t in thresholds]


def expected_calibration_error(probabilities: Floats, lures: Flags, weights: Floats, bins: int = 15) -> float:
    """Return the weighted mean gap between stated and observed probability over equal-mass bins."""
    order = np.argsort(probabilities)
    mass = np.cumsum(weights[order]) / weights.sum()
    total = 0.0
    for part in np.split(order, np.searchsorted(mass, np.linspace(0, 1, bins + 1)[1:-1])):
        if len(part):
            w = weights[part]
            gap = np.average(probabilities[part], weights=w) - np.average(lures[part], weights=w)
            total += abs(float(gap)) * float(w.sum() / weights.sum())
    return total
