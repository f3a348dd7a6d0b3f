"""Compare the compiled path with the plain one on many texts of all kinds, hostile ones included.

    python tests/bench/check_equality.py [--data DIR] [--texts N] [--json FILE] [--seed N]

A third of the texts are windows of the base texts (real ones with --data, else invented) as they stand, a third
are disguised in the ways of the evasion suite, and a third are made to break things: random Unicode, joiners,
repeats, mixed bits of other texts. Each is read as a string and as UTF-8. Exits with 1 where the paths differ:
a probability by more than 1e-6, or any finding, language, level or note.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import common

from screening import Screener
from screening.fast import LEVELS, SPOKEN, BatchScorer, encoded
from training.corpus import read_corpus
from training.evaluation.evasion import ATTACKS, attacked
from training.generate import generated

LONGEST = 700  # characters of a window
TOLERANCE = 1e-6
ODD = "\u200b\u200d\ufe0f\u0430\u03b1\u00bd\u2460\U0001f525\u2708\ud800\u0301._-*/|~,:;!?()@$#'\n\t 0134578aAeoxX"


def texts(base: Sequence[str], count: int, seed: int) -> Iterator[str]:
    """Yield the texts to compare."""
    rng = random.Random(seed)
    attacks = list(ATTACKS)
    for number in range(count):
        text = window(rng.choice(base), rng)
        kind = number % 3
        if kind == 0:
            yield text
        elif kind == 1:
            yield attacked(text, attacks[number // 3 % len(attacks)], rng.choice(("es", "pt", "en")))
        else:
            yield hostile(text, window(rng.choice(base), rng), rng)


def window(text: str, rng: random.Random) -> str:
    start = rng.randrange(max(1, len(text) - 50))
    return text[start : start + rng.randint(1, LONGEST)]


def hostile(text: str, other: str, rng: random.Random) -> str:
    """Return a text with odd characters put in, bits repeated, and words of another text mixed in."""
    words = text.split(" ") + other.split(" ")
    rng.shuffle(words)
    out = []
    for word in words:
        chance = rng.random()
        if chance < 0.2:
            place = rng.randrange(len(word) + 1)
            word = word[:place] + "".join(rng.choices(ODD, k=rng.randint(1, 4))) + word[place:]
        elif chance < 0.3:
            word = rng.choice(".-_*").join(word)
        elif chance < 0.33:
            word = word * rng.randint(2, 9)
        elif chance < 0.36:
            word = "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randint(1, 6)))
        out.append(word)
    return rng.choice((" ", " ", "\n", ".", ", ", "")).join(out)


def compare(all_texts: Sequence[str]) -> dict[str, float]:
    """Return how many texts differ, and the largest difference of a probability."""
    screener = Screener.load()
    scorer = BatchScorer(screener, compiled=True)
    scores, in_buffers = scorer.score(all_texts), scorer.score_buffers(*encoded(all_texts))
    differing, largest, findings = 0, 0.0, 0
    for row, text in enumerate(all_texts):
        wanted = screener.screen(text, second_look=False)
        found = {finding.code for finding in wanted.findings}
        findings += len(found)
        off = abs(float(scores.probability[row]) - wanted.probability)
        largest = max(largest, off)
        alike = scores.logit[row] == in_buffers.logit[row] and scores.codes[row] == in_buffers.codes[row]
        same = (scores.found(row), SPOKEN[scores.language[row]], LEVELS[scores.level[row]], scores.notes_of(row))
        differing += off > TOLERANCE or not alike or same != (found, wanted.language, wanted.level, wanted.notes)
    return {"texts": len(all_texts), "codes_found": findings, "differing": differing, "largest_difference": largest}


def main() -> int:
    """Print the comparison as JSON; return 1 where the paths differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of real texts; without it they are invented")
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    base = (read_corpus(options.data) if options.data else generated(options.seed)).text.tolist()
    result = compare(list(texts(base, options.texts, options.seed)))
    report = json.dumps({"command": common.command_of(__file__, sys.argv[1:])} | result, indent=1)
    print(report)
    if options.json:
        options.json.write_text(report + "\n", "utf-8")
    return 1 if result["differing"] else 0


if __name__ == "__main__":
    sys.exit(main())
