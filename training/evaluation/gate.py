"""Run the evaluation, compare it with pinned floors, and refuse to lower them unasked."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from screening.catalogue import load_catalogue
from training.build import out_of_fold
from training.corpus import corpus_hash, data_folder, judged
from training.evaluation import mistakes
from training.evaluation.quality import as_text, quality, shortcut_rows
from training.evaluation.suites import as_text as suite_as_text
from training.evaluation.suites import real_texts, run_suite, to_json
from training.export import RECIPE, HeldOut, held_out
from training.split import random_folds

FLOORS = Path(__file__).with_name("floors.json")
SLACK = 0.02  # a floor stands this far below the result that set it: less is noise of the fit
NO_DATA = "evaluate needs real texts: name their folder with --data or $SCREENING_DATA. Nothing is measured without."


class FloorError(ValueError):
    """Raised when floors would be lowered without the flag that allows it."""


def run_suites(names: Iterable[str], args: argparse.Namespace) -> int:
    """Run suites on the shipped model; return as `run` does."""
    table = real_texts(args.data)
    if table is None:
        print(NO_DATA, file=sys.stderr)
        return 2
    found = []
    for name in names:
        found.append(run_suite(name, table))
        print(suite_as_text(found[-1]) + "\n", flush=True)
    if args.output:
        args.output.write_text(to_json(found[0] if len(found) == 1 else {r["suite"]: r for r in found}), "utf-8")
    if args.renew_floors:
        for results in found:
            renew(FLOORS, results, allow_lower=args.lower_floors)
    if not args.check:
        return 0
    pinned = json.loads(FLOORS.read_text("utf-8")) if FLOORS.exists() else {}
    return _report([f"{r['suite']}: {line}" for r in found for line in failures(pinned, r)])


def run(args: argparse.Namespace) -> int:
    """Evaluate; return 1 where a floor is not reached under --check, 2 where there is no data."""
    if data_folder(args.data) is None:
        print(NO_DATA, file=sys.stderr)
        return 2
    return judge(args, held_out(args.data, args.cache if args.encoder else None))


def judge(args: argparse.Namespace, held: HeldOut) -> int:
    """Measure texts scored out of fold; return as `run` does."""
    results = measure(args, held)
    print(as_text(results["grouped"]))
    if args.random_split:
        print(f"\nrandom split (copies on both sides; not a result): {summary(results['random'])}")
    print("shortcuts alone, ROC AUC (0.5 is chance): " + json.dumps(results["shortcuts"]))
    if args.output:
        args.output.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    if args.renew_floors:
        renew(FLOORS, results, allow_lower=args.lower_floors)
    return _report(failures(json.loads(FLOORS.read_text("utf-8")), results)) if args.check else 0


def measure(args: argparse.Namespace, held: HeldOut) -> dict[str, Any]:
    """Return results on folds by source, and where asked on random ones beside them."""
    real, table = held.real, held.prepared.table[held.real]
    results: dict[str, Any] = {"corpus_hash": corpus_hash(table), "grouped": quality(table, held.logits[real])}
    if args.random_split:
        everywhere = np.full(len(real), -1)
        everywhere[real] = random_folds(table)
        logits = out_of_fold(held.prepared, everywhere, load_catalogue(), RECIPE)
        results["random"] = quality(table, logits[real])
    if args.mistakes:
        print(f"{args.mistakes.name}: {mistakes.write(args.mistakes, table, held.logits[real])} worst mistakes")
    plain = judged(table)
    results["shortcuts"] = shortcut_rows(table[plain], held.folds[real][plain], held.prepared.table[~real])
    return results


def summary(measures: dict[str, Any]) -> str:
    """Return the headline figures in one line."""
    row = measures["all"]
    return ", ".join(f"{k.replace('_', ' ')} {v['value']:.2f}" for k, v in row.items() if k.startswith("recall"))


def measured(results: dict[str, Any]) -> dict[str, float]:
    """Return what floors are pinned for: of the quality suite its recalls, of another its measures."""
    if "suite" in results:
        return {key: measure["value"] for key, measure in results["measures"].items()}
    return {
        f"{language}.{key}": row[key]["value"]
        for language, row in (*results["grouped"]["languages"].items(), ("all", results["grouped"]["all"]))
        for key in row
        if key.startswith("recall")
    }


def floors_of(results: dict[str, Any]) -> dict[str, Any]:
    """Return floors a little below some results; what a suite reaches of what is wanted is held there."""
    floors = {key: round(value - SLACK, 3) for key, value in measured(results).items()}
    for key, measure in results.get("measures", {}).items():
        if measure["value"] >= measure["wanted"]:
            floors[key] = max(floors[key], measure["wanted"])
    return {"corpus_hash": results["corpus_hash"], "floors": floors}


def renew(path: Path, results: dict[str, Any], *, allow_lower: bool) -> None:
    """Pin new floors of one suite, under its name; those of the quality suite stand at the top.

    Raises
    ------
    FloorError
        If one would fall on the same corpus and `allow_lower` is not set.
    """
    new = floors_of(results)
    everything = json.loads(path.read_text("utf-8")) if path.exists() else {}
    old = _section(everything, results)
    if not allow_lower:
        fallen = sorted(k for k, v in old["floors"].items() if new["floors"].get(k, 0) < v)
        if fallen and old["corpus_hash"] == new["corpus_hash"]:
            raise FloorError(f"these floors would fall: {', '.join(fallen)}; say --lower-floors if that is meant")
    if "suite" in results:
        everything = {"corpus_hash": results["corpus_hash"], "floors": {}, **everything, results["suite"]: new}
    else:
        everything |= new
    path.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n", "utf-8")


def failures(pinned: dict[str, Any], results: dict[str, Any]) -> list[str]:
    """Return what falls short of the pinned floors; another corpus than theirs is a failure of its own."""
    section, values = _section(pinned, results), measured(results)
    if not section["floors"] and values:
        return ["no floors are pinned; pin them with --renew-floors"]
    if section["corpus_hash"] != results["corpus_hash"]:
        return [f"floors are for corpus {section['corpus_hash']}, this is {results['corpus_hash']}; renew the floors"]
    return [
        f"{key}: {values.get(key, 0):.3f} is below the floor {floor:.3f}"
        for key, floor in section["floors"].items()
        if values.get(key, 0) < floor
    ]


def _section(pinned: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
    section = pinned.get(results["suite"], {}) if "suite" in results else pinned
    return {"corpus_hash": section.get("corpus_hash"), "floors": section.get("floors", {})}


def _report(failed: list[str]) -> int:
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0
