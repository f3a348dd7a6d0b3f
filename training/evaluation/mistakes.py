"""The worst mistakes of each kind, to be read one by one; the file holds real texts and stays out of the project."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.evaluation.quality import AD_KINDS, LANGUAGES

WORST = 20  # of each kind


def worst(table: pd.DataFrame, logits: NDArray[np.float64]) -> pd.DataFrame:
    """Return the lures missed by most, by language, and the other texts that stand highest, by kind.

    `above` is how far, in logits, a text stands over the threshold that 1 % of honest ads pass.
    """
    ads = logits[table.kind.isin(AD_KINDS).to_numpy()]
    scored = table.assign(above=logits - np.quantile(ads, 0.99))
    lures = scored[(scored.kind == "lure") & (scored.above <= 0)].sort_values("above")
    others = scored[(scored.label == 0) & (scored.above > 0)].sort_values("above", ascending=False)
    missed = [lures[lures.language == language].head(WORST).assign(mistake="missed") for language in LANGUAGES]
    flagged = [rows.head(WORST).assign(mistake="flagged") for _, rows in others.groupby("kind")]
    return pd.concat([*missed, *flagged])[["mistake", "kind", "language", "above", "source", "id", "text"]]


def write(path: Path, table: pd.DataFrame, logits: NDArray[np.float64]) -> int:
    """Write the mistakes as JSONL; return how many."""
    rows = worst(table, logits).to_dict("records")
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return len(rows)
