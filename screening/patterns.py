"""The pattern language of the phrase files, read into a small automaton over tokens.

    palabra        one token            trabaj*     a prefix (three letters or more)
    (a|b c|d*)     alternatives         x?          optional
    .. / ..5       a gap of 0-3 / 0-5   #           any number token
    @name          a named list         $ € ✈       a symbol token

A pattern is matched inside one sentence. It compiles to a position automaton without
loops, so matching is linear in the tokens, whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from screening.errors import CatalogueError
from screening.fold import fold_text

MAX_GAP = 8  # tokens
DEFAULT_GAP = 3  # tokens
MAX_PATTERN = 40  # tokens the longest match may take
MIN_PREFIX = 3  # letters

ANY, NUMBER = "..", "#"
_LEX = re.compile(r"\s*(?:(\.\.\d?)|([()|?])|(@[\w-]+)|([^\s()|?]+))")

# A node is ("atom", text) | ("seq", nodes) | ("alt", nodes) | ("opt", node)
Node = tuple[str, "str | Node | list[Node]"]


Edges = list[list[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class Automaton:
    """A loop-free automaton: `edges[state]` lists (atom, next state); state 0 starts, `accept` ends.

    An atom is `..`, `#`, or its words and prefixes joined by `|`: single tokens that are
    alternatives of one another are one atom, which keeps long lists cheap.
    """

    edges: Edges
    accept: list[int]
    longest: int


def parse_pattern(pattern: str, lists: Mapping[str, Node]) -> Node:
    """Return the pattern's tree.

    Raises
    ------
    CatalogueError
        If the pattern breaks a rule of the language; the message holds the pattern.
    """
    parser = _Parser(pattern, lists)
    node = parser.alternatives()
    if parser.peek() is not None:
        raise CatalogueError(f"pattern {pattern!r}: unexpected {parser.peek()!r}; close or open a group")
    return node


def parse_list(name: str, items: list[str], lists: Mapping[str, Node]) -> Node:
    """Return the tree of a named list: any of its items."""
    if not items:
        raise CatalogueError(f"list {name!r} is empty")
    return ("alt", [parse_pattern(item, lists) for item in items])


class _Parser:
    def __init__(self, pattern: str, lists: Mapping[str, Node]) -> None:
        self.pattern, self.lists = pattern, lists
        self.lexemes = [next(g for g in m.groups() if g is not None) for m in _LEX.finditer(pattern)]
        self.at = 0

    def peek(self) -> str | None:
        return self.lexemes[self.at] if self.at < len(self.lexemes) else None

    def fail(self, why: str) -> CatalogueError:
        return CatalogueError(f"pattern {self.pattern!r}: {why}")

    def alternatives(self) -> Node:
        options = [self.sequence()]
        while self.peek() == "|":
            self.at += 1
            options.append(self.sequence())
        return options[0] if len(options) == 1 else ("alt", options)

    def sequence(self) -> Node:
        items: list[Node] = []
        while (lexeme := self.peek()) is not None and lexeme not in ("|", ")"):
            item = self.element(lexeme)
            if self.peek() == "?":
                self.at += 1
                item = ("opt", item)
            items.append(item)
        if not items:
            raise self.fail("an alternative is empty; use x? for what may be absent")
        return ("seq", items)

    def element(self, lexeme: str) -> Node:
        self.at += 1
        if lexeme == "(":
            inner = self.alternatives()
            if self.peek() != ")":
                raise self.fail("a group is not closed")
            self.at += 1
            return inner
        if lexeme.startswith(".."):
            return self.gap(lexeme)
        if lexeme.startswith("@"):
            if lexeme[1:] not in self.lists:
                raise self.fail(f"no list named {lexeme[1:]!r} above it; known: {sorted(self.lists)}")
            return self.lists[lexeme[1:]]
        return self.atom(lexeme)

    def gap(self, lexeme: str) -> Node:
        size = int(lexeme[2:]) if lexeme[2:] else DEFAULT_GAP
        if size > MAX_GAP:
            raise self.fail(f"a gap of {size} tokens; at most {MAX_GAP}")
        return ("seq", [("opt", ("atom", ANY)) for _ in range(size)])

    def atom(self, lexeme: str) -> Node:
        if lexeme == NUMBER:
            return ("atom", NUMBER)
        prefix = lexeme.endswith("*")
        word = fold_text(lexeme.rstrip("*")).strip()
        if "*" in word or " " in word or not word:
            raise self.fail(f"{lexeme!r} is not one token")
        if prefix and len(word) < MIN_PREFIX:
            raise self.fail(f"prefix {lexeme!r} is shorter than {MIN_PREFIX} letters")
        if len(word) > 1 and not word.isalpha() and not word.isdigit():
            raise self.fail(f"{lexeme!r} is more than one token; write its tokens apart")
        return ("atom", word + "*" if prefix else word)


def compile_pattern(node: Node) -> Automaton:
    """Return the automaton of a tree.

    Raises
    ------
    CatalogueError
        If the pattern may match nothing, may take too many tokens, or starts or ends with a gap.
    """
    builder = _Builder()
    ends = builder.add(node, {0})
    longest = builder.longest()
    if 0 in ends or longest > MAX_PATTERN:
        raise CatalogueError("may match nothing" if 0 in ends else f"may take {longest} tokens; at most {MAX_PATTERN}")
    entered = {(atom, target) for out in builder.edges for atom, target in out}
    if any(atom == ANY for atom, _ in builder.edges[0]) or any((ANY, end) in entered for end in ends):
        raise CatalogueError("starts or ends with a gap; a match must begin and end on a word")
    return Automaton(builder.edges, sorted(ends), longest)


class _Builder:
    """Position automaton: each atom of the tree becomes a state entered by reading that atom."""

    def __init__(self) -> None:
        self.edges: Edges = [[]]

    def add(self, node: Node, sources: set[int]) -> set[int]:
        """Add a node that may start wherever `sources` end; return where it may end."""
        kind, body = node
        if kind == "atom":
            assert isinstance(body, str)
            return self.read(body, sources)
        if kind == "opt":
            assert isinstance(body, tuple)
            return sources | self.add(body, sources)
        assert isinstance(body, list)
        if kind == "alt":
            return self.alternatives(node, sources)
        for part in body:
            sources = self.add(part, sources)
        return sources

    def read(self, atom: str, sources: set[int]) -> set[int]:
        self.edges.append([])
        state = len(self.edges) - 1
        for source in sorted(sources):
            self.edges[source].append((atom, state))
        return {state}

    def alternatives(self, node: Node, sources: set[int]) -> set[int]:
        """Single tokens become one atom; the rest are added one by one."""
        options = list(_options(node))
        singles = sorted({word for option in options if (word := _single(option))})
        ends = self.read("|".join(singles), sources) if singles else set()
        for option in options:
            if not _single(option):
                ends = ends | self.add(option, sources)
        return ends

    def longest(self) -> int:
        """Return the longest path in tokens; edges always lead to a later state."""
        longest = [0] * len(self.edges)
        for state in range(len(self.edges) - 1, -1, -1):
            longest[state] = max((1 + longest[target] for _, target in self.edges[state]), default=0)
        return longest[0]


def _options(node: Node) -> Iterator[Node]:
    """Yield the alternatives of a node, those of nested groups included."""
    kind, body = node
    if kind == "alt" and isinstance(body, list):
        for option in body:
            yield from _options(option)
    elif kind == "seq" and isinstance(body, list) and len(body) == 1:
        yield from _options(body[0])
    else:
        yield node


def _single(node: Node) -> str:
    """Return the word or prefix of a node that is just one; empty for any other."""
    kind, body = node
    return body if kind == "atom" and isinstance(body, str) and body not in (ANY, NUMBER) else ""
