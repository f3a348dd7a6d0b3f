"""`python -m training ablate --data DIR`: what each ingredient of the first tier adds, on real texts out of fold.

Each row adds one ingredient to all those above it; the last is the second look above the whole
first tier.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from screening.catalogue import Catalogue, load_catalogue
from training.build import Prepared, out_of_fold
from training.corpus import corpus_hash, data_folder
from training.evaluation.quality import LANGUAGES, quality
from training.export import RECIPE, HeldOut, held_out, options_of
from training.semantic import looked_at_twice
from training.weighing import Recipe

ACTS = ("framing", "offer")  # roles of the indicators that tell a speech act
EVERYDAY = ("news", "awareness", "comment", "message", "rental", "tweet")

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """One row of the table: the recipe, and which blocks of columns may say something."""

    name: str
    recipe: Recipe
    blocks: frozenset[str]


def steps() -> list[Step]:
    """Return the ingredients in the order in which they are added."""
    bare = replace(RECIPE, generated=False, distilled=0.0, hard=0)
    with_generated = replace(bare, generated=True)
    order = [
        ("words and pairs of words", bare, {"words", "pairs"}),
        ("+ indicators", bare, {"indicators"}),
        ("+ speech act", bare, {"acts"}),
        ("+ letters", bare, {"grams"}),
        ("+ generated texts", with_generated, set[str]()),
        ("+ taught words", with_generated, {"vectors"}),
        ("+ distillation", replace(RECIPE, hard=0), set[str]()),
        ("+ hard stretches", RECIPE, set[str]()),
    ]
    blocks: set[str] = set()
    found = []
    for name, recipe, added in order:
        blocks |= added
        found.append(Step(name, recipe, frozenset(blocks)))
    return found


def main(argv: Sequence[str]) -> int:
    """Measure each step; return the exit code."""
    parser = options_of("ablate", __doc__)
    parser.add_argument("-o", "--output", type=Path, help="JSON of the table")
    args = parser.parse_args(argv)
    if data_folder(args.data) is None:
        print("ablation needs real texts: name their folder with --data or $SCREENING_DATA")
        return 2
    return measure(held_out(args.data, args.cache), args.output)


def measure(held: HeldOut, output: Path | None) -> int:
    """Print each step as it is measured, and write them all; return 0."""
    table = held.prepared.table[held.real]
    print(f"corpus {corpus_hash(table)}\n{HEAD}", flush=True)
    rows: dict[str, Any] = {}
    for name, logits in ablation(held, load_catalogue()):
        rows[name] = row_of(quality(table, logits[held.real]))
        print(line_of(name, rows[name]), flush=True)
    if output:
        output.write_text(json.dumps({"corpus_hash": corpus_hash(table), "rows": rows}, indent=1) + "\n")
    return 0


def ablation(held: HeldOut, catalogue: Catalogue) -> Iterator[tuple[str, Floats]]:
    """Yield each step's name and its out-of-fold logits; the last of the first tier is the whole of it."""
    *parts, whole = steps()
    for step in parts:
        yield step.name, out_of_fold(only(held.prepared, step.blocks, catalogue), held.folds, catalogue, step.recipe)
    yield whole.name, held.logits
    yield "+ second look", looked_at_twice(held)


def only(prepared: Prepared, blocks: frozenset[str], catalogue: Catalogue) -> Prepared:
    """Return the texts with the columns of other blocks empty, so that they say nothing and learn nothing."""
    kept = _kept(prepared, blocks, catalogue)
    rest = prepared.rest and replace(prepared.rest, matrix=_masked(prepared.rest.matrix, kept))
    return replace(prepared, matrix=_masked(prepared.matrix, kept), rest=rest)


def _kept(prepared: Prepared, blocks: frozenset[str], catalogue: Catalogue) -> Flags:
    """Return which columns may say something."""
    columns = prepared.matrix.shape[1]
    kept = np.zeros(columns, bool)
    edges = [0, *prepared.design.edges, columns]
    names = ("indicators", "words", "pairs", "grams", "vectors")
    for name, start, end in zip(names, edges[:-1], edges[1:], strict=True):
        kept[start:end] = name in blocks
    roles = [
        catalogue.by_code[code].role if code in catalogue.by_code else "risk"
        for code in prepared.design.vocabulary.codes
    ]
    for column, role in enumerate(roles):
        kept[column] = ("acts" if role in ACTS else "indicators") in blocks
    return kept


def _masked(matrix: sparse.csr_matrix, kept: Flags) -> sparse.csr_matrix:
    masked = matrix.copy()
    masked.data *= kept[masked.indices]
    masked.eliminate_zeros()
    return masked


def row_of(results: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of one step."""
    parts = {**results["languages"], "all": results["all"]}
    return {
        "recall_at_1%_of_ads": {name: part["recall_at_1%_of_ads"]["value"] for name, part in parts.items()},
        "recall_at_0.1%_of_ads": results["all"]["recall_at_0.1%_of_ads"]["value"],
        "recall_at_10%_of_look_alikes": results["all"]["recall_at_10%_of_look_alikes"]["value"],
        "average_precision": results["all"]["average_precision"],
        "pass_review": {kind: results["kinds"][kind]["pass_review"] for kind in EVERYDAY if kind in results["kinds"]},
    }


HEAD = (
    f"{'':<26}{'recall at 1 % of ads':^26}{'0.1 %':>7}{'10 % of':>10}{'average':>11}  share of a kind that passes 1 %\n"
    f"{'':<26}{'es':>6}{'pt':>6}{'en':>6}{'all':>6}  {'all':>7}{'look-al.':>10}{'precision':>11}  {', '.join(EVERYDAY)}"
)


def line_of(name: str, row: dict[str, Any]) -> str:
    """Return one step as a line of the table."""
    recalls = "".join(f"{row['recall_at_1%_of_ads'][part]:>6.2f}" for part in (*LANGUAGES, "all"))
    rest = (row["recall_at_0.1%_of_ads"], row["recall_at_10%_of_look_alikes"], row["average_precision"])
    passing = " ".join(f"{row['pass_review'].get(kind, float('nan')):.3f}" for kind in EVERYDAY)
    return f"{name:<26}{recalls}  {rest[0]:>7.2f}{rest[1]:>10.2f}{rest[2]:>11.3f}  {passing}"
