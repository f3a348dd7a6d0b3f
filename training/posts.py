"""A platform's posts and its moderators' decisions, read whole: a wrong file is refused, no row drops unseen."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from screening.errors import InputError
from screening.fold import fold_text
from screening.inputs import open_table, postings
from screening.language import detect_language
from screening.rows import Reject
from screening.screener import MAX_TEXT

# As the HTML report exports them: the moderator agrees, or not, that the posting is a deceptive offer.
LABELS = {"agree": 1, "disagree": 0, "unsure": None}
MIN_DECIDED = 50  # posts judged agree or disagree: fewer do not even measure whether they helped
MIN_EACH = 10  # of either side
MAX_NAMED = 5  # ids named in a message


class DecisionError(ValueError):
    """Raised when decisions cannot teach: unknown values, posts not found, conflicts, too few or one-sided."""


def read_posts(path: str | Path, column: str | None = None) -> tuple[pd.DataFrame, list[Reject]]:
    """Return the posts of a file, and the rows that hold none.

    Parameters
    ----------
    path
        CSV, JSONL or Parquet, plain or .gz.
    column
        The one with the post; otherwise one of the names `screening score` knows.

    Returns
    -------
    pd.DataFrame
        Columns id, text (as far as a screener reads it), language, source, group, all str. `id` is
        the row's number among all rows, from 1, where the file has none, as in the HTML report;
        `source` and `group` are "" likewise.
    list of Reject
        What could not be read, and why.
    """
    rows, rejects = [], []
    with open_table(str(path)) as table:
        for number, item in enumerate(postings(table, column), 1):
            if isinstance(item, Reject):
                rejects.append(item)
                continue
            row, post = item
            key, text = _cell(row.values, "id") or str(number), post[:MAX_TEXT]
            rows.append((key, text, language_of(text), *(_cell(row.values, name) for name in _GROUPINGS)))
    return pd.DataFrame(rows, columns=["id", "text", "language", *_GROUPINGS], dtype=object), rejects


_GROUPINGS = ("source", "group")
_WORD = re.compile(r"[^\W\d_]+")


def language_of(text: str) -> str:
    """Return "es", "pt", "en" or "other"."""
    return detect_language(dict.fromkeys(_WORD.findall(fold_text(text))))


def _cell(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return "" if value is None or value != value else str(value)  # a NaN is not itself


def say_rejects(path: str | Path, rejects: list[Reject]) -> None:
    """Print on standard error how many rows of a file were left out, by reason."""
    for reason, count in Counter(reject.reason for reject in rejects).most_common():
        print(f"{path}: {count:,} rows left out: {reason}", file=sys.stderr)


def read_decisions(path: str | Path) -> dict[str, str]:
    """Return id -> "agree", "disagree" or "unsure" from a file with those two columns, as the HTML report exports it.

    Raises
    ------
    DecisionError
        If a row cannot be read, a value is unknown, or one id has two decisions.
    """
    decisions: dict[str, str] = {}
    with open_table(str(path), "csv") as table:
        if table.columns is not None and (missing := {"id", "decision"} - set(table.columns)):
            raise InputError(f"{path}: no column {_some(missing)}; its columns are {_some(table.columns)}")
        for row in table.rows:
            if isinstance(row, Reject):
                raise DecisionError(f"{path}: {row.unit} {row.place}: {row.reason}; mend it and run again")
            key, value = _cell(row.values, "id"), _cell(row.values, "decision").strip().lower()
            if value not in LABELS:
                raise DecisionError(f"{path}: line {row.place}: decision {value!r}; wanted {', '.join(LABELS)}")
            if decisions.setdefault(key, value) != value:
                raise DecisionError(f"{path}: {key!r} is decided both {decisions[key]} and {value}; settle it")
    return decisions


def decided_posts(posts: pd.DataFrame, decisions: Mapping[str, str]) -> pd.DataFrame:
    """Return the posts judged agree (`label` 1) or disagree (0), with the row of `posts` each stands in as index.

    Raises
    ------
    DecisionError
        If a decided id is in no post or in two that differ, or there is too little or one-sided judgement.
    """
    wanted = _unguarded(decisions, set(posts.id))
    found = posts[posts.id.isin(list(wanted))].drop_duplicates(["id", "text"])
    if absent := set(wanted) - set(found.id):
        raise DecisionError(
            f"{len(absent):,} of {len(wanted):,} decided ids are in no post that could be read: {_some(absent)}; "
            "give the file the report was made from"
        )
    if twice := set(found.id[found.id.duplicated()]):
        raise DecisionError(f"{len(twice):,} decided ids stand for two posts: {_some(twice)}; make ids unique")
    judged = found.assign(label=[LABELS[wanted[key]] for key in found.id]).dropna(subset="label")
    judged = _one_a_text(judged.assign(label=judged.label.astype(int)))
    _check_enough(judged.label)
    return judged


def _one_a_text(judged: pd.DataFrame) -> pd.DataFrame:
    """Return one row a text: the same words cannot be both."""
    clash = judged.groupby("text").label.nunique() > 1
    if clash.any():
        ids = judged.id[judged.text.isin(clash.index[clash])]
        raise DecisionError(f"posts with the same text are decided both ways: {_some(ids)}; settle them")
    return judged.drop_duplicates("text")


def _unguarded(decisions: Mapping[str, str], ids: set[str]) -> dict[str, str]:
    """Return decisions by post id; the export puts ' before an id that a spreadsheet would run."""
    return {key[1:] if key not in ids and key[:1] == "'" else key: value for key, value in decisions.items()}


def _check_enough(labels: pd.Series) -> None:
    agree = int(labels.sum())
    disagree = len(labels) - agree
    counts = f"{agree} agree and {disagree} disagree on different texts (unsure teaches nothing)"
    if len(labels) < MIN_DECIDED:
        raise DecisionError(f"{counts}: {MIN_DECIDED} are needed at least; decide more posts")
    if min(agree, disagree) < MIN_EACH:
        raise DecisionError(f"{counts}: one-sided; {MIN_EACH} of either are needed at least")


def _some(ids: Iterable[str]) -> str:
    """Return the first few of some names."""
    names = sorted(set(ids))
    return ", ".join(map(repr, names[:MAX_NAMED])) + (", …" if len(names) > MAX_NAMED else "")
