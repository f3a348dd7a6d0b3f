"""Check one phrase file while it is being written: `python -m training.check_phrases es [--background DIR]`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from pathlib import Path

import screening
from screening.catalogue import Catalogue, CatalogueBuilder, Example, read_indicators
from screening.errors import CatalogueError
from screening.fold import fold_text
from screening.matching import Match, Matcher
from screening.tokens import tokenise

DATA = Path(screening.__file__).parent / "data"
SAMPLE = 400  # background texts of each kind


def main() -> int:
    """Print what is wrong with the file; return 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("language", choices=("es", "pt", "en"))
    parser.add_argument(
        "--background",
        type=Path,
        nargs="?",
        const=Path("../shared/data/background"),
        help="folder with background.parquet: print firing rates",
    )
    args = parser.parse_args()
    try:
        catalogue = read_one(args.language)
    except CatalogueError as error:
        print(error)
        return 1
    matcher = Matcher(catalogue)
    wrong = [line for example in catalogue.examples if (line := judge(example, matcher))]
    print("\n".join(wrong))
    counts = Counter(p.code for p in catalogue.phrases)
    empty = [i.code for i in catalogue.indicators if not counts[i.code] and i.code != "evasion-spelling"]
    print(
        f"{len(catalogue.phrases)} patterns, {len(catalogue.examples)} examples, "
        f"{len(wrong)} wrong; no patterns: {empty}"
    )
    if args.background:
        print_rates(args.background, args.language, matcher)
    return bool(wrong or empty)


def read_one(language: str) -> Catalogue:
    """Return the catalogue with one language's phrases."""
    indicators = read_indicators((DATA / "indicators.toml").read_text("utf-8"), "indicators.toml")
    path = DATA / "phrases" / f"{language}.toml"
    builder = CatalogueBuilder(indicators)
    builder.add_language(path.read_text("utf-8"), path.name, language)
    return builder.catalogue()


def judge(example: Example, matcher: Matcher) -> str:
    """Return what is wrong with one example, or nothing."""
    found = {m.phrase.pattern for m in found_in(example.text, matcher) if m.phrase.code == example.code}
    if example.hit == bool(found):
        return ""
    return f"{example.code}: {'not matched' if example.hit else f'matched by {sorted(found)}'}: {example.text}"


def found_in(text: str, matcher: Matcher) -> list[Match]:
    """Return the phrases found in one text."""
    folded = fold_text(text)
    return matcher.find(tokenise(folded, matcher.known), folded)


def print_rates(folder: Path, language: str, matcher: Matcher) -> None:
    """Print, per code, the share of background texts of each kind in which it fires, and its busiest patterns."""
    import pandas as pd

    frame = pd.read_parquet(folder / "background.parquet")
    frame = frame[frame.lang == language]
    rates: dict[str, dict[str, float]] = defaultdict(dict)
    busiest: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, rows in frame.groupby("kind"):
        rows = rows.sample(min(SAMPLE, len(rows)), random_state=0)
        fired: Counter[str] = Counter()
        for text in rows.text:
            matches = found_in(text, matcher)
            fired.update({m.phrase.code for m in matches})
            for m in matches:
                busiest[m.phrase.code][m.phrase.pattern] += 1
        for code, n in fired.items():
            rates[code][str(kind)] = n / len(rows)
    for code in sorted(rates):
        row = "  ".join(f"{kind} {rate:.1%}" for kind, rate in sorted(rates[code].items()))
        print(f"{code}: {row}\n      {busiest[code].most_common(4)}")


if __name__ == "__main__":
    sys.exit(main())
