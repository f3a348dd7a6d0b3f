"""Findings in real text: negation, evidence in the original, and results that do not depend on what came before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screening import matching
from screening.catalogue import LANGUAGES, Catalogue, CatalogueBuilder, Indicator
from screening.fold import fold, fold_text
from screening.matching import Match, Matcher
from screening.tokens import BOUNDARY, tokenise

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "cases" / "matching.json").read_text("utf-8"))
PHRASES = {
    "money": ["(pagas|pagar) .. matricula", "(pix|deposit*) .. #", "$ #"],
    "travel": ["(pasaje|boleto) (pago|gratis)", "sin papeles", "viaj* ..5 frontera"],
    "work": ["trabaj* facil", "(chicas|jovenes) para (bar|club)"],
}
WORDS = [
    "pagas",
    "pagar",
    "matricula",
    "pix",
    "deposita",
    "50",
    "$",
    "pasaje",
    "boleto",
    "pago",
    "gratis",
    "sin",
    "papeles",
    "viajas",
    "frontera",
    "trabajo",
    "facil",
    "chicas",
    "jovenes",
    "para",
    "bar",
    "club",
    "no",
    "nunca",
    ",",
    ".",
    "hoy",
    "el",
    "t-r-a-b-a-j-o",
    "tr4b4jo",
    "casa",
]
texts = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)


def catalogue_of(phrases: dict[str, list[str]], language: str = "es", negatable: bool = True) -> Catalogue:
    texts_of = dict.fromkeys(LANGUAGES, "t")
    indicators = tuple(
        Indicator(code, "family", "risk", "weak", False, negatable, texts_of, texts_of, "authority", "source", "")
        for code in phrases
    )
    builder = CatalogueBuilder(indicators)
    examples = f"hits = {json.dumps(['a'] * 3)}\nmisses = {json.dumps(['b'] * 3)}\n"
    tables = [
        f"[{code}]\npatterns = {json.dumps(patterns, ensure_ascii=False)}\n{examples}"
        for code, patterns in phrases.items()
    ]
    builder.add_language("\n".join(tables), f"{language}.toml", language)
    return builder.catalogue()


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return catalogue_of(PHRASES)


def find(text: str, matcher: Matcher) -> list[Match]:
    folded = fold_text(text)
    return matcher.find(tokenise(folded, matcher.known), folded)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    matcher = Matcher(catalogue_of({"code": [case["pattern"]]}, case["language"], case.get("negatable", True)))
    folded = fold(case["text"])
    tokens = tokenise(folded.text, matcher.known)
    spans = [
        folded.original_span(tokens.starts[m.start], tokens.ends[m.end - 1]) for m in matcher.find(tokens, folded.text)
    ]
    assert [case["text"][start:end] for start, end in spans] == case["found"]


@settings(deadline=None)
@given(st.lists(texts, max_size=6), texts)
def test_a_used_matcher_finds_what_a_fresh_one_finds(before: list[str], text: str) -> None:
    catalogue = catalogue_of(PHRASES)
    used = Matcher(catalogue)
    for other in before:
        find(other, used)
    assert find(text, used) == find(text, Matcher(catalogue))


@settings(deadline=None, max_examples=50)
@given(st.lists(texts, min_size=1, max_size=8))
def test_memory_that_is_cleared_at_every_text_changes_nothing(many: list[str]) -> None:
    catalogue = catalogue_of(PHRASES)
    roomy, tight = Matcher(catalogue), Matcher(catalogue)
    with pytest.MonkeyPatch.context() as patch:
        wanted = [find(text, roomy) for text in many]
        patch.setattr(matching, "MAX_STATES", 1)
        patch.setattr(matching, "MAX_CLASSES", 1)
        assert [find(text, tight) for text in many] == wanted


@pytest.mark.parametrize(("limit", "held"), [("MAX_STATES", "_states"), ("MAX_CLASSES", "_class_of")])
def test_what_is_remembered_between_texts_is_bounded(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, limit: str, held: str
) -> None:
    monkeypatch.setattr(matching, limit, 5)
    matcher = Matcher(catalogue)
    for i in range(40):
        find(f"pagas palabra{'abcdefghij'[i % 10]}{'abcd'[i // 10]} pagar matricula", matcher)
        for lane in matcher._lanes:
            assert len(getattr(lane, held)) <= 5 + 12  # the bound, and what one text of this length can add


@settings(deadline=None)
@given(texts)
def test_matches_lie_inside_one_sentence_and_inside_the_text(text: str) -> None:
    matcher = Matcher(catalogue_of(PHRASES))
    folded = fold_text(text)
    tokens = tokenise(folded, matcher.known)
    for match in matcher.find(tokens, folded):
        assert 0 <= match.start < match.end <= len(tokens)
        assert BOUNDARY not in tokens.texts[match.start : match.end]


@settings(deadline=None)
@given(texts, texts)
def test_sentences_do_not_change_what_is_found_in_one_another(first: str, second: str) -> None:
    matcher = Matcher(catalogue_of(PHRASES))
    phrases = [m.phrase for m in find(f"{first}\n{second}", matcher)]
    assert phrases == [m.phrase for text in (first, second) for m in find(text, matcher)]


class Counting(matching._Lane):
    """Counts the states worked out and the tokens read backwards."""

    steps = 0
    back = 0

    def _step(self, state: int, klass: int) -> int:
        self.steps += 1
        return super()._step(state, klass)

    def start_of(self, number: int, texts: Any, end: int) -> int:
        self.back += int(self._automata.longest[number])
        return super().start_of(number, texts, end)


@pytest.mark.parametrize("text", ["pagas ", "viajas ", "pagar matricula ", "$ 50 ", "x ", "no "], ids=str.strip)
def test_the_states_of_a_repetitive_text_are_worked_out_once(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(matching, "_Lane", Counting)
    short, long = Matcher(catalogue), Matcher(catalogue)
    find(text * 200, short)
    find(text * 2000, long)
    for lane, other in zip(short._lanes, long._lanes, strict=True):
        assert isinstance(lane, Counting)
        assert isinstance(other, Counting)
        assert other.steps == lane.steps
        assert other.back <= 11 * lane.back


def test_languages_are_matched_side_by_side() -> None:
    texts_of = dict.fromkeys(LANGUAGES, "t")
    indicator = Indicator("code", "family", "risk", "weak", False, True, texts_of, texts_of, "authority", "source", "")
    builder = CatalogueBuilder((indicator,))
    entry = "[code]\npatterns = ['bar {}', 'club']\nhits = ['a', 'b', 'c']\nmisses = ['d', 'e', 'f']\n"
    for language, word in (("es", "abierto"), ("pt", "aberto"), ("en", "open")):
        builder.add_language(entry.format(word), f"{language}.toml", language)
    found = find("no bar aberto y no bar abierto, club", Matcher(builder.catalogue()))
    assert [(m.phrase.language, m.phrase.pattern) for m in found] == [
        ("en", "club"),
        ("es", "club"),
        ("pt", "bar aberto"),  # "no" is a place in Portuguese and a negator in Spanish
        ("pt", "club"),
    ]


def test_known_words_are_those_of_phrases(catalogue: Catalogue) -> None:
    matcher = Matcher(catalogue)
    assert all(map(matcher.known, ["matricula", "deposito", "trabajadora", "bar"]))
    assert not any(map(matcher.known, ["casa", "pasajes", "trab", "zzz"]))
