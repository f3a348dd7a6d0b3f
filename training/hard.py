"""Hard stretches: the parts of honest texts that a first model takes for lures, shown to the next.

A text teaches by one window of post length, and its other stretches are never seen: closing
invitations ("send your CV by chat") are few among the windows and score highest of all honest
ads. So the first model reads what is left of the texts it learnt from, and those of its mistakes
that score highest teach the next one (bootstrapping, Sung and Poggio 1998; hard negatives,
Felzenszwalb et al. 2010). Measured in the ablation.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from screening.catalogue import Catalogue
from training.corpus import stretches
from training.design import Design, featurise_all
from training.fit import Fitted

MOST_OF_ONE_TEXT = 12  # stretches: a long text is not to speak for all

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Rest:
    """Stretches of honest texts that no window holds; rows line up.

    Attributes
    ----------
    table
        Columns of the text each was cut from, with the stretch as `text`.
    parents
        Row of that text in the table of texts.
    """

    table: pd.DataFrame
    parents: NDArray[np.int64]
    matrix: sparse.csr_matrix


def rest_of(table: pd.DataFrame, catalogue: Catalogue, design: Design) -> Rest | None:
    """Return the stretches of honest texts that may teach and were cut; None where nothing was."""
    cut = cut_stretches(table) if "whole" in table else []
    if not cut:
        return None
    parents, texts = zip(*cut, strict=True)
    rows = np.array(parents)
    rest = table.iloc[rows].assign(text=texts).reset_index(drop=True)
    return Rest(rest, rows, design.matrix(featurise_all(texts, catalogue)))


def cut_stretches(table: pd.DataFrame) -> list[tuple[int, str]]:
    """Return (row, stretch), each stretch once and none that is a text of the table."""
    seen = set(table.text)
    found = []
    teaches = (table.train & (table.label == 0) & table.whole.notna() & (table.whole != table.text)).to_numpy(bool)
    for row in np.flatnonzero(teaches):
        key, whole = table.id.iat[row], table.whole.iat[row]
        new = [stretch for stretch in dict.fromkeys(stretches(whole, key)) if stretch not in seen]
        random.Random(key).shuffle(new)
        found += [(int(row), stretch) for stretch in new[:MOST_OF_ONE_TEXT]]
        seen.update(new)
    return found


def hardest(rest: Rest, rows: Flags, fitted: Fitted, count: int) -> NDArray[np.int64]:
    """Return which stretches of texts in `rows` score highest, at most `count`."""
    own = np.flatnonzero(rows[rest.parents])
    scores = rest.matrix[own] @ fitted.weights
    return own[np.argsort(-scores, kind="stable")[:count]]
