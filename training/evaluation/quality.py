"""How well lures are found among real texts: by language, form and kind, on folds by source.

No generated text is ever scored here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from training.calibrate import PREVALENCE, Calibration, calibrate, expected_calibration_error
from training.corpus import judged

Floats = NDArray[np.float64]

AD_KINDS = ("job-ad",)
ALLOWED = {"1%": 0.01, "5%": 0.05, "0.1%": 0.001}  # shares of honest ads that may pass
LOOK_ALIKES_ALLOWED = 0.10
RESAMPLES = 200
LANGUAGES = ("es", "pt", "en")
PREVALENCES = {"stated": PREVALENCE, "even": 0.5}  # shares of lures at which calibration is measured

Calibrations = dict[str, tuple[float, Calibration]]


def quality(table: pd.DataFrame, logits: Floats) -> dict[str, Any]:
    """Return the measures of out-of-fold logits on real texts, each with a 95 % interval where it is a recall.

    Parameters
    ----------
    table
        Real texts only, with the corpus' columns.
    logits
        Of the same length and order.
    """
    if table.kind.str.startswith("generated").any():
        raise ValueError("generated texts are never scored for a result; pass real texts only")
    scored = table.assign(logit=logits)
    common = float(scored[scored.kind.isin(AD_KINDS)].logit.quantile(0.99))
    calibrations = _calibrations(scored[judged(scored)])
    return {
        "languages": {
            language: _language_row(scored[scored.language == language], common, calibrations) for language in LANGUAGES
        },
        "all": _language_row(scored, common, calibrations),
        "forms": {
            form: _form_row(rows, scored, calibrations)
            for form, rows in scored.groupby("form")
            if (rows.kind == "lure").any()
        },
        "kinds": _kind_rates(scored),
        "emscad": _emscad(scored),
    }


def _parts(scored: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return scored[scored.kind == "lure"], scored[scored.kind.isin(AD_KINDS)], scored[scored.kind == "look-alike"]


def _language_row(scored: pd.DataFrame, common: float, calibrations: Calibrations) -> dict[str, Any]:
    """Return the measures of one language; `common` is the logit that 1 % of the ads of all languages pass."""
    lures, ads, look_alikes = _parts(scored)
    row: dict[str, Any] = {"lures": len(lures), "ads": len(ads), "look_alikes": len(look_alikes)}
    for name, share in ALLOWED.items():
        threshold = ads.logit.quantile(1 - share)
        row[f"recall_at_{name}_of_ads"] = _recall(lures, threshold)
    row["ads_passing_the_common_1%"] = float((ads.logit > common).mean())
    row["recall_at_10%_of_look_alikes"] = _recall(lures, look_alikes.logit.quantile(1 - LOOK_ALIKES_ALLOWED))
    real = scored[judged(scored)]
    row["average_precision"] = float(average_precision_score(real.label, real.logit))
    row["base_rate"] = float(real.label.mean())
    row["ece"] = _ece(real, calibrations)
    return row


def _calibrations(real: pd.DataFrame) -> Calibrations:
    """Return one calibration for all languages and forms, as a model has, for each mix of lures and other texts."""
    return {
        name: (share, calibrate(real.logit.to_numpy(), real.label.to_numpy() == 1, share))
        for name, share in PREVALENCES.items()
    }


def _ece(real: pd.DataFrame, calibrations: Calibrations) -> dict[str, float]:
    """Return the calibration error of a language's or form's texts, at the stated prevalence and at an even mix."""
    lures, logits = real.label.to_numpy() == 1, real.logit.to_numpy()
    found = {}
    for name, (prevalence, calibration) in calibrations.items():
        weights = np.where(lures, prevalence / lures.mean(), (1 - prevalence) / (1 - lures.mean()))
        found[name] = expected_calibration_error(1 / (1 + np.exp(-calibration(logits))), lures, weights)
    return found


def _recall(lures: pd.DataFrame, threshold: float) -> dict[str, float]:
    """Return the share of lures above the threshold, with an interval from resampling sources."""
    found = (lures.logit > threshold).to_numpy()
    by_source = [found[i] for i in lures.reset_index().groupby("source").indices.values()]
    rng = np.random.default_rng(0)
    draws = [
        np.concatenate([by_source[i] for i in rng.integers(0, len(by_source), len(by_source))]).mean()
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"value": float(found.mean()), "low": float(low), "high": float(high)}


def _form_row(rows: pd.DataFrame, scored: pd.DataFrame, calibrations: Calibrations) -> dict[str, Any]:
    lures, ads = rows[rows.kind == "lure"], scored[scored.kind.isin(AD_KINDS)]
    real = rows[judged(rows)]
    row: dict[str, Any] = {"lures": len(lures), "recall_at_1%_of_ads": _recall(lures, ads.logit.quantile(0.99))}
    if real.label.nunique() == 2:
        row["ece"] = _ece(real, calibrations)
    return row


def _kind_rates(scored: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the share of each kind that passes the thresholds that 1 % and 0.1 % of honest ads pass."""
    _, ads, _ = _parts(scored)
    review, high = ads.logit.quantile(0.99), ads.logit.quantile(0.999)
    return {
        str(kind): {
            "texts": len(rows),
            "pass_review": float((rows.logit > review).mean()),
            "pass_high": float((rows.logit > high).mean()),
        }
        for kind, rows in scored.groupby("kind")
    }


