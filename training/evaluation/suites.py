"""The suites on the shipped model and real texts: fairness, evasion, faithfulness, shortcuts and indicators.

The shipped model has seen most of these texts: the suites measure how it behaves on them, not
how well it finds lures (the quality suite does, out of fold).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from screening import Screener
from screening.catalogue import load_catalogue
from screening.features import Featuriser
from screening.model import load_model
from training.corpus import corpus_hash, data_folder, read_corpus, with_windows
from training.evaluation import evasion, fairness, faithfulness, indicators, shortcuts

MODULES: dict[str, ModuleType] = {
    "fairness": fairness,
    "evasion": evasion,
    "faithfulness": faithfulness,
    "shortcuts": shortcuts,
    "indicators": indicators,
}


def real_texts(data: str | None) -> pd.DataFrame | None:
    """Return the real texts, cut to post length, or None where no folder is named."""
    folder = data_folder(data)
    return None if folder is None else with_windows(read_corpus(folder))


def run_suite(name: str, table: pd.DataFrame, model: Path | None = None) -> dict[str, Any]:
    """Return a suite's results and what they hold for: the corpus and the model."""
    catalogue, weights = load_catalogue(), load_model(model)
    screener, featurise = Screener(weights, catalogue), Featuriser(catalogue)
    measure: dict[str, Callable[[], dict[str, Any]]] = {
        "fairness": lambda: fairness.fairness(table, screener, fairness.swaps()),
        "evasion": lambda: evasion.evasion(table, screener, (a.level for a in screener.screen_many(table.text))),
        "faithfulness": lambda: faithfulness.faithfulness(table, screener, featurise),
        "shortcuts": lambda: shortcuts.shortcuts(table),
        "indicators": lambda: indicators.indicators(table, catalogue, weights, featurise),
    }
    results = measure[name]()
    return {
        "suite": name,
        "corpus_hash": corpus_hash(table),
        "model_sha256": weights.manifest.get("weights_sha256", "")[:16],
        **results,
        "measures": {k: {"value": v, "wanted": w} for k, (v, w) in MODULES[name].measures(results).items()},
    }


def as_text(results: dict[str, Any]) -> str:
    """Return a suite's tables to read, and what falls short of what is wanted."""
    short = [
        f"  {name}: {m['value']:.3f}, wanted {m['wanted']:.2f}"
        for name, m in results["measures"].items()
        if m["value"] < m["wanted"]
    ]
    head = f"{results['suite']} (corpus {results['corpus_hash']}, model {results['model_sha256']})"
    tail = ["", "short of what is wanted:", *short] if short else []
    return "\n".join([head, MODULES[results["suite"]].as_text(results), *tail])


def to_json(results: dict[str, Any]) -> str:
    """Return results as they are written to a file."""
    return json.dumps(results, indent=1, ensure_ascii=False) + "\n"
