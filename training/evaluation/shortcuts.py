"""Whether things that should not matter (length, punctuation, case, language ...) tell lures from other texts alone."""

from __future__ import annotations

from typing import Any

import pandas as pd

from training.corpus import judged
from training.evaluation.quality import shortcut_rows
from training.generate import generated
from training.split import grouped_folds

WANTED = 0.4  # 1 - area under the curve: chance is 0.5, and no one thing should come far above it


def shortcuts(table: pd.DataFrame) -> dict[str, Any]:
    """Return, per shortcut, the area under its ROC curve on real texts out of fold, and on the generated ones."""
    plain = table[judged(table)].reset_index(drop=True)
    return {"shortcuts": shortcut_rows(plain, grouped_folds(plain), generated())}


def measures(results: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return what is pinned: name -> (value, wanted)."""
    return {f"{name}.1-auc": (1 - row["real"], WANTED) for name, row in results["shortcuts"].items()}


def as_text(results: dict[str, Any]) -> str:
    """Return the areas as a table to read."""
    lines = ["area under the ROC curve of each alone (0.5 is chance)", f"{'shortcut':<16}{'real':>7}{'generated':>11}"]
    for name, row in results["shortcuts"].items():
        generated_area = f"{row['generated']:.2f}" if "generated" in row else "-"
        lines.append(f"{name:<16}{row['real']:>7.2f}{generated_area:>11}")
    return "\n".join(lines)
