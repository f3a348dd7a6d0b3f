"""The indicators: what they mean, on whose authority, and the phrases that show them."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib import resources
from itertools import pairwise
from math import inf
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from screening.anchors import ASKED, Anchor, anchors_of, rate_of
from screening.assessment import Role
from screening.classes import classes_of
from screening.errors import CatalogueError
from screening.neutral import counterpart, elsewhere, names_of
from screening.patterns import ANY, NUMBER, Automaton, Node, compile_pattern, parse_list, parse_pattern

Ints = NDArray[np.int32]

LANGUAGES = ("es", "pt", "en")
FORMAT = 1
COMPILED, AUTOMATA = "catalogue.json", "automata.npz"
STRENGTHS = ("strong", "medium", "weak")
GENDERED = {"targeting", "venue"}  # families about whom an offer seeks: their phrases are read as written
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
    """One pattern of one indicator in one language."""

    code: str
    language: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Automata:
    """All phrases as one automaton, in arrays that load without work.

    Attributes
    ----------
    first
        int32 of shape (states + 1,): the edges of state s are `first[s]:first[s + 1]`.
    atom, target
        int32 of shape (edges,): what an edge reads, and the state it leads to.
    start
        int32 of shape (phrases + 1,): phrase p has the states `start[p]:start[p + 1]` and starts at the first.
    accept
        bool of shape (states,): whether a phrase ends there.
    longest
        int32 of shape (phrases,): the most tokens a match takes.
    anchor
        int32 of shape (anchors,): states that matches pass through, ascending; see `anchors`.
    asked
        int32 of shape (anchors, ASKED): sets of atoms of which matches through an anchor also read one; -1 for none.
    asked_at
        int32 of shape (anchors, ASKED, 2): where they do; `first` and `bits` of `anchors.Ask`.
    set_first, set_atom
        int32: set i has the atoms `set_atom[set_first[i]:set_first[i + 1]]`.
    name_class, class_first, class_atom
        int32: which atoms each word and prefix satisfies; see `classes.classes_of`.
    """

    first: Ints
    atom: Ints
    target: Ints
    start: Ints
    accept: NDArray[np.bool_]
    longest: Ints
    anchor: Ints
    asked: Ints
    asked_at: Ints
    set_first: Ints
    set_atom: Ints
    name_class: Ints
    class_first: Ints
    class_atom: Ints


def starts(counts: NDArray[Any]) -> Ints:
    """Return int32 of shape (rows + 1,): where each row starts, and the end."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


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
    """All indicators in file order, their phrases, the example texts that hold them (from TOML only), and all atoms."""

    indicators: tuple[Indicator, ...]
    phrases: tuple[Phrase, ...]
    examples: tuple[Example, ...]
    atoms: tuple[str, ...]
    automata: Automata

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
    """Return the catalogue that ships with the package, from its compiled form where that is current.

    Raises
    ------
    CatalogueError
        If a file breaks a rule; the message names file, code and rule.
    """
    sources = read_sources()
    data = resources.files("screening") / "data"
    if (data / COMPILED).is_file() and (data / AUTOMATA).is_file():
        stored = json.loads((data / COMPILED).read_bytes())
        if stored["sources"] == hash_of(sources):
            return _from_compiled(stored, (data / AUTOMATA).read_bytes())
    return compile_catalogue(sources)


def read_sources() -> dict[str, bytes]:
    """Return the shipped files of the catalogue by name."""
    data = resources.files("screening") / "data"
    names = ["indicators.toml", "neutral.toml", *(f"phrases/{language}.toml" for language in LANGUAGES)]
    return {name: data.joinpath(*name.split("/")).read_bytes() for name in names}


def hash_of(sources: Mapping[str, bytes]) -> str:
    """Return one hash of the catalogue's files."""
    return hashlib.sha256(b"\0".join(sources.values())).hexdigest()


