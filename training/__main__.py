"""`python -m training`: build the model, evaluate it, or work on its catalogue and corpus."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

import screening
from screening.catalogue import AUTOMATA, COMPILED, compile_catalogue, read_sources, to_compiled
from training.vectors import encoder_is_installed

# Commands that take other options than these.
OWN_OPTIONS = {
    "ablate": "training.ablate",
    "adapt": "training.adapt",
    "drift": "training.drift",
    "rates": "training.rates",
    "reproduce": "training.reproduce",
    "semantic": "training.semantic",
}
PACKAGE_DATA = Path(screening.__file__).parent / "data"


def main(argv: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = sys.argv[1:] if argv is None else argv
    if given and given[0] in OWN_OPTIONS:
        return int(importlib.import_module(OWN_OPTIONS[given[0]]).main(given[1:]))
    args = parser().parse_args(argv)
    if args.encoder is None:
        args.encoder = encoder_is_installed()
    command = {"build": build, "evaluate": evaluate, "corpus": corpus, "compile": compile_phrases}[args.command]
    return command(args)


def parser() -> argparse.ArgumentParser:
    """Return the options of build, evaluate, corpus and compile."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument(
        "command",
        nargs="?",
        default="build",
        choices=("build", "evaluate", "corpus", "compile"),
        help="build (default): train and export; evaluate: measure on real texts; "
        "corpus: write the table of texts; compile: compile the catalogue's phrases; "
        "adapt, drift, semantic, ablate: learn from decisions, compare two files of posts, train the second look, "
        "measure what each ingredient adds; rates: count the catalogue's words; "
        "reproduce: rebuild, measure and write the cards, all in one "
        "(each has its own --help)",
    )
    parser.add_argument("--data", help="folder of real texts; else $SCREENING_DATA; without either: generated only")
    parser.add_argument("-o", "--output", type=Path, help="model folder, or the corpus or results file")
    parser.add_argument(
        "--encoder",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="teach words by vectors; default: where the encoder is installed",
    )
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="where encoder vectors are kept")
    parser.add_argument(
        "--suite",
        choices=("quality", "fairness", "evasion", "faithfulness", "shortcuts", "indicators", "all"),
        default="quality",
        help="evaluate: what to measure; quality (default) fits models out of fold, the others try the shipped one",
    )
    parser.add_argument(
        "--mistakes", type=Path, help="evaluate: write the worst mistakes to this file; it holds real texts"
    )
    parser.add_argument(
        "--random-split", action="store_true", help="evaluate: show beside it what a split at random would claim"
    )
    parser.add_argument("--check", action="store_true", help="evaluate: fail where a pinned floor is not reached")
    parser.add_argument("--renew-floors", action="store_true", help="evaluate: pin floors a little below these results")
    parser.add_argument("--lower-floors", action="store_true", help="allow --renew-floors to lower a floor")
    return parser


def build(args: argparse.Namespace) -> int:
    """Train on what is there and export the model."""
    compile_phrases(args)
    from training.export import build_model, held_out

    return build_model(held_out(args.data, args.cache if args.encoder else None), args.output or PACKAGE_DATA / "model")


def evaluate(args: argparse.Namespace) -> int:
    """Print and write the measures on real texts."""
    from training.evaluation.gate import run, run_suites
    from training.evaluation.suites import MODULES

    if args.suite not in ("quality", "all"):
        return run_suites([args.suite], args)
    code = run(args)
    if args.suite == "quality" or code == 2:
        return code
    if args.output:
        args.output = args.output.with_stem(f"{args.output.stem}-suites")
    return max(code, run_suites(MODULES, args))


def corpus(args: argparse.Namespace) -> int:
    """Write the table of real texts and print its counts and hash; its text must stay out of the project."""
    from training.corpus import corpus_hash, data_folder, read_corpus

    folder = data_folder(args.data)
    if folder is None:
        print("name the data folder with --data or $SCREENING_DATA", file=sys.stderr)
        return 2
    table = read_corpus(folder)
    print(table.groupby(["kind", "language", "label"]).size().to_string())
    print(f"{len(table)} texts, corpus hash {corpus_hash(table)}")
    if args.output:
        table.to_parquet(args.output)
    return 0


def compile_phrases(args: argparse.Namespace) -> int:
    """Compile the catalogue's TOML files into the arrays that load at once."""
    sources = read_sources()
    catalogue = compile_catalogue(sources)
    table, arrays = to_compiled(catalogue, sources)
    (PACKAGE_DATA / COMPILED).write_bytes(table)
    (PACKAGE_DATA / AUTOMATA).write_bytes(arrays)
    print(json.dumps({"phrases": len(catalogue.phrases), "states": len(catalogue.automata.accept)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