def _emscad(scored: pd.DataFrame) -> dict[str, float]:
    rows = scored[scored.kind.str.startswith("emscad")]
    if rows.label.nunique() < 2:
        return {}
    return {
        "average_precision": float(average_precision_score(rows.label, rows.logit)),
        "base_rate": float(rows.label.mean()),
    }


SHORTCUTS: dict[str, Callable[[str], float]] = {
    "length": lambda text: float(np.log1p(len(text))),
    "punctuation": lambda text: sum(c in ".,;:!?()\"'" for c in text) / max(1, len(text)),
    "upper case": lambda text: sum(map(str.isupper, text)) / max(1, len(text)),
    "digits": lambda text: sum(map(str.isdigit, text)) / max(1, len(text)),
    "lines": lambda text: float(text.count("\n")),
}


def shortcut_rows(table: pd.DataFrame, folds: NDArray[np.int64], generated: pd.DataFrame) -> dict[str, Any]:
    """Return how well each thing that should not matter tells lures from other texts, alone.

    Area under the ROC curve of a small tree ensemble, out of fold on real texts; and on the
    generated texts, where 0.5 means that the twins do not differ in it.
    """
    rows = {}
    for name, measure in SHORTCUTS.items():
        rows[name] = {
            "real": _alone(_column(table.text, measure), table.label.to_numpy(), folds),
            "generated": _alone(
                _column(generated.text, measure), generated.label.to_numpy(), generated.group.factorize()[0] % 5
            ),
        }
    codes = table.language.factorize()[0][:, None].astype(float)
    rows["language"] = {"real": _alone(codes, table.label.to_numpy(), folds)}
    return rows


def _column(texts: Iterable[str], measure: Callable[[str], float]) -> Floats:
    return np.array([[measure(text)] for text in texts])


def _alone(values: Floats, labels: NDArray[np.int64], folds: NDArray[np.int64]) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    scores = np.zeros(len(labels))
    for fold in np.unique(folds):
        inside = folds == fold
        model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, random_state=0)
        scores[inside] = model.fit(values[~inside], labels[~inside]).predict_proba(values[inside])[:, 1]
    return float(roc_auc_score(labels, scores))


def as_text(results: dict[str, Any]) -> str:
    """Return the measures as a table to read."""
    lines = ["                        es                 pt                 en                 all"]
    columns = [*(results["languages"][language] for language in LANGUAGES), results["all"]]
    for key in columns[0]:
        if key.startswith("recall"):
            cells = [f"{c[key]['value']:.2f} ({c[key]['low']:.2f}-{c[key]['high']:.2f})" for c in columns]
        elif key == "ece":
            cells = [f"{c[key]['stated']:.3f} / {c[key]['even']:.3f}" for c in columns]
        else:
            cells = [f"{c[key]:.3f}" if isinstance(c[key], float) else str(c[key]) for c in columns]
        lines.append(f"{key.replace('_', ' '):<30}" + "".join(f"{cell:<19}" for cell in cells))
    lines.append("\nform               lures  recall at 1 % of ads  ece stated / even")
    for form, row in results["forms"].items():
        r, e = row["recall_at_1%_of_ads"], row.get("ece")
        gap = f"{e['stated']:.3f} / {e['even']:.3f}" if e else "no honest texts of this form"
        lines.append(f"{form:<18} {row['lures']:>5}  {r['value']:.2f} ({r['low']:.2f}-{r['high']:.2f})      {gap}")
    lines.append("\nkind               texts  pass review  pass high")
    for kind, row in results["kinds"].items():
        lines.append(f"{kind:<18} {row['texts']:>5}  {row['pass_review']:>11.3f}  {row['pass_high']:>9.4f}")
    if results["emscad"]:
        e = results["emscad"]
        lines.append(f"\nEMSCAD fraud: average precision {e['average_precision']:.2f} (base rate {e['base_rate']:.2f})")
    return "\n".join(lines)
