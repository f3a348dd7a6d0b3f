"""Compare two files of posts: `python -m training drift EARLIER LATER`. What changed, and what it may mean.

Nothing is judged here and no text is written. Intervals take posts as independent: where a campaign
repeats one text they are too narrow, which is why the share of copies is shown beside them.
"""

from __future__ import annotations

import argparse
import json
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from screening.catalogue import load_catalogue
from screening.errors import ScreeningError
from screening.features import Featuriser
from screening.language import detect_language
from screening.model import Model, load_model
from screening.rows import Reject
from screening.score import contributions, logit_of
from training.corpus import template_group
from training.posts import read_posts, say_rejects

Floats = NDArray[np.float64]

LEVELS = ("low", "review", "high")
MIN_POSTS = 30  # in either file: below that, nothing can be said of a share
BINS = 10  # of the earlier file's scores
# The usual reading of the index, from credit scoring (Siddiqi 2006, Credit Risk Scorecards).
SOME, LARGE = 0.1, 0.25
LEVEL = 0.05  # of false discovery over all indicators together, and of other intervals
MIN_RATIO = 1.25  # a rate that changes by less, up or down, is not spoken of
MIN_UNKNOWN = 0.02  # share of words, likewise
MIN_LANGUAGE = 0.05  # share of posts, likewise
MIN_COPIES = 0.05
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
MIN_SHOWN = 0.005  # share of posts for a line in the table where nothing changed; the JSON has all
COPY_WORDS = 5  # shorter openings are greetings, not templates


@dataclass(frozen=True)
class Period:
    """What is compared, one entry a post; `found` is True where the post has the indicator of that column."""

    logits: Floats
    levels: list[str]
    languages: list[str]
    words: Floats
    unknown: Floats
    found: pd.DataFrame
    copies: float


# --- the command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 1 where a file cannot be compared, otherwise 0 whatever changed."""
    args = _parser().parse_args(argv)
    try:
        return _run(args)
    except (ScreeningError, ValueError, OSError) as error:
        print(f"training drift: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training drift", description="Compare two files of posts.")
    parser.add_argument("files", nargs=2, type=Path, metavar="FILE", help="the earlier and the later posts")
    parser.add_argument("--text", metavar="COLUMN", help="the post's column (default: text, description, ...)")
    parser.add_argument("--model", type=Path, metavar="DIR", help="the model in use (default: the shipped one)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write all figures here, as JSON")
    return parser


def _run(args: argparse.Namespace) -> int:
    model = load_model(args.model)
    read = [_read(path, args.text) for path in args.files]
    result = compare(*(period_of(posts.text, model) for posts, _ in read))
    result["files"] = [
        {"name": path.name, "posts": len(posts), "left_out": len(rejects)}
        for path, (posts, rejects) in zip(args.files, read, strict=True)
    ]
    print(as_text(result))
    if args.output:
        args.output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 0


def _read(path: Path, text: str | None) -> tuple[pd.DataFrame, list[Reject]]:
    posts, rejects = read_posts(path, text)
    say_rejects(path, rejects)
    if len(posts) < MIN_POSTS:
        raise ValueError(f"{path} has {len(posts)} posts that can be read; {MIN_POSTS} are needed to compare")
    return posts, rejects


def period_of(texts: Sequence[str], model: Model) -> Period:
    """Return what is compared of some posts, by the serving code, one post at a time."""
    catalogue = load_catalogue()
    featurise = Featuriser(catalogue)
    starts = [model.manifest["thresholds"][level] for level in LEVELS[1:]]
    rows, openings = [], Counter[str]()
    for text in texts:
        f = featurise(text)
        words = [word for word in f.words if word.isalpha()]
        unknown = sum(not model.knows(word) for word in words) / max(1, len(words))
        logit = logit_of(contributions(f, model))
        language = detect_language(f.words)
        rows.append((logit, LEVELS[bisect_right(starts, logit)], language, len(words), unknown, f.values))
        openings[template_group(text, language)] += 1
    logits, levels, languages, lengths, shares, codes = zip(*rows, strict=True)
    found = pd.DataFrame({code: [code in c for c in codes] for code in catalogue.codes})
    copies = sum(n for words, n in openings.items() if n > 1 and len(words.split()) >= COPY_WORDS)
    return Period(
        np.array(logits), list(levels), list(languages), np.array(lengths, float), np.array(shares), found,
        copies / len(rows),
    )  # fmt: skip


# --- the comparison


