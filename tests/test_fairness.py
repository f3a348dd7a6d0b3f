"""Swapping a nationality, a country, an incidental gender or a word of a dialect leaves the score where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from screening import Screener, neutral

CASES: dict[str, Any] = json.loads((Path(__file__).parent / "cases" / "fairness.json").read_text("utf-8"))
MOST = 0.01  # of probability, at the model's own prevalence
GROUPS = 20  # nationalities


@pytest.fixture(scope="module")
def screener() -> Screener:
    return Screener.load()


def parameters(cases: list[dict[str, Any]], part: str) -> list[Any]:
    """Return the cases; one whose `xfail` names this part is known to fail it."""
    found = []
    for case in cases:
        reason = case.get("xfail", {}).get(part)
        marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
        found.append(
            pytest.param(case, id=f"{case['language']}: {case.get('form', 'gender')}: {case['id']}", marks=marks)
        )
    return found


def check(probabilities: dict[str, float]) -> None:
    low, high = min(probabilities, key=probabilities.__getitem__), max(probabilities, key=probabilities.__getitem__)
    gap = probabilities[high] - probabilities[low]
    assert gap <= MOST, f"{gap:.4f} from {low} ({probabilities[low]:.4f}) to {high} ({probabilities[high]:.4f})"


def check_findings(screener: Screener, texts: list[str]) -> None:
    found = [{finding.code for finding in screener.screen(text).findings} for text in texts]
    assert set.union(*found) == set.intersection(*found), sorted(set.union(*found) - set.intersection(*found))


@pytest.mark.parametrize("case", parameters(CASES["frames"], "probability"))
def test_nationality_does_not_matter(screener: Screener, case: dict[str, Any]) -> None:
    people = CASES["nationalities"][case["language"]]
    check({p["country"]: screener.screen(case["text"].format(**p)).probability for p in people})


@pytest.mark.parametrize("case", parameters(CASES["gender"], "probability"))
def test_incidental_gender_does_not_matter(screener: Screener, case: dict[str, Any]) -> None:
    check({text: screener.screen(text).probability for text in case["texts"]})


@pytest.mark.parametrize("case", parameters(CASES["frames"], "findings"))
def test_nationality_changes_no_finding(screener: Screener, case: dict[str, Any]) -> None:
    check_findings(screener, [case["text"].format(**p) for p in CASES["nationalities"][case["language"]]])


@pytest.mark.parametrize("case", parameters(CASES["gender"], "findings"))
def test_incidental_gender_changes_no_finding(screener: Screener, case: dict[str, Any]) -> None:
    check_findings(screener, case["texts"])


@pytest.mark.parametrize("case", parameters(CASES["dialect"], "findings"))
def test_where_the_writer_is_from_changes_neither_score_nor_finding(screener: Screener, case: dict[str, Any]) -> None:
    check_findings(screener, case["texts"])
    logits = [screener.screen(text).logit for text in case["texts"]]
    assert logits == pytest.approx([logits[0]] * len(logits), abs=1e-9), dict(zip(case["texts"], logits, strict=True))


def test_no_word_of_a_dialect_has_two_meanings() -> None:
    names = [name for line in neutral._dialect_lines() for name in line]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_no_word_is_left_that_another_is_read_as() -> None:
    table, _ = neutral._table()
    assert {form: table[form,] for form in table.values() if table.get((form,), form) != form} == {}


@pytest.mark.parametrize("words", ["una u otra", "la compu de la u", "tomar mate con los chicos", "clase de mates"])
def test_no_word_of_spanish_is_read_as_one_of_english(words: str) -> None:
    read = [word for word, _ in neutral.neutral_words(words.split())]
    assert set(read).isdisjoint({"you", "friend", "friends"}), read


def test_frames_are_many_in_each_language() -> None:
    assert {language: len(people) for language, people in CASES["nationalities"].items()} == dict.fromkeys(
        ("es", "pt", "en"), GROUPS
    )
    assert len(CASES["frames"]) >= 20
    assert {(c["language"], c["form"]) for c in CASES["frames"]} == {
        (language, form) for language in ("es", "pt", "en") for form in ("adjective", "country")
    }
