"""The suites do to a text what they say, count what they say, and their floors hold; on invented texts only."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from screening import Screener
from screening.catalogue import load_catalogue
from screening.features import Featuriser
from screening.fold import fold_text
from tests.fakes import fake_model, fake_screener, save_fake_model
from training import __main__ as command
from training.corpus import ENVIRONMENT
from training.evaluation import evasion, fairness, faithfulness, gate, indicators, suites
from training.evaluation.gate import FloorError, failures, renew

LURE = (
    "Se buscan señoritas para trabajar en el extranjero. Te pagamos el pasaje, la visa y el hospedaje; "
    "sin experiencia. Deposita hoy la cuota de 50 dólares para reservar tu cupo y escríbeme al WhatsApp."
)
AD = "Restaurante contrata cocinero colombiano con experiencia, contrato indefinido, de lunes a viernes de 7 a 15."
SAME_FOLDED = ("Cyrillic letters", "full-width letters", "mathematical letters", "zero-width characters", "no accents")


@pytest.fixture(scope="module")
def screener() -> Screener:
    return fake_screener()


def texts(rows: list[tuple[str, str, int, str]]) -> pd.DataFrame:
    columns = ["text", "kind", "label", "language"]
    return pd.DataFrame(rows, columns=columns).assign(id=lambda t: t.index.astype(str))


TABLE = texts([(LURE, "lure", 1, "es"), (AD, "job-ad", 0, "es")])


def letters(text: str) -> str:
    return "".join(c for c in fold_text(text) if c.isalpha())


# --- evasion


@pytest.mark.parametrize("attack", evasion.ATTACKS)
def test_an_attack_changes_a_text_and_always_in_the_same_way(attack: str) -> None:
    changed = evasion.attacked(LURE, attack)
    assert changed != LURE
    assert changed == evasion.attacked(LURE, attack)


@pytest.mark.parametrize("attack", SAME_FOLDED)
def test_a_disguise_of_letters_is_undone_by_the_fold(attack: str) -> None:
    changed = evasion.attacked(LURE, attack)
    assert fold_text(changed) == fold_text(LURE)
    assert len(changed) >= len(LURE) - (attack == "no accents")


@pytest.mark.parametrize("attack", ["spaced letters", "dotted letters", "dot inside words", "upper case"])
def test_cut_words_keep_every_letter(attack: str) -> None:
    assert letters(evasion.attacked(LURE, attack)) == letters(LURE)


def test_leet_keeps_the_length_and_hides_letters() -> None:
    changed = evasion.attacked(LURE, "leet")
    assert len(changed) == len(LURE)
    assert sum(map(str.isdigit, changed)) > sum(map(str.isdigit, LURE))


def test_drawn_out_words_keep_their_beginnings() -> None:
    for old, new in zip(LURE.split(), evasion.attacked(LURE, "repeated letters").split(), strict=True):
        assert len(new) >= len(old)
        assert new[:2] == old[:2]


def test_emoji_stand_between_words_that_stay() -> None:
    changed = evasion.attacked(LURE, "emoji between words").split()
    assert [w for w in changed if w.isascii() or any(map(str.isalpha, w))] == LURE.split()
    assert len(LURE.split()) / 3 < len(changed) - len(LURE.split()) <= len(LURE.split()) / 2


def test_full_rewording_replaces_more_than_light_and_neither_loses_the_text() -> None:
    words = set(LURE.split())
    light, full = (set(evasion.attacked(LURE, f"{n} rewording").split()) for n in ("light", "full"))
    assert len(words & full) < len(words & light) < len(words)
    assert len(words & full) > len(words) / 3


@pytest.mark.parametrize("language", ["es", "pt", "en"])
def test_rewordings_are_lower_case_and_never_chain_back(language: str) -> None:
    for name in ("reword", "chat"):
        table = evasion._rewordings(name, language)
        assert len(table) >= 15
        assert all(old == old.lower() and old != new for old, new in table.items())


def test_a_rewording_takes_the_case_and_whole_words_only() -> None:
    assert evasion.replace_words("TRABAJO. Trabajo, trabajos", {"trabajo": "empleo"}) == "EMPLEO. Empleo, trabajos"


def test_half_the_places_are_left_with_a_draw() -> None:
    changed = evasion.replace_words("oro " * 200, {"oro": "plata"}, random.Random(0))
    assert 60 < changed.count("plata") < 140


def test_only_flagged_lures_are_attacked(screener: Screener) -> None:
    found = evasion.evasion(TABLE, screener, [a.level for a in screener.screen_many(TABLE.text)])
    assert found["flagged_texts"] == 1
    assert found["attacks"]["Cyrillic letters"] == {"texts": 1, "keeps_level": 1.0, "still_flagged": 1.0}
    assert found["all"]["texts"] == len(evasion.ATTACKS)
    assert "Cyrillic letters" in evasion.as_text(found)


def test_a_level_lost_is_counted() -> None:
    class Deaf:
        def screen(self, text: str) -> Any:
            return type("Answer", (), {"level": "review"})

    found = evasion.evasion(TABLE, Deaf(), ["high", "low"])
    assert (found["all"]["keeps_level"], found["all"]["still_flagged"]) == (0.0, 1.0)


# --- faithfulness


def shown(screener: Screener, text: str = LURE) -> faithfulness.Ranges:
    return faithfulness.shown_ranges(screener.screen(text), Featuriser(load_catalogue())(text))


def test_what_is_shown_are_whole_words_in_order(screener: Screener) -> None:
    ranges = shown(screener)
    assert ranges
    assert all(a < b <= c < d for (a, b), (c, d) in pairwise(ranges))
    for start, end in ranges:
        assert not (LURE[start - 1 : start] + LURE[start]).isalnum() or start == 0
        assert LURE[start].isalnum()
        assert LURE[end - 1].isalnum()


def test_findings_that_lower_the_score_are_not_shown(screener: Screener) -> None:
    assert shown(screener, AD) == []


def test_without_and_only_are_the_two_halves_of_a_text() -> None:
    text = "uno dos tres cuatro"
    ranges = [(0, 3), (4, 7), (13, 19)]
    assert faithfulness.without(text, ranges).split() == ["tres"]
    assert faithfulness.only(text, ranges) == "uno dos\ncuatro"
    assert faithfulness.without(text, []) == text
    assert faithfulness.only(text, []) == ""


def test_the_words_of_strong_terms_are_shown_wherever_they_stand() -> None:
    features = Featuriser(load_catalogue())("humo ya. Dame Humo en Costa Rica")
    [pair] = [pair for pair in features.pairs if pair.startswith("en ")]  # the country as the model sees it
    places = {features.folded.text[s:e] for s, e in faithfulness._places(features, {"humo", pair})}
    assert places == {"humo", "en", "costa rica"}
    assert len(list(faithfulness._places(features, {"humo"}))) == 2


def test_as_much_is_drawn_at_random_as_was_shown() -> None:
    text = "uno dos tres cuatro cinco seis"
    drawn = faithfulness.at_random(text, [(0, 7)])
    assert 7 <= sum(e - s for s, e in drawn) <= 7 + len("cuatro")
    assert drawn == faithfulness.at_random(text, [(0, 7)])


def test_a_model_of_indicators_is_faithful(screener: Screener) -> None:
    found = faithfulness.faithfulness(TABLE, screener, Featuriser(load_catalogue()))
    row = found["groups"]["all"]
    assert (row["texts"], row["drop_without"], row["kept_by_them"]) == (1, 1.0, 1.0)
    assert 0 < row["shown"] < 1
    assert "drop without" in faithfulness.as_text(found)


# --- fairness

ROW = {"attribute": "a", "language": "es", "groups": ["colombiano|colombianos", "peruano|peruanos", "~inca|incas"]}


def test_a_swap_keeps_form_and_case_and_leaves_other_words() -> None:
    swap = fairness._swap(ROW)
    found = {swap.groups[new][0]: text for _, new, text in swap.variants("COLOMBIANOS y el Colombiano, colombianita")}
    assert found == {
        "peruano": "PERUANOS y el Peruano, colombianita",
        "inca": "INCAS y el Inca, colombianita",
    }


def test_words_only_written_are_not_looked_for() -> None:
    assert list(fairness._swap(ROW).variants("un inca")) == []


def test_groups_must_have_the_same_forms() -> None:
    with pytest.raises(ValueError, match="number of forms"):
        fairness._swap({**ROW, "groups": ["uno|dos", "tres"]})


def test_the_tables_are_right() -> None:
    tables = fairness.swaps()
    for language in ("es", "pt", "en"):
        own = {swap.attribute for swap in tables if swap.language == language}
        assert own == {"nationality", "country", "gender", "gender-target", "ethnicity", "dialect"}
        [nationality] = [s for s in tables if s.attribute == "nationality" and s.language == language]
        assert len(nationality.groups) == 20
        assert {len({forms[0] for forms in s.groups}) - len(s.groups) for s in tables} == {0}


def test_changes_are_counted_by_label(screener: Screener) -> None:
    found = fairness.fairness(TABLE, screener, [fairness._swap(ROW)])
    row = found["attributes"]["a"]["honest"]
    assert (row["texts"], row["swaps"], row["max"], row["share_over"]) == (1, 2, 0.0, 0.0)
    assert "lure" not in found["attributes"]["a"]
    assert "a " in fairness.as_text(found)


# --- indicators


def test_firings_are_shares_of_texts() -> None:
    catalogue = load_catalogue()
    table = pd.concat([TABLE, TABLE.assign(text="Nada de eso", kind="lure")], ignore_index=True)
    found = indicators.indicators(table, catalogue, fake_model(catalogue), Featuriser(catalogue))
    row = found["indicators"]["upfront-fee"]
    assert row["lure"]["es"] == pytest.approx(1 / 3)
    assert row["job-ad"]["es"] == 0
    assert row["weight"] > 0
    assert found["indicators"]["threat-or-penalty"]["doubt"] == "never fires"
    assert "upfront-fee" in indicators.as_text(found)


# --- the gate


def results(value: float, suite: str = "evasion", corpus: str = "abc", wanted: float = 0.95) -> dict[str, Any]:
    return {"suite": suite, "corpus_hash": corpus, "measures": {"all": {"value": value, "wanted": wanted}}}


@pytest.fixture
def floors(tmp_path: Path) -> Path:
    path = tmp_path / "floors.json"
    path.write_text(json.dumps({"corpus_hash": "abc", "floors": {"es.recall": 0.5}}), "utf-8")
    renew(path, results(0.8), allow_lower=False)
    return path


def pinned(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def test_a_suite_is_pinned_under_its_name_and_leaves_the_others(floors: Path) -> None:
    renew(floors, results(0.9, "fairness"), allow_lower=False)
    assert pinned(floors)["evasion"] == {"corpus_hash": "abc", "floors": {"all": 0.78}}
    assert pinned(floors)["fairness"]["floors"] == {"all": 0.88}
    assert pinned(floors)["floors"] == {"es.recall": 0.5}


def test_what_is_wanted_is_held_where_it_was_reached(floors: Path) -> None:
    renew(floors, results(0.96), allow_lower=False)
    assert pinned(floors)["evasion"]["floors"] == {"all": 0.95}
    renew(floors, results(0.99), allow_lower=False)
    assert pinned(floors)["evasion"]["floors"] == {"all": 0.97}


def test_a_suite_below_its_floor_fails_by_name(floors: Path) -> None:
    assert failures(pinned(floors), results(0.79)) == []
    assert failures(pinned(floors), results(0.7)) == ["all: 0.700 is below the floor 0.780"]
    assert failures(pinned(floors), {**results(0.9), "measures": {}}) == ["all: 0.000 is below the floor 0.780"]
    assert "corpus abc, this is xyz" in failures(pinned(floors), results(0.9, corpus="xyz"))[0]
    assert failures(pinned(floors), results(0.9, "fairness")) == ["no floors are pinned; pin them with --renew-floors"]


def test_a_suites_floor_is_not_lowered_unasked(floors: Path) -> None:
    with pytest.raises(FloorError, match=r"all.*--lower-floors"):
        renew(floors, results(0.7), allow_lower=False)
    renew(floors, results(0.7), allow_lower=True)
    assert pinned(floors)["evasion"]["floors"] == {"all": 0.68}


def test_a_suite_pinned_first_leaves_quality_without_floors(tmp_path: Path) -> None:
    path = tmp_path / "floors.json"
    renew(path, results(0.8), allow_lower=False)
    assert pinned(path)["floors"] == {}
    assert pinned(path)["corpus_hash"] == "abc"


# --- the command


@pytest.mark.parametrize("suite", [*suites.MODULES, "all"])
def test_a_suite_needs_real_texts(
    suite: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    if suite == "all":
        monkeypatch.setattr(gate, "run", lambda args: 2)
    assert command.main(["evaluate", "--suite", suite]) == 2
    assert suite == "all" or f"${ENVIRONMENT}" in capsys.readouterr().err


@pytest.mark.parametrize("suite", ["evasion", "faithfulness", "fairness", "indicators"])
def test_a_suite_prints_writes_and_checks(
    suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_fake_model(tmp_path / "model")
    table = TABLE.assign(source="s", group="g", form="ad", train=True)
    monkeypatch.setattr(gate, "real_texts", lambda data: table)
    monkeypatch.setattr(gate, "run_suite", lambda name, texts: suites.run_suite(name, texts, model))
    monkeypatch.setattr(gate, "FLOORS", tmp_path / "floors.json")
    out = tmp_path / "out.json"
    assert command.main(["evaluate", "--suite", suite, "-o", str(out), "--renew-floors", "--check"]) == 0
    assert suite in capsys.readouterr().out
    written = pinned(out)
    assert (written["suite"], len(written["corpus_hash"])) == (suite, 16)
    assert written["corpus_hash"] == pinned(tmp_path / "floors.json")[suite]["corpus_hash"]
