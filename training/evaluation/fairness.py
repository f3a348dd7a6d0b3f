"""Whether the score follows who a text speaks of, or how they speak.

Where a real text holds a word of `fairness.toml`, the word is swapped for each of its
equivalents and the probability, at the model's own prevalence, is compared. Beside that, the
mean scores of honest ads that mention each group.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from screening import Screener
from screening.fold import fold_text
from training.evaluation.evasion import in_case_of

TABLES = Path(__file__).with_name("fairness.toml")
MOST = 0.01  # of probability, that a swap may move
TARGET = 1.0  # share of the swaps within it
ONLY_WRITTEN = "~"
MAX_TEXTS = 300  # honest texts an attribute and language: enough for the 99th percentile
MIN_GROUP = 20  # texts, for a mean or a share of them to say anything
AD_KINDS = ("job-ad",)
# Attributes that indicators read on purpose: measured, not held to the limit.
MEANT = frozenset({"gender-target"})


@dataclass(frozen=True)
class Swap:
    """Groups of words that may stand for one another; `groups[i][k]` and `groups[j][k]` are the same form."""

    attribute: str
    language: str
    groups: tuple[tuple[str, ...], ...]
    sought: frozenset[int]
    pattern: re.Pattern[str]
    place: dict[str, tuple[int, int]]

    def variants(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield (group found, group put in its place, text) for every swap in a text."""
        found = {self._place(m)[0] for m in self.pattern.finditer(text)}
        for old in sorted(found):
            for new in range(len(self.groups)):
                if new != old:
                    yield old, new, self.pattern.sub(lambda m, old=old, new=new: self._put(m, old, new), text)

    def mentioned(self, text: str) -> set[int]:
        """Return the groups that a text mentions."""
        return {self._place(m)[0] for m in self.pattern.finditer(text)}

    def _place(self, match: re.Match[str]) -> tuple[int, int]:
        return self.place[match.group().lower()]

    def _put(self, match: re.Match[str], old: int, new: int) -> str:
        group, form = self._place(match)
        return in_case_of(match.group(), self.groups[new][form]) if group == old else match.group()


def swaps(path: Path = TABLES) -> list[Swap]:
    """Return the tables of words.

    Raises
    ------
    ValueError
        If the groups of a table differ in their number of forms.
    """
    return [_swap(row) for row in tomllib.loads(path.read_text("utf-8"))["swap"]]


def _swap(row: dict[str, Any]) -> Swap:
    written = [group.removeprefix(ONLY_WRITTEN).split("|") for group in row["groups"]]
    if len({len(forms) for forms in written}) != 1:
        raise ValueError(f"{row['attribute']}, {row['language']}: groups differ in their number of forms: {written}")
    sought = frozenset(i for i, group in enumerate(row["groups"]) if not group.startswith(ONLY_WRITTEN))
    place: dict[str, tuple[int, int]] = {}
    for i in sorted(sought):
        for k, form in enumerate(written[i]):
            for spelling in (form.lower(), fold_text(form)):
                place.setdefault(spelling, (i, k))
    words = "|".join(map(re.escape, sorted(place, key=len, reverse=True)))
    pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)
    return Swap(row["attribute"], row["language"], tuple(map(tuple, written)), sought, pattern, place)


def fairness(table: pd.DataFrame, screener: Screener, tables: Sequence[Swap]) -> dict[str, Any]:
    """Return the changes that swaps make, by attribute and label, and the gaps between groups in honest ads."""
    moved = _moved(table, screener, tables)
    attributes: dict[str, Any] = {}
    for attribute, rows in moved.groupby("attribute"):
        parts = {"honest": rows[rows.label == 0], "lure": rows[rows.label == 1], "all": rows}
        attributes[str(attribute)] = {name: _change(part) for name, part in parts.items() if len(part)}
    return {"attributes": attributes, "gaps": _gaps(table, screener, tables)}


def _moved(table: pd.DataFrame, screener: Screener, tables: Sequence[Swap]) -> pd.DataFrame:
    """Return one row a swap: what was put for what, and by how much probability and logit moved."""
    rows = []
    for swap in tables:
        for text, label in _chosen(table, swap):
            before = screener.screen(text)
            for old, new, changed in swap.variants(text):
                after = screener.screen(changed)
                names = swap.groups[old][0], swap.groups[new][0]
                change = after.probability - before.probability
                levels = before.level != after.level
                rows.append((swap.attribute, label, text, *names, change, after.logit - before.logit, levels))
    columns = ["attribute", "label", "text", "old", "new", "probability", "logit", "level_changes"]
    return pd.DataFrame(rows, columns=columns)


