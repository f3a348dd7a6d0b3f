"""The catalogue: its own examples, its compiled form, and what the loader refuses."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib import resources

import pytest

from screening.catalogue import (
    AUTOMATA,
    COMPILED,
    LANGUAGES,
    MIN_EXAMPLES,
    Catalogue,
    CatalogueBuilder,
    Example,
    compile_catalogue,
    hash_of,
    load_catalogue,
    read_indicators,
    read_sources,
    to_compiled,
)
from screening.errors import CatalogueError
from screening.features import EVASION
from screening.fold import fold_text
from screening.matching import Match, Matcher
from screening.tokens import tokenise

DATA = resources.files("screening") / "data"
RENEW = "the compiled catalogue is not that of the TOML files: run `python -m training compile`"


@functools.cache
def from_toml() -> Catalogue:
    return compile_catalogue(read_sources())


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return from_toml()


@pytest.fixture(scope="module")
def matcher(catalogue: Catalogue) -> Matcher:
    return Matcher(catalogue)


def found_in(text: str, matcher: Matcher) -> list[Match]:
    folded = fold_text(text)
    return matcher.find(tokenise(folded, matcher.known), folded)


def examples() -> Iterator[object]:
    """Yield one parameter set an example, with an id such as `es-upfront-fee-hit-0`."""
    numbers: Counter[str] = Counter()
    for example in from_toml().examples:
        name = f"{example.language}-{example.code}-{'hit' if example.hit else 'miss'}"
        yield pytest.param(example, id=f"{name}-{numbers[name]}")
        numbers[name] += 1


@pytest.mark.parametrize("example", list(examples()))
def test_example(example: Example, matcher: Matcher) -> None:
    found = [m.phrase.pattern for m in found_in(example.text, matcher) if m.phrase.code == example.code]
    if example.hit:
        assert found, f"no phrase of {example.code} is in: {example.text}"
    else:
        assert not found, f"{found} of {example.code} should not be in: {example.text}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_indicator_has_phrases_and_examples_in_each_language(catalogue: Catalogue, language: str) -> None:
    wanted = set(catalogue.codes) - {EVASION}
    assert {p.code for p in catalogue.phrases if p.language == language} == wanted
    hits = Counter(e.code for e in catalogue.examples if e.language == language and e.hit)
    misses = Counter(e.code for e in catalogue.examples if e.language == language and not e.hit)
    assert {code for code in wanted if min(hits[code], misses[code]) < MIN_EXAMPLES} == set()


def test_evasion_spelling_has_no_phrases(catalogue: Catalogue) -> None:
    assert EVASION in catalogue.codes
    assert EVASION not in {p.code for p in catalogue.phrases}


def test_codes_are_kebab_case_and_texts_are_plain(catalogue: Catalogue) -> None:
    for indicator in catalogue.indicators:
        assert re.fullmatch("[a-z]+(-[a-z]+)*", indicator.code)
        assert all(text == text.strip() for text in (*indicator.title.values(), *indicator.reason.values()))


def test_no_example_stands_twice_under_one_code(catalogue: Catalogue) -> None:
    counts = Counter((e.code, e.language, e.text) for e in catalogue.examples)
    assert [key for key, n in counts.items() if n > 1] == []


def test_the_compiled_files_are_current() -> None:
    assert (DATA / COMPILED).is_file(), RENEW
    assert (DATA / AUTOMATA).is_file(), RENEW
    assert json.loads((DATA / COMPILED).read_bytes())["sources"] == hash_of(read_sources()), RENEW


def test_the_compiled_files_find_what_the_toml_files_find(catalogue: Catalogue, matcher: Matcher) -> None:
    compiled = load_catalogue()
    assert compiled.examples == (), RENEW  # only the compiled form leaves them out
    assert (compiled.indicators, compiled.phrases, compiled.atoms) == (
        catalogue.indicators,
        catalogue.phrases,
        catalogue.atoms,
    )
    other = Matcher(compiled)
    for example in catalogue.examples:
        assert found_in(example.text, other) == found_in(example.text, matcher)


def test_compiling_is_deterministic_and_leaves_examples_out(catalogue: Catalogue) -> None:
    sources = read_sources()
    table, arrays = to_compiled(catalogue, sources)
    again, same_arrays = to_compiled(compile_catalogue(sources), sources)
    assert table == again
    assert arrays == same_arrays
    assert catalogue.examples[0].text not in table.decode()


# --- what the loader refuses

INDICATOR = """
[[indicator]]
code = "upfront-fee"
family = "money"
role = "risk"
strength = "strong"
hard = true
negatable = true
patterns = true
title = { es = "t", pt = "t", en = "t" }
reason = { es = "r", pt = "r", en = "r" }
authority = "A"
source = "S"
note = ""
"""
INDICATORS = f"format = 1\n{INDICATOR}"
ENTRY = """
[upfront-fee]
patterns = ["paga* .. cuota"]
hits = ["a", "b", "c"]
misses = ["d", "e", "f"]
"""

BAD_INDICATORS = {
    "no format": (INDICATOR, ["format is None", "format 1"]),
    "another format": (INDICATORS.replace("format = 1", "format = 2"), ["format is 2", "format 1"]),
    "not TOML": (INDICATORS + "\n???", ["not valid TOML"]),
    "a code twice": (INDICATORS + INDICATOR, ["twice", "upfront-fee"]),
    "an unknown key": (INDICATORS + "colour = 1\n", ["upfront-fee", "unknown keys ['colour']"]),
    "a missing key": (INDICATORS.replace('note = ""', ""), ["upfront-fee", "missing keys ['note']"]),
    "no code": (INDICATORS.replace('code = "upfront-fee"', ""), ["(no code)", "missing keys ['code']"]),
    "an unknown role": (INDICATORS.replace('"risk"', '"danger"'), ["upfront-fee", "'danger'"]),
    "an unknown strength": (INDICATORS.replace('"strong"', '"huge"'), ["upfront-fee", "'huge'"]),
    "a title without Portuguese": (INDICATORS.replace('es = "t", pt = "t"', 'es = "t"'), ["upfront-fee", "title"]),
    "an empty reason": (INDICATORS.replace('en = "r"', 'en = ""'), ["upfront-fee", "reason"]),
    "no authority": (INDICATORS.replace('"A"', '""'), ["upfront-fee", "authority"]),
    "no source": (INDICATORS.replace('"S"', '""'), ["upfront-fee", "source"]),
}


def with_pattern(pattern: str, lists: str = "") -> str:
    return lists + ENTRY.replace("paga* .. cuota", pattern)


BAD_PHRASES = {
    "not TOML": (ENTRY + "[", ["not valid TOML"]),
    "an unknown code": (ENTRY.replace("upfront-fee", "downfront-fee"), ["no indicator", "downfront-fee"]),
    "a code twice": (ENTRY + ENTRY, ["not valid TOML", "upfront-fee"]),
    "an unknown key": (ENTRY + 'near = ["g"]\n', ["upfront-fee", "near"]),
    "a missing key": (ENTRY.replace('misses = ["d", "e", "f"]', ""), ["upfront-fee", "misses"]),
    "too few hits": (ENTRY.replace('"a", ', ""), ["upfront-fee", "3 hits"]),
    "too few misses": (ENTRY.replace('"d", ', ""), ["upfront-fee", "3 misses"]),
    "a group left open": (with_pattern("(paga* cuota"), ["upfront-fee", "not closed"]),
    "a bracket too many": (with_pattern("paga* cuota)"), ["upfront-fee", "unexpected ')'"]),
    "an empty alternative": (with_pattern("(paga*|) cuota"), ["upfront-fee", "empty"]),
    "an empty pattern": (with_pattern(""), ["upfront-fee", "empty"]),
    "an unknown list": (with_pattern("paga* @cosa"), ["upfront-fee", "no list named 'cosa'"]),
    "a gap at the start": (with_pattern(".. cuota"), ["upfront-fee", "starts or ends with a gap"]),
    "a gap at the end": (with_pattern("paga* .."), ["upfront-fee", "starts or ends with a gap"]),
    "a gap before an optional end": (with_pattern("paga* .. cuota?"), ["upfront-fee", "starts or ends with a gap"]),
    "nothing but optional words": (with_pattern("paga*? cuota?"), ["upfront-fee", "may match nothing"]),
    "a gap too wide": (with_pattern("paga* ..9 cuota"), ["upfront-fee", "a gap of 9 tokens; at most 8"]),
    "a prefix too short": (with_pattern("pa* cuota"), ["upfront-fee", "prefix 'pa*'"]),
    "two tokens in one word": (with_pattern("paga-cuota ya"), ["upfront-fee", "write its tokens apart"]),
    "too long a match": (with_pattern("paga " + "..8 cuota " * 5), ["upfront-fee", "at most 40"]),
    "a list that is empty": (with_pattern("paga", "[lists]\ncosa = []\n"), ["lists.cosa", "empty"]),
    "a list that uses one below it": (
        with_pattern("paga", '[lists]\nuna = ["@otra"]\notra = ["x"]\n'),
        ["lists.una", "no list named 'otra'"],
    ),
    "a bad pattern in a list": (with_pattern("paga", '[lists]\ncosa = ["pa*"]\n'), ["lists.cosa", "prefix 'pa*'"]),
}


def parameters(cases: dict[str, tuple[str, list[str]]]) -> list[object]:
    return [pytest.param(toml, parts, id=name) for name, (toml, parts) in cases.items()]


@pytest.mark.parametrize(("toml", "parts"), parameters(BAD_INDICATORS))
def test_a_wrong_indicator_file_is_refused_by_name(toml: str, parts: list[str]) -> None:
    with pytest.raises(CatalogueError) as caught:
        read_indicators(toml, "mine.toml")
    assert all(part in str(caught.value) for part in ("mine.toml", *parts)), str(caught.value)


@pytest.mark.parametrize(("toml", "parts"), parameters(BAD_PHRASES))
def test_a_wrong_phrase_file_is_refused_by_name(toml: str, parts: list[str]) -> None:
    builder = CatalogueBuilder(read_indicators(INDICATORS, "mine.toml"))
    with pytest.raises(CatalogueError) as caught:
        builder.add_language(toml, "phrases/es.toml", "es")
    assert all(part in str(caught.value) for part in ("phrases/es.toml", *parts)), str(caught.value)


def test_right_files_are_read() -> None:
    builder = CatalogueBuilder(read_indicators(INDICATORS, "mine.toml"))
    builder.add_language(ENTRY, "phrases/es.toml", "es")
    catalogue = builder.catalogue()
    assert catalogue.codes == ("upfront-fee",)
    assert [p.pattern for p in catalogue.phrases] == ["paga* .. cuota"]
    assert Counter(e.hit for e in catalogue.examples) == {True: 3, False: 3}
    assert catalogue["upfront-fee"].hard
