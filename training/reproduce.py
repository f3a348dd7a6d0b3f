"""`python -m training reproduce --data DIR`: rebuild everything that ships, measure it, and write both cards.

The first tier, the second look, the quality suite, the suites on the shipped model and the
ablation run one after the other; what they print goes into the model card and the data card.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from screening.model import load_model
from training import __main__ as command
from training import ablate, semantic
from training.card import write_card, write_data_card
from training.corpus import data_folder
from training.evaluation import gate
from training.export import HeldOut, build_model, held_out, options_of

PACKAGE_DATA = command.PACKAGE_DATA
DATA_CARD = Path(__file__).parent / "data" / "card.md"
SUITES = ("fairness", "evasion", "faithfulness", "shortcuts", "indicators")


def main(argv: Sequence[str]) -> int:
    """Run all of it; return the first exit code that is not 0."""
    args = options_of("reproduce", __doc__).parse_args(argv)
    if data_folder(args.data) is None:
        print("nothing can be measured without real texts: name their folder with --data or $SCREENING_DATA")
        return 2
    results = args.cache / "results"
    results.mkdir(parents=True, exist_ok=True)
    code = command.main(["compile"])
    return code or _measured(held_out(args.data, args.cache), args, results)


def _measured(held: HeldOut, args: argparse.Namespace, results: Path) -> int:
    """Build and measure from texts scored out of fold once, and write the cards."""
    given = [*(["--data", args.data] if args.data else []), "--cache", str(args.cache)]
    quality = ["evaluate", *given, "-o", str(results / "quality.json"), "--mistakes", str(results / "mistakes.jsonl")]
    runs: dict[str, Callable[[], int]] = {
        "model": lambda: build_model(held, PACKAGE_DATA / "model"),
        "second look": lambda: semantic.build_second_look(held, semantic.OUTPUT, args.cache),
        "quality": lambda: gate.judge(command.parser().parse_args(quality), held),
        **{name: _suite(name, given, results) for name in SUITES},
        "ablation": lambda: ablate.measure(held, results / "ablation.json"),
    }
    printed: dict[str, str] = {}
    for name, run in runs.items():
        code, printed[name] = _told(run)
        if code:
            return code
    (results / "printed.json").write_text(json.dumps(printed, indent=1, ensure_ascii=False) + "\n", "utf-8")
    write_card(PACKAGE_DATA / "model", load_model().manifest, printed)
    write_data_card(DATA_CARD, held.prepared.table, held.real)
    return 0


def _suite(name: str, given: Sequence[str], results: Path) -> Callable[[], int]:
    return lambda: command.main(["evaluate", *given, "--suite", name, "-o", str(results / f"{name}.json")])


class _Tee(io.StringIO):
    """Keeps what is printed, and prints it."""

    def write(self, text: str) -> int:
        sys.__stdout__.write(text)  # type: ignore[union-attr]
        return super().write(text)


def _told(run: Callable[[], int]) -> tuple[int, str]:
    """Return a run's exit code and what it printed."""
    told = _Tee()
    with contextlib.redirect_stdout(told):
        code = run()
    return code, told.getvalue().strip()