def compare(a: Period, b: Period) -> dict[str, Any]:
    """Return every figure, in plain JSON types, and `says`: sentences on what changed."""
    result: dict[str, Any] = {
        "scores": {
            "quantiles": [list(QUANTILES), *(np.quantile(p.logits, QUANTILES).round(3).tolist() for p in (a, b))],
            **stability(a.logits, b.logits),
        },
        "levels": {level: rates(*(np.array(p.levels) == level for p in (a, b))) for level in ("review", "high")},
        "indicators": _indicators(a, b),
        "unknown_words": means(a.unknown, b.unknown),
        "languages": {
            language: rates(*(np.array(p.languages) == language for p in (a, b))) for language in _spoken(a, b)
        },
        "words_per_post": [np.quantile(p.words, QUANTILES).round(1).tolist() for p in (a, b)],
        "copies": [round(a.copies, 4), round(b.copies, 4)],
    }
    return {**result, "says": list(sentences(result))}


def _spoken(a: Period, b: Period) -> list[str]:
    return sorted({*a.languages, *b.languages})


def stability(a: Floats, b: Floats) -> dict[str, float]:
    """Return the population stability index over the earlier file's deciles, and what chance alone reaches.

    Notes
    -----
    Sum of (b - a) · log(b / a) over bins, half a post added to each. Without any change it follows
    (1/n + 1/m) · chi-squared of bins - 1 degrees (Yurdakul and Naranjo 2020, Journal of Risk Model
    Validation 14(4)); `chance` is its 95 % point.
    """
    edges = np.unique(np.quantile(a, np.linspace(0, 1, BINS + 1)[1:-1]))
    shares = []
    for logits in (a, b):
        counts = np.bincount(np.searchsorted(edges, logits), minlength=len(edges) + 1) + 0.5
        shares.append(counts / counts.sum())
    index = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    chance = float(stats.chi2.ppf(1 - LEVEL, len(edges)) * (1 / len(a) + 1 / len(b)))
    return {"stability_index": round(index, 4), "chance": round(chance, 4)}


def rates(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> dict[str, Any]:
    """Return both shares, their ratio with a 95 % interval, and the two-sided p of no difference.

    Notes
    -----
    Ratio and interval: Katz et al. (1978), Biometrics 34, with half a post added to each count.
    p: Fisher's exact test, which also holds where an indicator is rare.
    """
    x, y, n, m = int(a.sum()), int(b.sum()), len(a), len(b)
    ratio = ((y + 0.5) / (m + 0.5)) / ((x + 0.5) / (n + 0.5))
    error = (1 / (x + 0.5) - 1 / (n + 0.5) + 1 / (y + 0.5) - 1 / (m + 0.5)) ** 0.5
    spread = float(np.exp(stats.norm.ppf(1 - LEVEL / 2) * error))
    p = float(stats.fisher_exact([[x, n - x], [y, m - y]]).pvalue)
    return {
        "shares": [round(x / n, 5), round(y / m, 5)],
        "ratio": round(ratio, 3),
        "interval": [round(ratio / spread, 3), round(ratio * spread, 3)],
        "p": p,
    }


def means(a: Floats, b: Floats) -> dict[str, Any]:
    """Return both means, their difference, and its 95 % interval by Welch's test."""
    difference = float(b.mean() - a.mean())
    error = float((a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)) ** 0.5)
    reach = float(stats.norm.ppf(1 - LEVEL / 2)) * error
    return {
        "means": [round(float(a.mean()), 4), round(float(b.mean()), 4)],
        "difference": round(difference, 4),
        "interval": [round(difference - reach, 4), round(difference + reach, 4)],
    }


def _indicators(a: Period, b: Period) -> dict[str, dict[str, Any]]:
    """Return the rates of every indicator found in either file, `changed` by Benjamini and Hochberg (1995)."""
    rows = {
        c: rates(a.found[c].to_numpy(), b.found[c].to_numpy()) for c in a.found if a.found[c].any() or b.found[c].any()
    }
    adjusted = stats.false_discovery_control([row["p"] for row in rows.values()]) if rows else []
    roles = {i.code: i.role for i in load_catalogue().indicators}
    for (code, row), p in zip(rows.items(), adjusted, strict=True):
        row["role"] = roles[code]
        row["changed"] = bool(p < LEVEL and not 1 / MIN_RATIO < row["ratio"] < MIN_RATIO)
    return dict(sorted(rows.items(), key=lambda item: item[1]["p"]))


# --- in words


def sentences(result: dict[str, Any]) -> Iterator[str]:
    """Yield what changed, each with what it may mean; one sentence where nothing did."""
    said = [
        *_about_languages(result["languages"]),
        *_about_scores(result["scores"]),
        *_about_levels(result["levels"]),
        *_about_indicators(result["indicators"]),
        *_about_words(result["unknown_words"]),
        *_about_copies(result["copies"]),
    ]
    yield from said or ["Nothing changed by more than chance and the limits of this report."]


def _about_scores(scores: dict[str, Any]) -> Iterator[str]:
    index = scores["stability_index"]
    if index > max(SOME, scores["chance"]):
        much = "much" if index > LARGE else "somewhat"
        yield (
            f"Scores are spread {much} differently (stability index {index:.2f}, by chance {scores['chance']:.2f}): "
            "other posts come in, or they are written otherwise. Thresholds may pass another share than they did."
        )


