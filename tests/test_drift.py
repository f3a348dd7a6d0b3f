"""Comparing two periods: what is found, what is not, and how it is said. All texts are invented."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from screening.catalogue import Catalogue, load_catalogue
from screening.features import key_of
from screening.model import Model
from tests.fakes import fake_model, save_fake_model
from training import __main__ as command
from training.drift import Period, compare, means, period_of, rates, stability
from training.generate import generated

KNOWN = "hola busco casa grande cerca del mar para mi familia en enero gracias".split()
rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def model(catalogue: Catalogue) -> Model:
    """Return the model made by hand, which knows a few words."""
    keys = np.unique(np.array([key_of(word) for word in KNOWN], np.uint32))
    return replace(fake_model(catalogue), word_keys=keys, word_weights=np.zeros(len(keys), np.float32))


@pytest.fixture(scope="module")
def texts() -> pd.DataFrame:
    rows = generated(copies=1)
    return rows[rows.group.isin(rows.group.unique()[::15])]


def says(result: dict[str, Any]) -> str:
    return "\n".join(result["says"])


# --- the whole comparison


def test_the_same_posts_have_not_changed(texts: pd.DataFrame, model: Model) -> None:
    period = period_of(texts.text[:150], model)
    result = compare(period, period)
    assert result["says"] == ["Nothing changed by more than chance and the limits of this report."]
    assert result["scores"]["stability_index"] == 0
    assert all(row["ratio"] == 1 for row in result["indicators"].values())


def test_two_halves_of_one_period_have_hardly_changed(texts: pd.DataFrame, model: Model) -> None:
    mixed = texts.sample(frac=1, random_state=0)
    half = len(mixed) // 2
    result = compare(period_of(mixed.text[:half], model), period_of(mixed.text[half:], model))
    assert result["scores"]["stability_index"] < 3 * result["scores"]["chance"]
    assert not any(row["changed"] for row in result["indicators"].values())


def test_a_campaign_is_noticed_by_score_level_and_indicator(texts: pd.DataFrame, model: Model) -> None:
    calm = texts.text[texts.label == 0].tolist()
    fee = "Para reservar tu cupo deposita la cuota de 50 dólares."
    loud = [f"{text}\n{fee}" if i % 3 == 0 else text for i, text in enumerate(calm)]
    result = compare(period_of(calm, model), period_of(loud, model))
    assert "Scores are spread" in says(result)
    assert result["levels"]["review"]["interval"][0] > 1 or result["levels"]["high"]["interval"][0] > 1
    assert "Decide a few dozen" in says(result)
    assert next(iter(result["indicators"])) == "upfront-fee"
    assert result["indicators"]["upfront-fee"]["changed"]
    assert "Found more often: upfront-fee" in says(result)


def test_unknown_words_and_languages_are_noticed(model: Model) -> None:
    known = [" ".join(rng.permutation(KNOWN)[:8]) for _ in range(60)]
    unknown = [" ".join([*rng.permutation(KNOWN)[:5], "zumbifloro", "tralapal"]) for _ in range(60)]
    result = compare(period_of(known, model), period_of(unknown, model))
    assert result["unknown_words"]["means"] == [0, pytest.approx(2 / 7, abs=1e-3)]
    assert "were unknown to the model" in says(result)

    foreign = ["wir suchen ein grosses haus mit garten nahe bei der stadt"] * 60
    result = compare(period_of(known, model), period_of(foreign, model))
    assert result["languages"]["other"]["shares"] == [0, 1]
    assert "Scores in other languages than es, pt and en mean little" in says(result)
    assert "shared their opening words" in says(result)


def test_what_changed_is_said_by_its_role(model: Model) -> None:
    n = 200
    quiet = pd.DataFrame({code: np.zeros(n, bool) for code in ("urgency", "framing-warning", "bounded-hours")})
    base = Period(np.zeros(n), ["low"] * n, ["es"] * n, np.full(n, 9.0), np.zeros(n), quiet, 0.0)
    loud = replace(base, found=~quiet)
    more, fewer = says(compare(base, loud)), says(compare(loud, base))
    assert "more often: urgency" in more
    assert "more warnings" in more
    assert "lures have learnt to" in more
    assert "a campaign that ended" in fewer
    assert "fewer warnings" in fewer


# --- the measures


def test_the_stability_index_grows_with_the_shift_and_chance_shrinks_with_posts() -> None:
    a = rng.normal(size=2_000)
    indices = [stability(a, rng.normal(shift, 1, 2_000))["stability_index"] for shift in (0, 0.3, 1.0)]
    assert indices == sorted(indices)
    assert indices[0] < stability(a, a)["chance"] * 2
    assert indices[2] > 0.25
    assert stability(a, a)["chance"] < stability(a[:200], a[:200])["chance"]


def test_the_stability_index_bears_scores_that_are_all_alike() -> None:
    assert stability(np.zeros(50), np.zeros(60))["stability_index"] == pytest.approx(0, abs=0.01)
    assert stability(np.zeros(50), np.ones(60))["stability_index"] > 1


@pytest.mark.parametrize(("x", "y"), [(0, 0), (0, 12), (12, 0), (40, 80), (500, 500)])
def test_rates_have_an_interval_around_their_ratio(x: int, y: int) -> None:
    n = 500
    row = rates(np.arange(n) < x, np.arange(n) < y)
    assert row["shares"] == [x / n, y / n]
    assert row["interval"][0] <= row["ratio"] <= row["interval"][1]
    assert (row["p"] < 0.05) == (not row["interval"][0] <= 1 <= row["interval"][1])


def test_means_have_an_interval_around_their_difference() -> None:
    row = means(np.repeat([0.0, 0.2], 50), np.repeat([0.2, 0.4], 50))
    assert row["difference"] == 0.2
    assert row["interval"][0] < 0.2 < row["interval"][1]
    assert row["interval"][0] > 0


# --- the command


def posts_file(path: Path, texts: list[str], extra: str = "") -> str:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts) + extra, "utf-8")
    return str(path)


def test_the_command_prints_a_table_and_writes_json(
    tmp_path: Path, texts: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_fake_model(tmp_path / "model")
    a = posts_file(tmp_path / "a.jsonl", texts.text[texts.label == 0][:80].tolist(), '{"text": 5}\n')
    b = posts_file(tmp_path / "b.jsonl", texts.text[texts.label == 1][:80].tolist())
    assert command.main(["drift", a, b, "--model", str(model), "-o", str(tmp_path / "drift.json")]) == 0
    shown = capsys.readouterr()
    assert "earlier: a.jsonl, 80 posts" in shown.out
    assert "95 % interval" in shown.out
    assert "1 rows left out: the text is int, not a string" in shown.err
    written = (tmp_path / "drift.json").read_text("utf-8")
    result = json.loads(written)
    assert [file["left_out"] for file in result["files"]] == [1, 0]
    assert all(f"- {sentence}" in shown.out for sentence in result["says"])
    assert not any(text in written for text in texts.text)


@pytest.mark.parametrize("rows", [0, 29], ids=["none", "few"])
def test_too_few_posts_are_not_compared(tmp_path: Path, rows: int, capsys: pytest.CaptureFixture[str]) -> None:
    model = save_fake_model(tmp_path / "model")
    a = posts_file(tmp_path / "a.jsonl", ["hola"] * rows)
    b = posts_file(tmp_path / "b.jsonl", ["hola"] * 40)
    assert command.main(["drift", a, b, "--model", str(model)]) == 1
    assert f"has {rows} posts" in capsys.readouterr().err
