"""The pattern language: cases, and agreement with a matcher that simply tries everything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from screening.catalogue import Catalogue, CatalogueBuilder, Indicator
from screening.errors import CatalogueError
from screening.fold import fold
from screening.matching import Matcher
from screening.patterns import MAX_PATTERN, compile_pattern, parse_list, parse_pattern
from screening.tokens import BOUNDARY, Tokens, tokenise

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "cases" / "patterns.json").read_text("utf-8"))
LANGUAGE_TEXTS = {"es": "t", "pt": "t", "en": "t"}


def catalogue_of(*patterns: str) -> Catalogue:
    """Return a catalogue with one indicator that no negator drops."""
    indicator = Indicator(
        "code", "family", "risk", "weak", False, False, LANGUAGE_TEXTS, LANGUAGE_TEXTS, "authority", "source", ""
    )
    builder = CatalogueBuilder((indicator,))
    entry = {"patterns": list(patterns), "hits": ["a"] * 3, "misses": ["b"] * 3}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items()]
    builder.add_language("\n".join(["[code]", *lines]), "es.toml", "es")
    return builder.catalogue()


def evidence(pattern: str, text: str) -> list[str]:
    """Return the stretches of the original text that the pattern matches, by end."""
    matcher, folded = Matcher(catalogue_of(pattern)), fold(text)
    tokens = tokenise(folded.text, matcher.known)
    spans = [
        folded.original_span(tokens.starts[m.start], tokens.ends[m.end - 1]) for m in matcher.find(tokens, folded.text)
    ]
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    assert evidence(case["pattern"], case["text"]) == case["found"]


# --- random patterns, against plain backtracking

WORDS = ("alfa", "alfalfa", "beta", "gama", "$", "7")
ATOMS = ("alfa", "alfalfa", "alf*", "beta", "bet*", "gama", "#", "$", "7")
TEXT_TOKENS = (*WORDS, "delta", "42", BOUNDARY)

# A tree is a str (an atom), an int (a gap), or ("seq" | "alt" | "opt", trees).
Tree = Any
atoms = st.sampled_from(ATOMS)
gaps = st.integers(0, 4)


def inner(trees: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    parts = st.lists(trees, min_size=1, max_size=3)
    return parts.map(lambda p: ("seq", p)) | parts.map(lambda p: ("alt", p)) | trees.map(lambda t: ("opt", [t]))


elements = st.recursive(atoms | gaps, inner, max_leaves=8)
trees = st.builds(
    lambda first, middle, last: ("seq", [first, *middle, last]), atoms, st.lists(elements, max_size=4), atoms
)
token_lists = st.lists(st.sampled_from(TEXT_TOKENS), max_size=12)


def written(tree: Tree) -> str:
    """Return the tree in the pattern language."""
    if isinstance(tree, str):
        return tree
    if isinstance(tree, int):
        return f"..{tree}"
    kind, parts = tree
    if kind == "opt":
        return f"({written(parts[0])})?"
    return f"({('|' if kind == 'alt' else ' ').join(map(written, parts))})"


def ends(tree: Tree, texts: list[str], at: int) -> Iterator[int]:
    """Yield, by trying everything, where a match that starts at `at` may end."""
    if isinstance(tree, str):
        if at < len(texts) and accepts(tree, texts[at]):
            yield at + 1
    elif isinstance(tree, int):
        for size in range(tree + 1):
            if BOUNDARY not in texts[at : at + size] and at + size <= len(texts):
                yield at + size
    elif tree[0] == "seq":
        yield from ends_of_all(tree[1], texts, at)
    elif tree[0] == "alt":
        for part in tree[1]:
            yield from ends(part, texts, at)
    else:
        yield at
        yield from ends(tree[1][0], texts, at)


def ends_of_all(parts: list[Tree], texts: list[str], at: int) -> Iterator[int]:
    if not parts:
        yield at
        return
    for middle in ends(parts[0], texts, at):
        yield from ends_of_all(parts[1:], texts, middle)


def accepts(atom: str, text: str) -> bool:
    if text == BOUNDARY:
        return False
    if atom == "#":
        return text.isdigit()
    return text.startswith(atom[:-1]) if atom.endswith("*") else text == atom


def naive(tree: Tree, texts: list[str]) -> set[tuple[int, int]]:
    """Return (leftmost start, end) for every end of a match."""
    first: dict[int, int] = {}
    for start in range(len(texts)):
        for end in ends(tree, texts, start):
            first.setdefault(end, start)
    return {(start, end) for end, start in first.items()}


def as_tokens(texts: list[str]) -> Tokens:
    starts = [2 * i for i in range(len(texts))]
    return Tokens(texts, starts, [s + 1 for s in starts], ())


def compiles(tree: Tree) -> bool:
    """Return whether the pattern is short enough: nothing else can be wrong with it."""
    node = parse_pattern(written(tree), {})
    try:
        compile_pattern(node)
    except CatalogueError as error:
        if f"at most {MAX_PATTERN}" not in str(error):
            raise
        return False
    return True


@settings(deadline=None, max_examples=300)
@given(trees, st.lists(token_lists, min_size=1, max_size=4))
def test_the_automaton_agrees_with_trying_everything(tree: Tree, texts: list[list[str]]) -> None:
    assume(compiles(tree))
    matcher = Matcher(catalogue_of(written(tree)))
    for tokens in texts:
        found = matcher.find(as_tokens(tokens), " " * 2 * len(tokens))
        assert len(found) == len({(m.start, m.end) for m in found})
        assert {(m.start, m.end) for m in found} == naive(tree, tokens)


@settings(deadline=None, max_examples=100)
@given(st.lists(trees, min_size=2, max_size=5), token_lists)
def test_patterns_side_by_side_do_not_disturb_one_another(many: list[Tree], texts: list[str]) -> None:
    assume(all(map(compiles, many)))
    patterns = list(dict.fromkeys(map(written, many)))
    found = Matcher(catalogue_of(*patterns)).find(as_tokens(texts), " " * 2 * len(texts))
    for tree in many:
        spans = {(m.start, m.end) for m in found if m.phrase.pattern == written(tree)}
        assert spans == naive(tree, texts)


@settings(deadline=None, max_examples=200)
@given(trees, token_lists)
def test_a_match_lies_inside_one_sentence(tree: Tree, texts: list[str]) -> None:
    assume(compiles(tree))
    for match in Matcher(catalogue_of(written(tree))).find(as_tokens(texts), " " * 2 * len(texts)):
        assert 0 <= match.start < match.end <= len(texts)
        assert match.end - match.start <= MAX_PATTERN
        assert BOUNDARY not in texts[match.start : match.end]


def test_a_list_stands_for_its_items() -> None:
    lists = {"pasaje": parse_list("pasaje", ["boleto", "ticket de avion"], {})}
    automaton = compile_pattern(parse_pattern("paga @pasaje?  ya", lists))
    assert automaton.longest == 5


def test_single_words_of_an_alternative_become_one_atom() -> None:
    automaton = compile_pattern(parse_pattern("(uno|dos|(tres|cuatro cinco)) ya", {}))
    assert sorted(atom for atom, _ in automaton.edges[0]) == ["cuatro", "dos|tres|uno"]


@pytest.mark.parametrize("pattern", ["a?", "(a|b)?", "..", ".. a", "a ..", "a b? ..2 c?"])
def test_a_pattern_begins_and_ends_on_a_word(pattern: str) -> None:
    with pytest.raises(CatalogueError, match=r"may match nothing|starts or ends with a gap"):
        compile_pattern(parse_pattern(pattern, {}))