def compile_catalogue(sources: Mapping[str, bytes]) -> Catalogue:
    """Return the catalogue read and checked from its TOML files: about two seconds' work."""
    indicators = read_indicators(sources["indicators.toml"].decode(), "indicators.toml")
    builder = CatalogueBuilder(indicators)
    for language in LANGUAGES:
        name = f"phrases/{language}.toml"
        builder.add_language(sources[name].decode(), name, language)
    return builder.catalogue()


def to_compiled(catalogue: Catalogue, sources: Mapping[str, bytes]) -> tuple[bytes, bytes]:
    """Return the two compiled files, which load without parsing; examples are left out."""
    table = {
        "sources": hash_of(sources),
        "atoms": catalogue.atoms,
        "indicators": [asdict(i) for i in catalogue.indicators],
        "phrases": [[p.code, p.language, p.pattern] for p in catalogue.phrases],
    }
    buffer = io.BytesIO()
    np.savez(buffer, **{f.name: getattr(catalogue.automata, f.name) for f in fields(Automata)})
    return json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode(), buffer.getvalue()


def _from_compiled(stored: dict[str, Any], arrays: bytes) -> Catalogue:
    with np.load(io.BytesIO(arrays), allow_pickle=False) as loaded:
        automata = Automata(**{f.name: loaded[f.name] for f in fields(Automata)})
    indicators = tuple(Indicator(**row) for row in stored["indicators"])
    return Catalogue(indicators, tuple(Phrase(*p) for p in stored["phrases"]), (), tuple(stored["atoms"]), automata)


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


class CatalogueBuilder:
    """Gathers phrase files, checked against the indicators, and numbers their atoms."""

    def __init__(self, indicators: tuple[Indicator, ...]) -> None:
        self._indicators = indicators
        self._families = {i.code: i.family for i in indicators}
        self._atoms = {ANY: 0, NUMBER: 1}
        self._phrases: list[Phrase] = []
        self._compiled: list[Automaton] = []
        self._examples: list[Example] = []

    def catalogue(self) -> Catalogue:
        """Return all that was added."""
        return Catalogue(
            self._indicators, tuple(self._phrases), tuple(self._examples), tuple(self._atoms), self._automata()
        )

    def _automata(self) -> Automata:
        edges: list[list[tuple[int, int]]] = []
        start, accept, longest = [0], [], []
        for automaton in self._compiled:
            base = len(edges)
            edges += [[(self._atoms[a], base + t) for a, t in out] for out in automaton.edges]
            accept += [state in automaton.accept for state in range(len(automaton.edges))]
            start.append(len(edges))
            longest.append(automaton.longest)
        flat = [edge for out in edges for edge in out]
        first = starts(np.array([len(out) for out in edges], np.int64))
        atom, target = np.array(flat, np.int32).reshape(-1, 2).T.copy()
        return Automata(
            first,
            atom,
            target,
            np.array(start, np.int32),
            np.array(accept, bool),
            np.array(longest, np.int32),
            *(*self._anchors(edges, accept, start), *classes_of(tuple(self._atoms))),
        )

    def _anchors(self, edges: list[list[tuple[int, int]]], accept: list[bool], start: list[int]) -> tuple[Ints, ...]:
        rates = [inf if atom == ANY else rate_of(atom) for atom in self._atoms]
        anchors: list[Anchor] = []
        for low, high in pairwise(start):
            own = [[(atom, target - low) for atom, target in out] for out in edges[low:high]]
            anchors += [replace(a, state=low + a.state) for a in anchors_of(own, accept[low:high], rates)]
        anchors.sort(key=lambda anchor: anchor.state)
        sets: dict[tuple[int, ...], int] = {}
        asked, at = np.full((len(anchors), ASKED), -1, np.int32), np.zeros((len(anchors), ASKED, 2), np.int32)
        for i, anchor in enumerate(anchors):
            for j, ask in enumerate(anchor.asked):
                asked[i, j] = sets.setdefault(ask.atoms, len(sets))
                at[i, j] = ask.first, ask.bits
        return (
            np.array([anchor.state for anchor in anchors], np.int32),
            asked,
            at,
            starts(np.array([len(atoms) for atoms in sets], np.int64)),
            np.array([atom for atoms in sets for atom in atoms], np.int32),
        )

    def add_language(self, toml: str, name: str, language: str) -> None:
        """Add one language file."""
        table = _parse_toml(toml, name)
        lists = _read_lists(table.pop("lists", {}), name, _group_lists())
        if unknown := sorted(set(table) - set(self._families)):
            raise CatalogueError(f"{name}: no indicator has the code {', '.join(unknown)}")
        for code, entry in table.items():
            _check_entry(entry, f"{name}: {code}")
            for pattern in entry["patterns"]:
                self._add(pattern, lists, f"{name}: {code}", Phrase(code, language, pattern))
            for hit, key in ((True, "hits"), (False, "misses")):
                self._examples += [Example(code, language, text, hit) for text in entry[key]]

    def _add(self, pattern: str, lists: Mapping[str, Node], place: str, phrase: Phrase) -> None:
        try:
            automaton = compile_pattern(parse_pattern(pattern, lists))
        except CatalogueError as error:
            raise CatalogueError(f"{place}: {pattern!r}: {error}") from error
        gendered = self._families[phrase.code] in GENDERED
        automaton = all_dialects(automaton if gendered else both_genders(automaton), phrase.language)
        for out in automaton.edges:
            for atom, _ in out:
                self._atoms.setdefault(atom, len(self._atoms))
        self._compiled.append(automaton)
        self._phrases.append(phrase)


