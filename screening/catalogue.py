"""The indicators: what they mean, on whose authority, and the phrases that show them."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, get_args

from screening.assessment import Role
from screening.errors import CatalogueError
from screening.patterns import Automaton, Node, compile_pattern, parse_list, parse_pattern

LANGUAGES = ("es", "pt", "en")
FORMAT = 1
STRENGTHS = ("strong", "medium", "weak")
MIN_EXAMPLES = 3  # hit and miss texts per indicator and language
_KEYS = {
    "code",
    "family",
    "role",
    "strength",
    "hard",
    "negatable",
    "patterns",
    "title",
    "reason",
    "authority",
    "source",
    "note",
}


@dataclass(frozen=True, slots=True)
class Phrase:
    """One pattern of one indicator in one language, with its automaton and the mirrored one."""

    code: str
    language: str
    pattern: str
    forward: Automaton
    backward: Automaton


@dataclass(frozen=True, slots=True)
class Example:
    """A text that an indicator must (`hit`) or must not find; invented."""

    code: str
    language: str
    text: str
    hit: bool


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator. `title` and `reason` are by language; `authority` cites, `source` says where."""

    code: str
    family: str
    role: Role
    strength: str
    hard: bool
    negatable: bool
    title: Mapping[str, str]
    reason: Mapping[str, str]
    authority: str
    source: str
    note: str


@dataclass(frozen=True)
class Catalogue:
    """All indicators in file order, their phrases, and the example texts that hold them."""

    indicators: tuple[Indicator, ...]
    phrases: tuple[Phrase, ...]
    examples: tuple[Example, ...]

    def __getitem__(self, code: str) -> Indicator:
        return self.by_code[code]

    @functools.cached_property
    def by_code(self) -> dict[str, Indicator]:
        """Return the indicators by code."""
        return {i.code: i for i in self.indicators}

    @property
    def codes(self) -> tuple[str, ...]:
        """Return the codes in order; the model's indicator columns follow it."""
        return tuple(i.code for i in self.indicators)


@functools.cache
def load_catalogue() -> Catalogue:
    """Return the catalogue that ships with the package.

    Raises
    ------
    CatalogueError
        If a file breaks a rule; the message names file, code and rule.
    """
    data = resources.files("screening") / "data"
    indicators = read_indicators((data / "indicators.toml").read_text("utf-8"), "indicators.toml")
    phrases: list[Phrase] = []
    examples: list[Example] = []
    for language in LANGUAGES:
        name = f"phrases/{language}.toml"
        found, shown = read_phrases((data / "phrases" / f"{language}.toml").read_text("utf-8"), name, language, indicators)
        phrases += found
        examples += shown
    return Catalogue(indicators, tuple(phrases), tuple(examples))


def read_indicators(toml: str, name: str) -> tuple[Indicator, ...]:
    """Return the indicators of one file, checked."""
    table = _parse_toml(toml, name)
    if table.get("format") != FORMAT:
        raise CatalogueError(f"{name}: format is {table.get('format')!r}; this version reads format {FORMAT}")
    indicators = tuple(_indicator(row, name) for row in table.get("indicator", []))
    codes = [i.code for i in indicators]
    if twice := sorted({c for c in codes if codes.count(c) > 1}):
        raise CatalogueError(f"{name}: codes given twice: {', '.join(twice)}")
    return indicators


def _parse_toml(toml: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{name}: not valid TOML: {error}") from error


def _indicator(row: Mapping[str, Any], name: str) -> Indicator:
    code = row.get("code", "(no code)")
    if set(row) != _KEYS:
        missing, unknown = sorted(_KEYS - set(row)), sorted(set(row) - _KEYS)
        raise CatalogueError(f"{name}: {code}: missing keys {missing}, unknown keys {unknown}")
    if row["role"] not in get_args(Role) or row["strength"] not in STRENGTHS:
        raise CatalogueError(f"{name}: {code}: role {row['role']!r} or strength {row['strength']!r} is not known")
    for key in ("title", "reason"):
        if set(row[key]) != set(LANGUAGES) or not all(row[key].values()):
            raise CatalogueError(f"{name}: {code}: {key} needs a text for each of {', '.join(LANGUAGES)}")
    if not row["authority"] or not row["source"]:
        raise CatalogueError(f"{name}: {code}: every indicator cites an authority and a source")
    return Indicator(**{key: value for key, value in row.items() if key != "patterns"})


def read_phrases(
    toml: str, name: str, language: str, indicators: Iterable[Indicator]
) -> tuple[list[Phrase], list[Example]]:
    """Return the phrases and examples of one language file, checked against the indicators."""
    table = _parse_toml(toml, name)
    lists = _read_lists(table.pop("lists", {}), name)
    codes = {i.code for i in indicators}
    if unknown := sorted(set(table) - codes):
        raise CatalogueError(f"{name}: no indicator has the code {', '.join(unknown)}")
    phrases: list[Phrase] = []
    examples: list[Example] = []
    for code, entry in table.items():
        if set(entry) != {"patterns", "hits", "misses"}:
            raise CatalogueError(f"{name}: {code}: wants exactly patterns, hits and misses; has {sorted(entry)}")
        if min(len(entry["hits"]), len(entry["misses"])) < MIN_EXAMPLES:
            raise CatalogueError(f"{name}: {code}: wants {MIN_EXAMPLES} hits and {MIN_EXAMPLES} misses at least")
        phrases += [_phrase(pattern, lists, f"{name}: {code}", code, language) for pattern in entry["patterns"]]
        examples += [Example(code, language, text, hit=True) for text in entry["hits"]]
        examples += [Example(code, language, text, hit=False) for text in entry["misses"]]
    return phrases, examples


def _read_lists(table: Mapping[str, list[str]], name: str) -> dict[str, Node]:
    lists: dict[str, Node] = {}
    for key, items in table.items():
        try:
            lists[key] = parse_list(key, items, lists)
        except CatalogueError as error:
            raise CatalogueError(f"{name}: lists.{key}: {error}") from error
    return lists


def _phrase(pattern: str, lists: Mapping[str, Node], place: str, code: str, language: str) -> Phrase:
    try:
        node = parse_pattern(pattern, lists)
        return Phrase(code, language, pattern, compile_pattern(node), compile_pattern(node, reverse=True))
    except CatalogueError as error:
        raise CatalogueError(f"{place}: {pattern!r}: {error}") from error

