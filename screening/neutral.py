"""Words of nationality, ethnicity, gender and dialect, seen as one: no group can move a score by itself."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from screening.fold import fold_text

ENDINGS = ("o", "a", "os", "as")
LONGEST = 4  # words in the longest name of a country


def neutral_words(texts: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield the tokens, names of groups and words of a dialect replaced by their neutral form, each with its index.

    >>> list(neutral_words(["una", "camarera", "de", "costa", "rica"]))
    [('un', 0), ('mesero', 1), ('de', 2), ('@nation', 3)]
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


def names_of(block: str) -> list[str]:
    """Return the folded names of "country" or "nationality"; what is both ("argentina") counts as a country."""
    names = {" ".join(name) for name in _names(_block(block))}
    if block == "nationality":
        names -= set(names_of("country"))
    return sorted(names)


def counterpart(word: str) -> str | None:
    """Return the same word of the other gender, None where the table has none."""
    return _counterparts().get(word)


def elsewhere(word: str, language: str) -> frozenset[str]:
    """Return the single words that other countries of a language have for the same thing as a word or prefix.

    >>> sorted(elsewhere("mozo", "es"))
    ['camarero', 'garzon', 'mesero']
    """
    stem, dialects = word.rstrip("*"), _dialects(language)
    named = {word} if stem == word else {known for known in dialects if known.startswith(stem)}
    return frozenset().union(*(dialects.get(name, frozenset()) for name in named)) - {word}


@functools.cache
def _data() -> dict[str, Any]:
    return tomllib.loads((resources.files("screening") / "data" / "neutral.toml").read_text("utf-8"))


def _block(block: str) -> str:
    return next(str(blocks[block]) for blocks in _data()["same"].values() if block in blocks)


@functools.cache
def _table() -> tuple[dict[tuple[str, ...], str], frozenset[str]]:
    same = _data()["same"].items()
    table = {name: token for token, blocks in same for block in blocks.values() for name in _names(block)}
    table.update({(second,): first for first, second in _pairs()})
    for kept, *others in _dialect_lines():
        table.update(dict.fromkeys(others, " ".join(kept)))
    table = {name: _last(form, table) for name, form in table.items()}
    return table, frozenset(name[0] for name in table)


def _last(form: str, table: Mapping[tuple[str, ...], str]) -> str:
    """Return where a chain of forms ends: "garzona" is read as "garzon", and that as "mesero"."""
    while (further := table.get((form,), form)) != form:
        form = further
    return form


@functools.cache
def _counterparts() -> dict[str, str]:
    return {word: other for pair in _pairs() for word, other in (pair, pair[::-1])}


def _pairs() -> list[tuple[str, str]]:
    """Return (form that is kept, form that is read as it), the kept one mostly masculine."""
    entries = _data()["gender"]["pairs"].replace("\n", "|").split("|")
    return [(first, second) for first, second in (fold_text(e).split() for e in entries if e.strip())]


def _dialect_lines(*languages: str) -> Iterator[list[tuple[str, ...]]]:
    """Yield the words of each meaning, the kept one first; of all languages where none is named."""
    tables = _data()["dialect"]
    for language in languages or tables:
        for line in tables[language].strip().splitlines():
            yield [tuple(fold_text(name).split()) for name in line.split("|")]


@functools.cache
def _dialects(language: str) -> dict[str, frozenset[str]]:
    """Return the single words of each meaning in a language, by each of them."""
    lines = _dialect_lines("any", language)
    meanings = [frozenset(name[0] for name in line if len(name) == 1) for line in lines]
    return {word: words for words in meanings for word in words}


def _names(block: str) -> Iterator[tuple[str, ...]]:
    for entry in block.replace("\n", "|").split("|"):
        words = tuple(fold_text(entry).split())
        if words and words[-1].endswith("~"):
            yield from ((*words[:-1], words[-1][:-1] + ending) for ending in ENDINGS)
        elif words:
            yield words