def _about_levels(levels: dict[str, Any]) -> Iterator[str]:
    for level, row in levels.items():
        if row["p"] < LEVEL and not 1 / MIN_RATIO < row["ratio"] < MIN_RATIO:
            yield (
                f"{row['shares'][0]:.2%} of posts were {level}, now {row['shares'][1]:.2%} ({_times(row)}): "
                "more or fewer lures, or honest posts that read alike. Decide a few dozen before moving a threshold."
            )


# Role, and whether found more often -> what it may mean.
_MEANINGS = {
    ("risk", True): "a new campaign or wording; read some of these posts",
    ("risk", False): "a campaign that ended, or goes on in words not known here; read what scores just below review",
    ("framing", True): "more warnings, news, accounts or pleas for work come in",
    ("framing", False): "fewer warnings, news, accounts or pleas for work come in",
    ("bounded", True): "posts say more of employer, hours, contract or selection, or lures have learnt to",
    ("bounded", False): "posts say less of employer, hours, contract or selection",
    ("offer", True): "more posts are offers",
    ("offer", False): "fewer posts are offers",
}


def _about_indicators(indicators: dict[str, Any]) -> Iterator[str]:
    changed = {code: row for code, row in indicators.items() if row["changed"]}
    for (role, more), meaning in _MEANINGS.items():
        alike = {code: row for code, row in changed.items() if (row["role"], row["ratio"] > 1) == (role, more)}
        if alike:
            codes = ", ".join(f"{code} ({_times(row)})" for code, row in alike.items())
            yield f"Found {'more' if more else 'less'} often: {codes}: {meaning}."


def _about_words(unknown: dict[str, Any]) -> Iterator[str]:
    low, high = unknown["interval"]
    if abs(unknown["difference"]) >= MIN_UNKNOWN and not low <= 0 <= high:
        a, b = unknown["means"]
        meaning = (
            "new vocabulary, spelling or language; scores rest on letter n-grams more, so decide and adapt"
            if b > a
            else "posts keep closer to what the model learnt from"
        )
        yield f"{a:.1%} of a post's words were unknown to the model, now {b:.1%}: {meaning}."


def _about_languages(languages: dict[str, Any]) -> Iterator[str]:
    for language, row in languages.items():
        a, b = row["shares"]
        if row["p"] < LEVEL and abs(b - a) >= MIN_LANGUAGE:
            also = " Scores in other languages than es, pt and en mean little." if language == "other" and b > a else ""
            yield f"Posts in {language!r} went from {a:.0%} to {b:.0%}: compare each language on its own first.{also}"


def _about_copies(copies: list[float]) -> Iterator[str]:
    a, b = copies
    if abs(b - a) >= MIN_COPIES:
        yield f"{a:.0%} of posts shared their opening words with another, now {b:.0%}: campaigns weigh on all of this."


def _times(row: dict[str, Any]) -> str:
    low, high = row["interval"]
    return f"×{row['ratio']:.2g}, {low:.2g} to {high:.2g}"


def as_text(result: dict[str, Any]) -> str:
    """Return the figures as a table to read, and the sentences below it."""
    names = [f"{file['name']}, {file['posts']:,} posts" for file in result["files"]]
    lines = [f"earlier: {names[0]}", f"later:   {names[1]}", ""]
    at, *scores = result["scores"]["quantiles"]
    lines.append(f"{'quantile':<30}" + "".join(f"{q:>8.0%}" for q in at))
    for title, rows in (("score (logit)", scores), ("words in a post", result["words_per_post"])):
        for period, row in zip(("earlier", "later"), rows, strict=True):
            lines.append(f"{f'{title}, {period}':<30}" + "".join(f"{value:>8.1f}" for value in row))
    lines += ["", f"{'share of':<30}{'earlier':>9}{'later':>9}{'ratio':>8}   95 % interval"]
    for kind in ("levels", "languages", "indicators"):
        shown = {n: row for n, row in result[kind].items() if row.get("changed") or max(row["shares"]) >= MIN_SHOWN}
        lines += [_rate_line(name, row) for name, row in shown.items()]
    unknown = result["unknown_words"]["means"]
    lines.append(f"{'unknown words':<30}{unknown[0]:>9.2%}{unknown[1]:>9.2%}")
    lines.append(f"{'posts with copies':<30}{result['copies'][0]:>9.2%}{result['copies'][1]:>9.2%}")
    return "\n".join([*lines, "", *(f"- {sentence}" for sentence in result["says"])])


def _rate_line(name: str, row: dict[str, Any]) -> str:
    (a, b), (low, high) = row["shares"], row["interval"]
    mark = "  changed" if row.get("changed") else ""
    return f"{name:<30}{a:>9.2%}{b:>9.2%}{row['ratio']:>8.2f}   {low:.2f} to {high:.2f}{mark}"
