"""Tokens: what each kind of text gives, that places hold on any text, and that work grows with length only."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screening.fold import fold_text
from screening.tokens import BOUNDARY, MAX_WORD, Tokens, tokenise

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "cases" / "tokens.json").read_text("utf-8"))
KNOWN = frozenset(["trabajo", "viaje", "pasaporte", "chicas", "good", "dinero"])
awkward = st.text(
    st.sampled_from("trabjo0134@$_.,-* '\n!\N{FIRE}\N{ZERO WIDTH SPACE}\N{CYRILLIC SMALL LETTER A}"), max_size=60
)
texts = st.text(st.characters(exclude_categories=()), max_size=60) | awkward
MEGABYTE = 1_000_000


def parameter(case: dict[str, Any]) -> object:
    marks = [pytest.mark.xfail(reason=case["xfail"], strict=True)] if "xfail" in case else []
    return pytest.param(case, id=case["id"], marks=marks)


@pytest.mark.parametrize("case", list(map(parameter, CASES)))
def test_case(case: dict[str, Any]) -> None:
    folded = fold_text(case["text"])
    tokens = tokenise(folded, frozenset(case.get("known", ())).__contains__)
    assert tokens.texts == case["tokens"]
    hidden = [folded[tokens.starts[i] : tokens.ends[i]] for i in tokens.repaired]
    assert hidden == [fold_text(text) for text in case.get("repaired", [])]


@settings(deadline=None)
@given(texts, st.sampled_from([KNOWN.__contains__, lambda word: True, lambda word: False]))
def test_tokens_stand_in_order_inside_the_text(text: str, known: Callable[[str], bool]) -> None:
    folded = fold_text(text)
    tokens = tokenise(folded, known)
    spans = list(zip(tokens.starts, tokens.ends, strict=True))
    assert len(tokens) == len(tokens.texts) == len(spans)
    assert all(0 <= start < end <= len(folded) for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert all(tokens.texts)
    assert all(0 <= i < len(tokens) for i in tokens.repaired)
    assert list(tokens.repaired) == sorted(set(tokens.repaired))


@settings(deadline=None)
@given(texts)
def test_boundaries_with_only_marks_between_are_one(text: str) -> None:
    folded = fold_text(text)
    tokens = tokenise(folded, KNOWN.__contains__)
    marks = [i for i, token in enumerate(tokens.texts) if token == BOUNDARY]
    for i, j in pairwise([-1, *marks]):
        between = folded[tokens.ends[i] if i >= 0 else 0 : tokens.starts[j]]
        assert j > i + 1 or not set(between).isdisjoint("@_")  # which are read, and then left out


@settings(deadline=None)
@given(texts)
def test_without_known_words_nothing_is_repaired(text: str) -> None:
    folded = fold_text(text)
    tokens = tokenise(folded, lambda word: False)
    assert tokens.repaired == ()
    for token, start, end in zip(tokens.texts, tokens.starts, tokens.ends, strict=True):
        assert token == BOUNDARY or token[0] == folded[start]
        assert len(token) <= end - start or token == BOUNDARY


@settings(deadline=None)
@given(texts)
def test_repaired_tokens_are_known_words(text: str) -> None:
    tokens = tokenise(fold_text(text), KNOWN.__contains__)
    assert {tokens.texts[i] for i in tokens.repaired} <= KNOWN


# --- hostile shapes

SHAPES: dict[str, str] = {
    "one letter": "a",
    "spaced letters": "a b ",
    "dotted letters": "a.b.",
    "cut words": "ab-abc-",
    "points": ".",
    "at signs": "@",
    "leet": "a4",
    "leet words": "tr4b4j0 ",
    "numbers with points": "1.",
    "numbers and words": "1a,",
    "new lines": "a\n",
    "repeats": "aaab",
    "emoji": "\N{FIRE}",
    "joiners": "a'b-c_d*",
    "one word again": "trabajo ",
}


class Asked:
    """Counts how often the tokeniser asks whether a word is known, and how long the words were."""

    def __init__(self, answer: bool) -> None:
        self.answer, self.letters = answer, 0

    def __call__(self, word: str) -> bool:
        self.letters += len(word)
        return self.answer


def work(shape: str, length: int, answer: bool) -> int:
    asked = Asked(answer)
    tokenise((shape * length)[:length], asked)
    return asked.letters


@pytest.mark.parametrize("answer", [True, False], ids=["all words known", "no word known"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_work_grows_in_step_with_the_text(shape: str, answer: bool) -> None:
    lengths = (1_000, 2_000, 4_000)
    small, middle, large = (work(shape, length, answer) for length in lengths)
    assert large <= MAX_WORD**2 * lengths[-1]  # at most every stretch of a word's length from every place
    assert large - middle <= 2.2 * (middle - small) + MAX_WORD**2


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_a_hostile_megabyte_is_tokenised(shape: str) -> None:
    text = (shape * MEGABYTE)[:MEGABYTE]
    tokens: Tokens = tokenise(text, KNOWN.__contains__)
    assert not tokens.ends or tokens.ends[-1] <= MEGABYTE
