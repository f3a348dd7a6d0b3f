"""Whether what an explanation shows is what made the decision.

Shown are the spans of the findings that raise the score, and the words and pairs of the ten
strongest positive word terms, wherever they stand in the text. Without them a flagged text
should no longer be flagged; with nothing but them it should still be (comprehensiveness and
sufficiency: DeYoung et al. 2020, ERASER). A gap is closed by a line break, so that words
which did not stand together are not read as a phrase.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pandas as pd

from screening import Screener
from screening.assessment import Assessment
from screening.features import Features, Featuriser, shape
from screening.neutral import neutral_words
from screening.tokens import BOUNDARY

SHOWN_WORDS = 10  # strongest positive word terms
FEWER_WORDS = (5, 3, 0)  # shown beside it: the fewer suffice, the more the explanation says
WANTED = {"drop_without": 0.95, "kept_by_them": 0.90}
MEASURED = (*WANTED, "drop_at_random", "shown")

Ranges = list[tuple[int, int]]


def shown_ranges(assessment: Assessment, features: Features, words: int = SHOWN_WORDS) -> Ranges:
    """Return the half-open ranges of the original text that the explanation shows, in order, merged."""
    ranges = [(s.start, s.end) for f in assessment.findings if f.contribution > 0 for s in f.spans]
    positive = (c for c in assessment.contributions if c.kind == "words" and c.value > 0)
    terms = {c.name for c, _ in zip(positive, range(words), strict=False)}
    return merged(ranges + list(_places(features, terms)))


def _places(features: Features, terms: set[str]) -> Iterable[tuple[int, int]]:
    """Yield where words and pairs stand in the original text."""
    tokens, before = features.tokens, ("", (0, 0))
    words = [*neutral_words(tokens.texts), (BOUNDARY, len(tokens))]
    for (token, first), (_, after) in pairwise(words):
        if token == BOUNDARY:
            before = ("", (0, 0))
            continue
        word, place = shape(token), features.folded.original_span(tokens.starts[first], tokens.ends[after - 1])
        if word in terms:
            yield place
        if before[0] and f"{before[0]} {word}" in terms:
            yield from (before[1], place)
        before = (word, place)


def merged(ranges: Ranges) -> Ranges:
    """Return the ranges in order, overlapping ones as one."""
    joined: Ranges = []
    for start, end in sorted(ranges):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def without(text: str, ranges: Ranges) -> str:
    """Return the text with the ranges taken out."""
    edges = [0, *(edge for pair in ranges for edge in pair), len(text)]
    pieces = [text[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2)]
    return "\n".join(piece for piece in pieces if piece.strip())


def only(text: str, ranges: Ranges) -> str:
    """Return what stands in the ranges; pieces with nothing but a space between them stay together."""
    kept, last = "", None
    for start, end in ranges:
        if last is not None:
            between = text[last:start]
            kept += between if not between.strip() and "\n" not in between else "\n"
        kept, last = kept + text[start:end], end
    return kept


def at_random(text: str, ranges: Ranges) -> Ranges:
    """Return as many letters' worth of words drawn at random: what removing any words would do."""
    words = [m.span() for m in re.finditer(r"\w+", text)]
    random.Random(text).shuffle(words)
    wanted = sum(end - start for start, end in ranges)
    taken: Ranges = []
    while words and sum(end - start for start, end in taken) < wanted:
        taken.append(words.pop())
    return merged(taken)


def faithfulness(table: pd.DataFrame, screener: Screener, featurise: Featuriser) -> dict[str, Any]:
    """Return the shares over all texts of the table that are flagged: by kind, language, and with fewer words shown."""
    flagged = [
        (a, featurise(text), kind, language)
        for text, kind, language in zip(table.text, table.kind, table.language, strict=True)
        if (a := screener.screen(text)).level != "low"
    ]
    rows = [
        {"kind": kind, "language": language, "words": words, **_trial(screener, assessment, features, words)}
        for assessment, features, kind, language in flagged
        for words in (SHOWN_WORDS, *FEWER_WORDS)
    ]
    tried = pd.DataFrame(rows, columns=["kind", "language", "words", *MEASURED])
    found = tried[tried.words == SHOWN_WORDS]
    fewer = {f"{n} words": tried[tried.words == n] for n in FEWER_WORDS}
    parts = [*found.groupby("kind"), *found.groupby("language"), ("all", found), *fewer.items()]
    return {"shown_words": SHOWN_WORDS, "groups": {str(name): _means(part) for name, part in parts}}


def _trial(screener: Screener, assessment: Assessment, features: Features, words: int) -> dict[str, float]:
    text = assessment.text
    ranges = shown_ranges(assessment, features, words)
    return {
        "drop_without": screener.screen(without(text, ranges)).level == "low",
        "kept_by_them": screener.screen(only(text, ranges)).level != "low",
        "drop_at_random": screener.screen(without(text, at_random(text, ranges))).level == "low",
        "shown": sum(end - start for start, end in ranges) / len(text),
    }


def _means(rows: pd.DataFrame) -> dict[str, float]:
    return {"texts": len(rows), **{name: float(rows[name].mean()) if len(rows) else 0.0 for name in MEASURED}}


def measures(results: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return what is pinned: name -> (value, wanted)."""
    return {f"all.{name}": (results["groups"]["all"][name], wanted) for name, wanted in WANTED.items()}


def as_text(results: dict[str, Any]) -> str:
    """Return the shares as a table to read."""
    lines = [
        f"shown: spans of findings that raise the score and the {results['shown_words']} strongest positive word terms",
        f"wanted: {WANTED['drop_without']:.0%} drop below review without them, "
        f"{WANTED['kept_by_them']:.0%} stay flagged by them alone",
        f"{'flagged texts':<18}{'texts':>6}{'drop without':>14}{'kept by them':>14}{'drop at random':>16}{'shown':>8}",
    ]
    for name, row in results["groups"].items():
        lines.append(
            f"{name:<18}{row['texts']:>6}{row['drop_without']:>14.3f}{row['kept_by_them']:>14.3f}"
            f"{row['drop_at_random']:>16.3f}{row['shown']:>8.2f}"
        )
    return "\n".join(lines)