def both_genders(automaton: Automaton) -> Automaton:
    """Return the automaton reading "cocinera" wherever it reads "cocinero", and the other way round."""
    return _rewritten(automaton, _with_counterparts)


def all_dialects(automaton: Automaton, language: str) -> Automaton:
    """Return the automaton reading "chamba" and "laburo" wherever it reads "trabajo"."""
    return _rewritten(automaton, functools.partial(_with_dialects, language=language))


def _rewritten(automaton: Automaton, change: Callable[[str], str]) -> Automaton:
    edges = [[(change(atom), target) for atom, target in out] for out in automaton.edges]
    return Automaton(edges, automaton.accept, automaton.longest)


@functools.cache
def _with_counterparts(atom: str) -> str:
    words = atom.split("|")
    others = {other + word[len(word.rstrip("*")) :] for word in words if (other := counterpart(word.rstrip("*")))}
    return "|".join(sorted({*words, *others}))


@functools.cache
def _with_dialects(atom: str, language: str) -> str:
    words = atom.split("|")
    return "|".join(sorted({*words, *(other for word in words for other in elsewhere(word, language))}))


def _check_entry(entry: Mapping[str, Any], place: str) -> None:
    if set(entry) != {"patterns", "hits", "misses"}:
        raise CatalogueError(f"{place}: wants exactly patterns, hits and misses; has {sorted(entry)}")
    if min(len(entry["hits"]), len(entry["misses"])) < MIN_EXAMPLES:
        raise CatalogueError(f"{place}: wants {MIN_EXAMPLES} hits and {MIN_EXAMPLES} misses at least")


def _group_lists() -> dict[str, Node]:
    """Return the lists every file has: so no pattern knows one country or nationality and not another."""
    return {name: parse_list(name, names_of(name), {}) for name in ("country", "nationality")}


def _read_lists(table: Mapping[str, list[str]], name: str, lists: dict[str, Node]) -> dict[str, Node]:
    for key, items in table.items():
        try:
            lists[key] = parse_list(key, items, lists)
        except CatalogueError as error:
            raise CatalogueError(f"{name}: lists.{key}: {error}") from error
    return lists
