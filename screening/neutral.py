"""Words of nationality, ethnicity and gender, seen as one: no group can move a score by itself."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources

from screening.fold import fold_text

ENDINGS = ("o", "a", "os", "as")
LONGEST = 4  # words in the longest name of a country


def neutral_words(texts: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield the tokens, names of groups replaced by their neutral form, each with its index.

    >>> list(neutral_words(["una", "amiga", "de", "costa", "rica"]))
    [('una', 0), ('amigo', 1), ('de', 2), ('@country', 3)]
    """
    table, openings = _table()
    i = 0
    while i < len(texts):
        width = _width(texts, i, table) if texts[i] in openings else 0
        yield (table[tuple(texts[i : i + width])] if width else texts[i]), i
        i += width or 1


def _width(texts: Sequence[str], i: int, table: Mapping[tuple[str, ...], str]) -> int:
    """Return how many tokens the longest name at i takes, 0 for none."""
    return next((n for n in range(LONGEST, 0, -1) if tuple(texts[i : i + n]) in table), 0)


def names_of(token: str) -> list[str]:
    """Return the folded names that are read as a token, such as "@country"."""
    return sorted(" ".join(name) for name, neutral in _table()[0].items() if neutral == token)


@functools.cache
def _table() -> tuple[dict[tuple[str, ...], str], frozenset[str]]:
    data = tomllib.loads((resources.files("screening") / "data" / "neutral.toml").read_text("utf-8"))
    table = {name: token for token, names in data["same"].items() for name in _names(names)}
    for pair in data["gender"]["pairs"].replace("\n", "|").split("|"):
        if pair.strip():
            first, second = fold_text(pair).split()
            table[(second,)] = first
    return table, frozenset(name[0] for name in table)


def _names(block: str) -> Iterator[tuple[str, ...]]:
    for entry in block.replace("\n", "|").split("|"):
        words = tuple(fold_text(entry).split())
        if words and words[-1].endswith("~"):
            yield from ((*words[:-1], words[-1][:-1] + ending) for ending in ENDINGS)
        elif words:
            yield words
