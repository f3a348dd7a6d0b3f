"""A small model built by hand: no trained weights, so tests of the edges hold whatever training finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from screening import Screener
from screening.catalogue import Catalogue, load_catalogue
from screening.features import GRAM_BUCKETS
from screening.model import Model, save_model
from screening.score import log_odds

PREVALENCE = 0.01
WEIGHTS = {"risk": {"strong": 2.5, "medium": 1.5, "weak": 0.6}, "framing": {"strong": -2.0, "medium": -1.5}}
BOUNDED_WEIGHT = -0.9
REVIEW, HIGH = 0.0, 3.0  # logits


def fake_model(catalogue: Catalogue) -> Model:
    """Return a model that knows no words and weighs indicators by their strength."""
    weights = {i.code: WEIGHTS.get(i.role, {}).get(i.strength, 0.0) for i in catalogue.indicators}
    weights |= {i.code: BOUNDED_WEIGHT for i in catalogue.indicators if i.role == "bounded"}
    return Model(
        word_keys=np.empty(0, np.uint32),
        word_weights=np.empty(0, np.float32),
        pair_keys=np.empty(0, np.uint32),
        pair_weights=np.empty(0, np.float32),
        gram_weights=np.zeros(GRAM_BUCKETS, np.float32),
        indicators=weights,
        intercept=log_odds(PREVALENCE),
        manifest={
            "codes": list(catalogue.codes),
            "prevalence": PREVALENCE,
            "thresholds": {"review": REVIEW, "high": HIGH},
            "curve": [[REVIEW, 0.8, 0.05], [HIGH, 0.5, 0.01]],
        },
    )


def fake_screener() -> Screener:
    """Return a screener with the real catalogue and the model made by hand."""
    catalogue = load_catalogue()
    return Screener(fake_model(catalogue), catalogue)


def save_fake_model(folder: Path) -> Path:
    """Write that model to a folder, for programs that load one, and return the folder."""
    save_model(fake_model(load_catalogue()), folder)
    return folder
