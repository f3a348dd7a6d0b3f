"""`python -m training rates --data DIR`: count the catalogue's words in honest texts, for `screening.anchors`."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import screening
from screening.anchors import RATES, UNSEEN
from screening.catalogue import load_catalogue
from screening.fold import fold_text
from screening.matching import Matcher
from screening.tokens import tokenise
from training.corpus import data_folder, read_corpus

SAMPLE = 2500  # texts of each language
DIGITS = 2  # significant ones: more would change with every sample
HEAD = f"# word or prefix, and its share of all tokens of honest texts, from {UNSEEN:.5f} on (python -m training rates)"


def main(argv: Sequence[str]) -> int:
    """Write the rates of words and prefixes that phrases name."""
    parser = argparse.ArgumentParser(prog="python -m training rates", description=__doc__)
    parser.add_argument("--data", help="folder of real texts; else $SCREENING_DATA")
    folder = data_folder(parser.parse_args(argv).data)
    if folder is None:
        print("rates needs real texts: name their folder with --data or $SCREENING_DATA")
        return 2
    table = read_corpus(folder)
    honest = table[table.label == 0].groupby("language").sample(SAMPLE, random_state=0)
    lines = rows(Matcher(load_catalogue()), honest.text)
    path = Path(screening.__file__).parent / "data" / RATES
    path.write_text("\n".join([HEAD, *lines]) + "\n", "utf-8")
    print(f"{path}: {len(lines)} rates")
    return 0


def rows(matcher: Matcher, texts: Iterable[str]) -> list[str]:
    """Return a line for each name of the catalogue that is frequent enough, most frequent first."""
    counts, total = Counter[str](), 0
    for text in texts:
        found = tokenise(fold_text(text), matcher.known).texts
        counts.update(found)
        total += len(found)
    names = Counter[str]()
    for word, count in counts.items():
        for name in matcher.names_of(word):
            names[name] += count
    kept = [(name, count / total) for name, count in names.items() if count / total >= UNSEEN]
    return [f"{name}\t{rate:.{DIGITS}g}" for name, rate in sorted(kept, key=lambda row: (-row[1], row[0]))]
