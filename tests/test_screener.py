"""The front door on invented postings, and what holds for any text at all."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from itertools import count, islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screening import Assessment, Screener
from screening.assessment import CAVEAT
from screening.catalogue import Catalogue, compile_catalogue, read_sources
from screening.features import COMBINATION, EVASION
from screening.report import reads_as
from screening.score import log_odds, probability_of

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "cases" / "postings.json").read_text("utf-8"))
SPEECH_ACTS = json.loads((Path(__file__).parent / "cases" / "speech_acts.json").read_text("utf-8"))
TEXTS = [case["text"] for case in CASES]
WORDS = sorted({word for text in TEXTS for word in text.split()})
SUM_TOLERANCE = 1e-9  # logits

mixed = st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=30).map(" ".join)
texts = st.text(st.characters(exclude_categories=()), max_size=200) | mixed | st.sampled_from(TEXTS)
random_texts = settings(deadline=None, max_examples=60)


@pytest.fixture(scope="module")
def screener() -> Screener:
    return Screener.load()


@pytest.fixture(scope="module")
def toml_catalogue() -> Catalogue:
    """Return the catalogue with its examples, which the compiled form leaves out."""
    return compile_catalogue(read_sources())


# --- invented postings: lures, and honest texts that look like them


def cases(part: str) -> list[Any]:
    """Return the postings; one whose `xfail` names this part is known to fail it."""
    found = []
    for case in CASES:
        reason = case.get("xfail", {}).get(part)
        marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
        found.append(pytest.param(case, id=f"{case['language']}: {case['id']}", marks=marks))
    return found


@pytest.mark.parametrize("case", SPEECH_ACTS, ids=lambda case: case["id"])
def test_what_a_text_does_is_named_with_the_words_that_tell_it(screener: Screener, case: dict[str, Any]) -> None:
    a = screener.screen(case["text"])
    act = a.speech_act
    assert (act and act[0]) == case["act"]
    assert a.to_dict()["speech_act"] == case["act"]
    if act:
        quote = act[1].spans[0].of(case["text"])
        assert reads_as(a).endswith(("»", "”"))
        assert quote in reads_as(a)


@pytest.mark.parametrize("case", cases("expect"))
def test_posting_shows_its_indicators(screener: Screener, case: dict[str, Any]) -> None:
    found = {finding.code for finding in screener.screen(case["text"]).findings}
    assert set(case["expect"]) <= found, f"not found: {sorted(set(case['expect']) - found)}; found: {sorted(found)}"


@pytest.mark.parametrize("case", cases("level"))
def test_posting_gets_its_level(screener: Screener, case: dict[str, Any]) -> None:
    assessment = screener.screen(case["text"])
    level = "low" if assessment.level == "low" else "flagged"
    assert level == case["level"], f"{assessment.probability:.4f}, {assessment.indicators}"


@pytest.mark.parametrize("case", cases("language"))
def test_posting_is_read_in_its_language(screener: Screener, case: dict[str, Any]) -> None:
    assessment = screener.screen(case["text"])
    assert assessment.language == case["language"]
    assert assessment.notes == ()


def test_honest_postings_are_as_many_as_lures() -> None:
    kinds = [case["kind"] for case in CASES]
    assert kinds.count("honest") >= kinds.count("lure") >= 30
    assert {case["language"] for case in CASES} == {"es", "pt", "en"}
    assert len({case["id"] for case in CASES}) == len(CASES)


def test_expectations_are_codes(screener: Screener) -> None:
    assert {code for case in CASES for code in case["expect"]} <= set(screener.catalogue.codes)


def test_lures_rank_above_honest_postings(screener: Screener) -> None:
    scores = {
        kind: [screener.screen(c["text"]).logit for c in CASES if c["kind"] == kind] for kind in ("lure", "honest")
    }
    above = sum(lure > honest for lure in scores["lure"] for honest in scores["honest"])
    assert above / (len(scores["lure"]) * len(scores["honest"])) >= 0.9


# --- what holds for any text


@random_texts
@given(texts)
def test_contributions_add_up_to_the_logit(screener: Screener, text: str) -> None:
    assessment = screener.screen(text)
    assert abs(sum(term.value for term in assessment.contributions) - assessment.logit) <= SUM_TOLERANCE
    assert all(math.isfinite(term.value) for term in assessment.contributions)


@random_texts
@given(texts)
def test_a_probability_is_the_logistic_of_the_logit(screener: Screener, text: str) -> None:
    assessment = screener.screen(text)
    assert 0 <= assessment.probability <= 1
    assert assessment.probability == probability_of(assessment.logit)
    assert assessment.level in ("low", "review", "high")


@random_texts
@given(texts)
def test_evidence_lies_in_the_text_and_is_something(screener: Screener, text: str) -> None:
    for finding in screener.screen(text).findings:
        for span in finding.spans:
            assert 0 <= span.start < span.end <= len(text)
            assert span.of(text) == text[span.start : span.end] != ""
        assert all(one.end < other.start for one, other in pairwise(finding.spans))


@random_texts
@given(texts)
def test_findings_and_contributions_tell_the_same(screener: Screener, text: str) -> None:
    assessment = screener.screen(text)
    weights = {term.name: term.value for term in assessment.contributions if term.kind == "indicator"}
    told = {finding.code: finding.contribution for finding in assessment.findings}
    assert {code: value for code, value in told.items() if value} == {
        code: value for code, value in weights.items() if code != COMBINATION
    }
    for finding in assessment.findings:
        assert finding.contribution >= 0 or finding.role != "risk"
        assert finding.contribution <= 0 or finding.role not in ("framing", "bounded")
    strengths = [abs(finding.contribution) for finding in assessment.findings]
    assert strengths == sorted(strengths, reverse=True)
    assert set(assessment.indicators) == {f.code for f in assessment.findings if f.role == "risk"}


@random_texts
@given(st.lists(texts, max_size=5))
def test_many_are_screened_as_one_by_one(screener: Screener, many: list[str]) -> None:
    assert list(screener.screen_many(many)) == [screener.screen(text) for text in many]


@random_texts
@given(texts)
def test_an_assessment_becomes_json(screener: Screener, text: str) -> None:
    table = screener.screen(text).to_dict()
    assert json.loads(json.dumps(table)) == table
    assert table["caveat"] in CAVEAT.values()
    assert "text" not in table


def test_many_are_screened_as_they_are_asked_for(screener: Screener) -> None:
    endless = screener.screen_many(f"texto número {n}" for n in count())
    assert isinstance(endless, Iterator)
    assert [a.text for a in islice(endless, 2)] == ["texto número 0", "texto número 1"]


def test_results_do_not_depend_on_what_was_screened_before(screener: Screener) -> None:
    forwards = [screener.screen(text) for text in TEXTS]
    fresh = Screener.load()
    assert [fresh.screen(text) for text in reversed(TEXTS)] == forwards[::-1]


def test_an_assessment_does_not_change(screener: Screener) -> None:
    assessment = screener.screen(TEXTS[0])
    with pytest.raises(dataclasses.FrozenInstanceError):
        assessment.level = "low"  # type: ignore[misc]


# --- texts of which little can be said


@pytest.mark.parametrize("text", ["", " ", "\n\t \r\n", "...!?", "\N{ZERO WIDTH SPACE}", "- , -"], ids=repr)
def test_a_text_without_words_is_empty(screener: Screener, text: str) -> None:
    assessment = screener.screen(text)
    assert assessment.notes == ("empty",)
    assert assessment.findings == ()
    assert [term.kind for term in assessment.contributions] == ["intercept"]
    assert assessment.level == "low"


def test_a_word_or_two_are_too_short(screener: Screener) -> None:
    assert screener.screen("Hola").notes == ("too-short",)
    assert screener.screen("hola hola hola hola hola").notes == ("too-short",)
    assert screener.screen("zzyzx").notes == ("too-short", "other-language")
    assert "too-short" not in screener.screen("Hola, busco trabajo ya").notes


OTHER_LANGUAGES = {
    "Polish": "Szukamy sprzedawczyni z doświadczeniem, umowa o pracę, proszę przesłać życiorys",
    "Turkish": "Mağazamız için deneyimli satış danışmanı arıyoruz, lütfen özgeçmişinizi gönderin",
    "Russian": "Ищем продавца в магазин, договор, звоните с девяти утра",
    "Arabic": "نبحث عن بائعة للعمل في متجرنا بعقد رسمي",
    "French": "Nous cherchons une vendeuse pour notre boutique de Lyon, contrat et formation assurés",
    "German": "Wir suchen eine Verkäuferin für unser Geschäft, bitte senden Sie uns Ihren Lebenslauf",
    "Italian": "Cerchiamo una commessa con esperienza, contratto a tempo determinato, inviate il curriculum",
}


SHARED_WORDS = "a language that shares frequent short words with Spanish is taken for it"
MISTAKEN = {"Italian"}


def known_failures(cases: dict[str, str], failing: set[str], reason: str) -> list[Any]:
    mark = pytest.mark.xfail(reason=reason, strict=True)
    return [pytest.param(text, id=name, marks=[mark] if name in failing else []) for name, text in cases.items()]


@pytest.mark.parametrize("text", known_failures(OTHER_LANGUAGES, MISTAKEN, SHARED_WORDS))
def test_another_language_is_said_to_be_one(screener: Screener, text: str) -> None:
    assessment = screener.screen(text)
    assert (assessment.language, assessment.notes) == ("other", ("other-language",))
    assert assessment.caveat == CAVEAT["en"]


@pytest.mark.parametrize("posting", [b"texto", None, 3, ["texto"], Path("texto")], ids=lambda p: type(p).__name__)
def test_what_is_not_text_is_a_type_error(screener: Screener, posting: Any) -> None:
    with pytest.raises(TypeError, match=f"must be a str, not {type(posting).__name__}"):
        screener.screen(posting)
    with pytest.raises(TypeError):
        list(screener.screen_many([posting]))


def test_text_past_the_limit_is_kept_and_not_read(screener: Screener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screening.screener.MAX_TEXT", len(TEXTS[0]))
    whole, cut = screener.screen(TEXTS[0] + " " + TEXTS[1]), screener.screen(TEXTS[0])
    assert whole.text.endswith(TEXTS[1])
    assert dataclasses.replace(whole, text=cut.text) == cut


# --- evasion


@pytest.mark.parametrize(
    "text",
    [
        "Buscamos personal para tr4b4j0 f4cil en casa",
        "Buscamos personal para t r a b a j o en casa",
        "Buscamos personal para tr\N{CYRILLIC SMALL LETTER A}bajo en casa",
        "Buscamos personal para tra\N{ZERO WIDTH SPACE}bajo en casa",
    ],
    ids=["leet", "spaced letters", "Cyrillic letters", "zero-width space"],
)
def test_a_hidden_spelling_is_told(screener: Screener, text: str) -> None:
    assert EVASION in screener.screen(text).indicators


HONEST_SPELLINGS = {
    "apostrophes": "I don't think you're late, it's only six and we've got time, isn't it",
    "more apostrophes": "They won't say why they can't come, but I'd guess he's ill and she doesn't know",
    "hyphens in English": "Part-time and full-time jobs in e-commerce, follow-up calls, a two-day check-in by e-mail",
    "hyphens in Portuguese": "Pode chamar-me na segunda-feira, vale-transporte e bem-estar, diga-se de passagem",
    "inclusive letters": "Bienvenid@s tod@s l@s niñ@s y amig@s del barrio",
    "figures": "Turno 12x36 de 8h a 17h, salario $1.200.000, bono 10% y 2x1 en comida, aula B12",
    "addresses": "Escribe a contacto@ejemplo.org o mira www.ejemplo.org/vacantes antes del 30/06",
    "a list of letters": "Marque la opción correcta: a) b) c) d) e) y firme con sus iniciales J.L.M.P.",
    "no space after a full stop": "Llegamos bien.Todos te mandan saludos,nos vemos el lunes.Besos a la familia",
    "letters drawn out": "Holaaaa, te extraño muchooooo, ven prontooo",
}


@pytest.mark.parametrize("text", HONEST_SPELLINGS.values(), ids=HONEST_SPELLINGS)
def test_an_honest_spelling_is_not_called_hidden(screener: Screener, text: str) -> None:
    assert [span.of(text) for f in screener.screen(text).findings if f.code == EVASION for span in f.spans] == []
    assert EVASION not in screener.screen(text).indicators


@pytest.mark.parametrize("letter", ["\N{CYRILLIC SMALL LETTER A}", "\N{ZERO WIDTH SPACE}a"], ids=ascii)
def test_a_hidden_spelling_shows_its_evidence(screener: Screener, letter: str) -> None:
    assessment = screener.screen(f"Buscamos personal para tr{letter}bajo en casa")
    assert [f.spans for f in assessment.findings if f.code == EVASION] != [()]


# --- what the shipped model promises


def test_weights_keep_their_signs(screener: Screener) -> None:
    weights = screener._model.indicators
    for indicator in screener.catalogue.indicators:
        weight = weights[indicator.code]
        assert weight >= 0 or indicator.role != "risk", indicator.code
        assert weight <= 0 or indicator.role not in ("framing", "bounded"), indicator.code
    assert weights[COMBINATION] >= 0


def test_the_model_was_trained_with_this_catalogue(screener: Screener) -> None:
    assert screener._model.manifest["codes"] == list(screener.catalogue.codes)


def indicator_part(assessment: Assessment) -> float:
    return math.fsum(term.value for term in assessment.contributions if term.kind == "indicator")


def test_a_risk_phrase_in_a_new_sentence_never_lowers_the_indicators_part(
    screener: Screener, toml_catalogue: Catalogue
) -> None:
    risks = {i.code for i in screener.catalogue.indicators if i.role == "risk"}
    added: dict[str, str] = {}
    for example in toml_catalogue.examples:
        found = {f.code for f in screener.screen(example.text).findings}
        if example.hit and found and found <= risks:
            added.setdefault(example.code, example.text)
    assert len(added) >= 20  # of the risk indicators, those with an example that shows nothing else
    for text in TEXTS[::5]:
        before = indicator_part(screener.screen(text))
        for risk in added.values():
            assert indicator_part(screener.screen(f"{text}\n{risk}")) >= before - SUM_TOLERANCE


# --- other prevalences and thresholds


@pytest.mark.parametrize("prevalence", [1e-6, 0.002, 0.3, 0.999])
def test_prevalence_shifts_the_logit_by_the_log_odds(screener: Screener, prevalence: float) -> None:
    other = screener.with_prevalence(prevalence)
    shift = log_odds(prevalence) - log_odds(screener.prevalence)
    assert other.prevalence == prevalence
    for text in TEXTS[::4]:
        one, two = screener.screen(text), other.screen(text)
        assert two.logit - one.logit == pytest.approx(shift, abs=SUM_TOLERANCE)
        assert two.level == one.level
        assert two.findings == one.findings
        assert two.prevalence == prevalence
        assert abs(sum(term.value for term in two.contributions) - two.logit) <= SUM_TOLERANCE
        assert [t.value for t in two.contributions if t.name == "prevalence"] == [pytest.approx(shift)]


def test_the_same_prevalence_changes_nothing(screener: Screener) -> None:
    assert screener.with_prevalence(screener.prevalence).screen(TEXTS[0]) == screener.screen(TEXTS[0])


@pytest.mark.parametrize("prevalence", [0, 1, -0.1, 1.5, math.nan])
def test_a_prevalence_is_a_share(screener: Screener, prevalence: float) -> None:
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        screener.with_prevalence(prevalence)


def test_levels_are_those_of_the_thresholds(screener: Screener) -> None:
    for other in (screener, screener.with_prevalence(0.2)):
        review, high = other.thresholds["review"], other.thresholds["high"]
        assert 0 < review <= high < 1
        for text in TEXTS:
            assessment = other.screen(text)
            wanted = (
                "high" if assessment.probability >= high else "review" if assessment.probability >= review else "low"
            )
            assert assessment.level == wanted


def test_more_precision_never_flags_more(screener: Screener) -> None:
    likely = screener.with_prevalence(0.2)
    thresholds = [likely.at_precision(p).thresholds for p in (0.1, 0.3, 0.5, 0.7, 0.8)]
    assert all(one["review"] <= other["review"] for one, other in pairwise(thresholds))
    assert all(t["review"] <= t["high"] for t in thresholds)


def test_precision_needs_a_higher_threshold_where_lures_are_rarer(screener: Screener) -> None:
    common, rare = screener.with_prevalence(0.3).at_precision(0.5), screener.with_prevalence(0.05).at_precision(0.5)
    assert common._thresholds["review"] <= rare._thresholds["review"]


def test_more_capacity_never_flags_less(screener: Screener) -> None:
    thresholds = [screener.at_capacity(n).thresholds for n in (75, 100, 500, 2_000)]
    assert all(one["review"] >= other["review"] for one, other in pairwise(thresholds))
    assert screener.at_capacity(5, per=100).thresholds == screener.at_capacity(500).thresholds


def test_out_of_reach_is_an_error(screener: Screener) -> None:
    with pytest.raises(ValueError, match="no threshold reaches precision"):
        screener.with_prevalence(1e-7).at_precision(0.99)
    with pytest.raises(ValueError, match="less than the measured curve can tell apart"):
        screener.with_prevalence(0.9).at_capacity(1, per=1_000_000)


@pytest.mark.parametrize(("reviews", "per"), [(0, 100), (-1, 100), (101, 100)])
def test_a_capacity_is_a_share(screener: Screener, reviews: int, per: int) -> None:
    with pytest.raises(ValueError, match="reviews must be between 1"):
        screener.at_capacity(reviews, per)


def test_a_screener_does_not_change(screener: Screener) -> None:
    before = (screener.prevalence, screener.thresholds)
    screener.with_prevalence(0.5).at_precision(0.5).screen(TEXTS[0])
    screener.at_capacity(100)
    assert (screener.prevalence, screener.thresholds) == before