def _chosen(table: pd.DataFrame, swap: Swap) -> Iterator[tuple[str, int]]:
    """Yield texts that hold a word of the table: all lures, and a fixed draw of the rest."""
    own = table[(table.language == swap.language) & table.text.str.contains(swap.pattern)]
    honest = own[own.label == 0]
    honest = honest.sample(min(MAX_TEXTS, len(honest)), random_state=0)
    for part in (own[own.label == 1], honest):
        yield from zip(part.text, part.label, strict=True)


def _change(rows: pd.DataFrame) -> dict[str, Any]:
    size = rows.probability.abs()
    worst = rows.loc[size.idxmax()]
    by_word = rows.groupby("new").logit.mean()
    return {
        "texts": int(rows.text.nunique()),
        "swaps": len(rows),
        "max": float(size.max()),
        "p99": float(size.quantile(0.99)),
        "share_over": float((size > MOST).mean()),
        "level_changes": float(rows.level_changes.mean()),
        "mean_logit_change": float(rows.logit.abs().mean()),
        "worst": [worst.old, worst.new],
        "raises_most": [str(by_word.idxmax()), float(by_word.max())],
        "lowers_most": [str(by_word.idxmin()), float(by_word.min())],
    }


def _gaps(table: pd.DataFrame, screener: Screener, tables: Sequence[Swap]) -> list[dict[str, Any]]:
    """Return the widest gap in mean score between honest ads that mention each group of a table."""
    gaps = []
    for swap in tables:
        ads = table[table.kind.isin(AD_KINDS) & (table.language == swap.language)]
        ads = ads[ads.text.str.contains(swap.pattern)]
        scores: dict[int, list[tuple[float, float, bool]]] = {}
        for text in ads.text:
            a = screener.screen(text)
            for group in swap.mentioned(text):
                scores.setdefault(group, []).append((a.probability, a.logit, a.level != "low"))
        known = {swap.groups[g][0]: pd.DataFrame(s).mean() for g, s in scores.items() if len(s) >= MIN_GROUP}
        if len(known) > 1:
            means = pd.DataFrame(known).T
            gaps.append(
                {
                    "attribute": swap.attribute,
                    "language": swap.language,
                    "groups": len(known),
                    "ads": len(ads),
                    "gap_probability": float(means[0].max() - means[0].min()),
                    "gap_logit": float(means[1].max() - means[1].min()),
                    "highest": str(means[1].idxmax()),
                    "lowest": str(means[1].idxmin()),
                    "flagged_most": float(means[2].max()),
                }
            )
    return gaps


def measures(results: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return what is pinned: name -> (value, wanted)."""
    return {
        f"{attribute}.{part}.within_{MOST}": (1 - row["share_over"], TARGET)
        for attribute, parts in results["attributes"].items()
        if attribute not in MEANT
        for part, row in parts.items()
        if part != "all" and row["texts"] >= MIN_GROUP
    }


def as_text(results: dict[str, Any]) -> str:
    """Return the changes and the gaps as tables to read."""
    lines = [
        f"change of probability by a swap; wanted: at most {MOST}",
        f"{'attribute':<16}{'texts are':<10}{'texts':>6}{'swaps':>7}{'max':>8}{'p99':>8}{'> limit':>9}"
        f"{'level':>8}{'logit':>7}  raises most / lowers most (mean logit)",
    ]
    for attribute, parts in results["attributes"].items():
        for part, row in parts.items():
            (up, high), (down, low) = row["raises_most"], row["lowers_most"]
            lines.append(
                f"{attribute:<16}{part:<10}{row['texts']:>6}{row['swaps']:>7}{row['max']:>8.3f}{row['p99']:>8.3f}"
                f"{row['share_over']:>9.3f}{row['level_changes']:>8.3f}{row['mean_logit_change']:>7.2f}"
                f"  {up} {high:+.2f} / {down} {low:+.2f}"
            )
    lines.append(f"\nhonest ads that mention each group (at least {MIN_GROUP}): gap between their mean scores")
    lines.append(
        f"{'attribute':<16}{'language':<10}{'groups':>6}{'ads':>6}{'gap p':>8}{'gap logit':>11}  highest / lowest"
    )
    for row in results["gaps"]:
        lines.append(
            f"{row['attribute']:<16}{row['language']:<10}{row['groups']:>6}{row['ads']:>6}{row['gap_probability']:>8.4f}"
            f"{row['gap_logit']:>11.2f}  {row['highest']} / {row['lowest']}"
        )
    return "\n".join(lines)
