"""Adapting: what is refused, what is learnt, and how little wrong decisions can do. All texts are invented."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from screening import Screener
from screening.catalogue import Catalogue, load_catalogue
from screening.errors import ModelError
from screening.features import Featuriser, grams_of, key_of
from screening.model import Model, load_model
from screening.score import contributions, log_odds, logit_of
from tests.fakes import fake_model, save_fake_model
from training import __main__ as command
from training import adapt as module
from training.adapt import (
    Adapted,
    Columns,
    Decided,
    adapt,
    calibrate_near,
    columns_of,
    estimate_prevalence,
    held_out_parts,
    is_contrary,
    learn,
    longest,
    own_thresholds,
    reach_of,
)
from training.calibrate import Calibration
from training.generate import generated
from training.posts import DecisionError, decided_posts, read_decisions, read_posts

CASES = Path(__file__).parent / "cases" / "postings.json"
CASES_MARGIN = 0.02  # average precision on the cases that 300 wrong decisions may cost
LURE_WORD, HONEST_WORD = "zumbifloro", "tralapeño"  # in no language, so that no model has seen them
WORDS = (
    "camino piedra lago nube silla mesa puerta techo libro papel barco puente jardín arena viento lluvia sombra "
    "espejo reloj campana martillo cuerda hilo aguja tela botón zapato sombrero guante bolsillo"
).split()


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def invented() -> pd.DataFrame:
    return generated(copies=1)


@pytest.fixture(autouse=True)
def few_guards(monkeypatch: pytest.MonkeyPatch, invented: pd.DataFrame) -> None:
    """Guard with fewer texts, to be fast."""
    kept = invented[invented.group.isin(invented.group.unique()[::80])]
    monkeypatch.setattr(module, "guard_texts", lambda: kept)


def platform(lures: int = 60, honest: int = 140, undecided: int = 100, seed: int = 0) -> pd.DataFrame:
    """Return posts of a platform whose lures hold one word and whose honest posts another; label -1: undecided."""
    rng = random.Random(seed)
    rows = []
    for i, label in enumerate([1] * lures + [0] * honest + [-1] * undecided):
        words = rng.sample(WORDS, 12)
        if label >= 0 and rng.random() < 0.9:
            words[rng.randrange(12)] = LURE_WORD if label else HONEST_WORD
        rows.append((f"p{i}", " ".join(words), "es", f"s{i % 20}", "", label))
    return pd.DataFrame(rows, columns=["id", "text", "language", "source", "group", "label"])


def judged(posts: pd.DataFrame) -> pd.DataFrame:
    return posts[posts.label >= 0]


def files(folder: Path, posts: pd.DataFrame, turned: bool = False) -> list[str]:
    """Write posts and decisions; return the options that name them."""
    words = {1: "agree", 0: "disagree"} if not turned else {1: "disagree", 0: "agree"}
    posts.drop(columns="label").to_csv(folder / "posts.csv", index=False)
    rows = "".join(f"{row.id},{words[row.label]}\r\n" for row in judged(posts).itertuples())
    (folder / "decisions.csv").write_text("id,decision\r\n" + rows, "utf-8", newline="")
    return ["--posts", str(folder / "posts.csv"), "--decisions", str(folder / "decisions.csv")]


# --- reading


def decisions_file(folder: Path, text: str) -> Path:
    path = folder / "decisions.csv"
    path.write_text(text, "utf-8", newline="")
    return path


def test_decisions_are_read_as_the_report_exports_them(tmp_path: Path) -> None:
    path = decisions_file(tmp_path, 'id,decision\r\nid-0,agree\r\n"\'=cmd,""x""",disagree\r\n7,unsure\r\n7,unsure\r\n')
    assert read_decisions(path) == {"id-0": "agree", '\'=cmd,"x"': "disagree", "7": "unsure"}


WRONG_DECISIONS = {
    "an unknown value": ("id,decision\na,agree\nb,maybe\n", "line 3: decision 'maybe'; wanted agree, disagree, unsure"),
    "a conflict": ("id,decision\na,agree\na,disagree\n", "'a' is decided both agree and disagree"),
    "a missing column": ("id,verdict\na,agree\n", "no column 'decision'; its columns are 'id', 'verdict'"),
    "a row of another length": ("id,decision\na,agree,x\n", "line 2: 3 fields"),
}


@pytest.mark.parametrize(("text", "part"), WRONG_DECISIONS.values(), ids=WRONG_DECISIONS.keys())
def test_wrong_decisions_are_refused(tmp_path: Path, text: str, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = decisions_file(tmp_path, text)
    (tmp_path / "posts.csv").write_text("id,text\na,hola\n", "utf-8")
    options = ["--decisions", str(path), "--posts", str(tmp_path / "posts.csv"), "-o", str(tmp_path / "model")]
    assert command.main(["adapt", *options]) == 1
    assert part in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_posts_without_ids_are_numbered_and_none_drops_unseen(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    rows = ['{"text": "uno", "source": "a"}', '{"text": null}', '{"text": "tres"}', '{"id": 9, "text": "cuatro"}']
    path.write_text("\n".join(rows), "utf-8")
    posts, rejects = read_posts(path)
    assert posts.id.tolist() == ["1", "3", "9"]
    assert posts.source.tolist() == ["a", "", ""]
    assert set(posts.language) <= {"es", "pt", "en", "other"}
    assert [reject.reason for reject in rejects] == ["the text is null, not a string"]


def decide(posts: pd.DataFrame, agree: int, disagree: int, unsure: int = 0) -> dict[str, str]:
    values = ["agree"] * agree + ["disagree"] * disagree + ["unsure"] * unsure
    return dict(zip(posts.id, values, strict=False))


@pytest.mark.parametrize(
    ("agree", "disagree", "unsure", "part"),
    [(20, 29, 90, "50 are needed"), (9, 80, 0, "one-sided"), (80, 9, 0, "one-sided"), (0, 0, 80, "50 are needed")],
    ids=["too few", "few lures", "few honest", "only unsure"],
)
def test_too_little_or_one_sided_judgement_is_refused(agree: int, disagree: int, unsure: int, part: str) -> None:
    posts = platform()
    with pytest.raises(DecisionError, match=part):
        decided_posts(posts, decide(posts, agree, disagree, unsure))


def test_decided_posts_must_be_found() -> None:
    posts = platform()
    with pytest.raises(DecisionError, match=r"2 of 102 decided ids are in no post .*'absent', 'gone'"):
        decided_posts(posts, {**decide(posts, 50, 50), "absent": "agree", "gone": "agree"})


def test_an_id_of_two_posts_cannot_be_decided() -> None:
    posts = platform()
    posts.loc[1, "id"] = "p0"
    with pytest.raises(DecisionError, match="stand for two posts: 'p0'"):
        decided_posts(posts, decide(posts[2:], 50, 50) | {"p0": "agree"})


def test_the_same_words_cannot_be_both_and_count_once() -> None:
    posts = platform()
    posts.loc[99, "text"] = posts.text[0]
    with pytest.raises(DecisionError, match="same text are decided both ways: 'p0', 'p99'"):
        decided_posts(posts, decide(posts, 50, 50))
    posts.loc[49, "text"] = posts.loc[99, "text"] = posts.text[0] + " otra"
    posts.loc[98, "text"] = posts.loc[99, "text"] = "una sola cosa dicha dos veces"
    assert len(decided_posts(posts, decide(posts, 50, 50))) == 99


def test_the_quote_that_guards_an_id_is_taken_off() -> None:
    posts = platform()
    posts.loc[0, "id"] = "=cmd"
    found = decided_posts(posts, {"'=cmd": "agree", **decide(posts[1:], 49, 50)})
    assert found.id[0] == "=cmd"


# --- holding out


def test_parts_share_no_source() -> None:
    rows = judged(platform())
    parts, split_by = held_out_parts(rows)
    assert split_by == "source"
    assert (pd.Series(parts).groupby(rows.source.to_numpy()).nunique() == 1).all()


def test_without_sources_parts_share_no_group_and_no_template() -> None:
    rows = judged(platform()).assign(source="one")
    assert held_out_parts(rows)[1] == "near-template"
    grouped = rows.assign(source="", group=[f"g{i % 15}" for i in range(len(rows))])
    parts, split_by = held_out_parts(grouped)
    assert split_by == "group"
    assert (pd.Series(parts).groupby(grouped.group.to_numpy()).nunique() == 1).all()


def test_copies_of_few_templates_cannot_be_held_out() -> None:
    rows = judged(platform())
    opening = [f"esta es una de las dos plantillas que hay {label}" for label in rows.label]
    copies = rows.assign(source="", text=[f"{o} {i}" for i, o in enumerate(opening)])
    with pytest.raises(DecisionError, match="copies of a few templates"):
        held_out_parts(copies)


# --- learning


@pytest.fixture(scope="module")
def learnt(catalogue: Catalogue, invented: pd.DataFrame) -> Adapted:
    posts = platform()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "guard_texts", lambda: invented[:60])
        return adapt(fake_model(catalogue), catalogue, posts, judged(posts))


def test_what_moderators_know_is_learnt(learnt: Adapted, catalogue: Catalogue) -> None:
    assert learnt.after["average precision"] > learnt.before["average precision"] + 0.3
    assert learnt.after["Brier score"] < learnt.before["Brier score"]
    assert learnt.doubts == []
    screener = Screener(learnt.model, catalogue)
    risky, honest = (screener.screen(f"mesa silla {word} lago") for word in (LURE_WORD, HONEST_WORD))
    assert risky.logit > screener.screen("mesa silla lago").logit > honest.logit
    assert sum(c.value for c in risky.contributions) == pytest.approx(risky.logit, abs=1e-9)


def test_before_any_change_new_words_weigh_what_their_n_grams_do(catalogue: Catalogue) -> None:
    grams = np.random.default_rng(0).normal(size=2**18).astype(np.float32)
    parent = replace(fake_model(catalogue), gram_weights=grams)
    posts = platform()
    decided, columns = prepared(parent, catalogue, posts)
    at = columns.words.tolist().index(key_of(LURE_WORD)) + columns.edges[0]
    assert columns.weights[at] == pytest.approx(sum(float(grams[g]) for g in grams_of(LURE_WORD)))
    same = module.fold(parent, columns, np.zeros(len(columns.weights)), Calibration(1.0, 0.0))
    for f in decided.features:
        assert logit_of(contributions(f, same)) == pytest.approx(logit_of(contributions(f, parent)), abs=1e-4)


def prepared(parent: Model, catalogue: Catalogue, posts: pd.DataFrame) -> tuple[Decided, Columns]:
    featurise = Featuriser(catalogue)
    rows = judged(posts)
    decided = module._decided(parent, featurise, rows, held_out_parts(rows)[0])
    survey = module._survey(parent, featurise, posts.text, decided.features)
    return decided, columns_of(parent, catalogue, decided, survey)


def test_the_new_model_scores_as_its_parts_say(catalogue: Catalogue) -> None:
    parent = fake_model(catalogue)
    decided, columns = prepared(parent, catalogue, platform())
    matrix = columns.matrix(decided.features)
    change = learn(matrix, decided, np.ones(len(decided.labels), bool), columns.bounds)
    model = module.fold(parent, columns, change, Calibration(1.2, -0.3))
    served = [logit_of(contributions(f, model)) for f in decided.features]
    np.testing.assert_allclose(served, 1.2 * (decided.logits + matrix @ change) - 0.3, atol=1e-4)


def test_furniture_and_words_of_one_template_are_not_learnt(catalogue: Catalogue) -> None:
    posts = platform()
    posts["text"] += " mobiliario"
    posts.loc[[3, 4], "text"] += " singularísimo"
    _, columns = prepared(fake_model(catalogue), catalogue, posts)
    assert key_of(LURE_WORD) in columns.words
    assert key_of("mobiliario") not in columns.words
    assert key_of("singularisimo") not in columns.words


def test_indicators_keep_their_sign(catalogue: Catalogue, invented: pd.DataFrame) -> None:
    posts = some_decisions(invented, turned=True)
    adapted = adapt(fake_model(catalogue), catalogue, posts, judged(posts))
    for indicator in catalogue.indicators:
        weight = adapted.model.indicators[indicator.code]
        assert weight >= 0 if indicator.role == "risk" else weight <= 0 or indicator.role == "offer"


# --- wrong decisions


def some_decisions(invented: pd.DataFrame, turned: bool = False, n: int = 300) -> pd.DataFrame:
    """Return invented lures and honest twins as if decided, of groups that do not guard."""
    rows = invented[invented.kind.isin(["generated-lure", "generated-honest"])]
    rows = rows[rows.group.isin(rows.group.unique()[1::9])][:n].reset_index(drop=True)
    return rows.assign(label=1 - rows.label if turned else rows.label)


def parents(catalogue: Catalogue) -> dict[str, Model]:
    found = {"made by hand": fake_model(catalogue)}
    try:
        return {**found, "shipped": load_model()}
    except ModelError:
        return found


def precision_on_cases(model: Model, catalogue: Catalogue) -> float:
    rows: list[dict[str, Any]] = json.loads(CASES.read_text("utf-8"))
    logits = [a.logit for a in Screener(model, catalogue).screen_many(row["text"] for row in rows)]
    return float(average_precision_score([row["kind"] == "lure" for row in rows], logits))


@pytest.mark.parametrize("name", ["made by hand", "shipped"])
def test_300_wrong_decisions_do_not_wreck_the_model(catalogue: Catalogue, invented: pd.DataFrame, name: str) -> None:
    parent = parents(catalogue).get(name)
    if parent is None:
        pytest.skip("no model ships yet")
    posts = some_decisions(invented, turned=True)
    assert len(posts) == 300
    adapted = adapt(parent, catalogue, posts, judged(posts))
    assert any("swapped" in doubt for doubt in adapted.doubts)
    assert precision_on_cases(adapted.model, catalogue) >= precision_on_cases(parent, catalogue) - CASES_MARGIN
    slope, offset = (adapted.model.manifest["adapted"][-1]["calibration"][key] for key in ("slope", "offset"))
    for f in map(Featuriser(catalogue), posts.text[::10]):
        moved = (logit_of(contributions(f, adapted.model)) - offset) / slope - logit_of(contributions(f, parent))
        assert abs(moved) <= reach_of(f, len(posts)) + 1e-3


def test_more_decisions_reach_further_up_to_a_limit() -> None:
    assert longest(50) < longest(300) < longest(10_000) == longest(1_000_000) == module.MAX_NORM


def test_the_invented_texts_hold_back_a_change_that_costs_too_much(
    catalogue: Catalogue, invented: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GUARD_MARGIN", -1.0)  # nothing is good enough
    posts = platform()
    adapted = adapt(fake_model(catalogue), catalogue, posts, judged(posts))
    assert adapted.model.manifest["adapted"][-1]["strength"].startswith("0.00")
    assert adapted.after["average precision"] == adapted.before["average precision"]


# --- probabilities and levels


def decided_of(logits: np.ndarray[Any, np.dtype[np.float64]], labels: np.ndarray[Any, np.dtype[np.int64]]) -> Decided:
    n = len(labels)
    return Decided([], labels, logits, np.ones(n), np.arange(n) % 5, np.arange(n))


def draws(n: int, share: float, seed: int = 0) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return calibrated logits at a prevalence of `share`, and labels."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < share).astype(np.int64)
    logits = rng.normal(np.where(labels == 1, 2.0, -2.0), 2.0) + log_odds(share)
    return logits, labels


def test_prevalence_is_found_from_scores() -> None:
    logits, labels = draws(20_000, 0.03)
    stated = logits - log_odds(0.03) + log_odds(0.01)
    found, said = estimate_prevalence(stated, 0.01, decided_of(stated[:500], labels[:500]))
    assert found == pytest.approx(0.03, rel=0.25)
    assert "20,000 posts" in said


@pytest.mark.parametrize(
    ("share", "posts", "turned", "part"),
    [
        (0.03, 900, False, "fewer than"),
        (0.2, 20_000, False, "too far"),
        (0.03, 20_000, True, "fits the decided posts worse"),
    ],
    ids=["few posts", "far away", "not borne out"],
)
def test_an_unreliable_prevalence_is_not_taken(share: float, posts: int, turned: bool, part: str) -> None:
    logits, labels = draws(posts, share)
    stated = logits - log_odds(share) + log_odds(0.01)
    found, said = estimate_prevalence(stated, 0.01, decided_of(stated[:500], labels[:500] * (not turned)))
    assert found == 0.01
    assert part in said


def test_calibration_stays_near_the_parents() -> None:
    logits, labels = draws(400, 0.3)
    right = calibrate_near(logits, decided_of(logits, labels), 0.0)
    assert right.slope == pytest.approx(1, abs=0.2)
    wrong = calibrate_near(logits, decided_of(logits, 1 - labels), 0.0)
    assert wrong.slope == module.SLOPE_BOUNDS[0]
    assert abs(wrong.offset) <= module.OFFSET_REACH


def test_decisions_against_the_scores_are_noticed() -> None:
    logits, labels = draws(400, 0.3)
    assert not is_contrary(decided_of(logits, labels))
    assert not is_contrary(decided_of(np.random.default_rng(1).normal(size=400), labels))
    assert is_contrary(decided_of(logits, 1 - labels))


def test_thresholds_are_the_platforms_own_only_with_enough_honest_posts_of_all_scores() -> None:
    posts, _ = draws(50_000, 0.01)
    rng = np.random.default_rng(0)
    sampled = rng.choice(posts, 3_000)
    honest = decided_of(sampled, np.zeros(3_000, np.int64))
    found = own_thresholds(sampled, honest, posts)
    assert found is not None
    assert (posts > found["review"]).mean() == pytest.approx(0.01, abs=0.005)
    few = decided_of(sampled[:900], np.zeros(900, np.int64))
    assert own_thresholds(sampled[:900], few, posts) is None
    top = np.sort(posts)[-3_000:]
    assert own_thresholds(top, decided_of(top, np.zeros(3_000, np.int64)), posts) is None


def test_the_parents_operating_points_move_with_the_calibration(learnt: Adapted, catalogue: Catalogue) -> None:
    parent = fake_model(catalogue)
    notes = learnt.model.manifest["adapted"][-1]
    slope, offset = notes["calibration"]["slope"], notes["calibration"]["offset"]
    for level, logit in parent.manifest["thresholds"].items():
        assert learnt.model.manifest["thresholds"][level] == pytest.approx(slope * logit + offset)
    assert learnt.model.manifest["curve"][0][1:] == parent.manifest["curve"][0][1:]
    untouched = "Rivers flow"  # holds nothing that was learnt
    before, after = (Screener(m, catalogue).screen(untouched) for m in (parent, learnt.model))
    assert after.logit == pytest.approx(slope * before.logit + offset)
    assert after.level == before.level


# --- the command


def test_the_command_writes_a_model_that_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parent, posts = save_fake_model(tmp_path / "parent"), platform()
    options = [*files(tmp_path, posts), "--model", str(parent), "-o", str(tmp_path / "model")]
    assert command.main(["adapt", *options]) == 0
    out = capsys.readouterr().out
    assert "60 agree, 140 disagree, held out by source" in out
    assert "average precision" in out
    screener = Screener.load(tmp_path / "model")
    assert screener.screen(f"mesa {LURE_WORD}").logit > screener.screen(f"mesa {HONEST_WORD}").logit
    notes = load_model(tmp_path / "model").manifest["adapted"]
    assert [n["parent"] for n in notes] == [load_model(parent).manifest["manifest_sha256"]]
    assert (notes[0]["agree"], notes[0]["disagree"], notes[0]["posts"]) == (60, 140, 300)

    again = [*files(tmp_path, posts), "--model", str(tmp_path / "model"), "-o", str(tmp_path / "next")]
    assert command.main(["adapt", *again, "--force"]) == 0
    assert len(load_model(tmp_path / "next").manifest["adapted"]) == 2


def test_no_words_of_posts_are_written(tmp_path: Path) -> None:
    parent = save_fake_model(tmp_path / "parent")
    options = [*files(tmp_path, platform()), "--model", str(parent), "-o", str(tmp_path / "model")]
    assert command.main(["adapt", *options]) == 0
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["manifest.json", "weights.npz"]
    manifest = (tmp_path / "model" / "manifest.json").read_text("utf-8")
    with np.load(tmp_path / "model" / "weights.npz") as arrays:
        assert all(array.dtype.kind in "fu" for array in arrays.values())
    for word in (LURE_WORD, HONEST_WORD, *WORDS):
        assert f'"{word}' not in manifest
        assert f" {word} " not in manifest


def test_a_worse_model_is_not_written_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "is_contrary", lambda decided: True)
    parent = save_fake_model(tmp_path / "parent")
    options = [*files(tmp_path, platform()), "--model", str(parent), "-o", str(tmp_path / "model")]
    assert command.main(["adapt", *options]) == 1
    assert "swapped" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
    assert command.main(["adapt", *options, "--force"]) == 0
    assert (tmp_path / "model").exists()


def test_a_fall_of_either_measure_is_said() -> None:
    before = {"average precision": 0.8, "Brier score": 0.10}
    doubts = [
        Adapted(None, before, after, "source", False).doubts  # type: ignore[arg-type]
        for after in (
            {"average precision": 0.799, "Brier score": 0.101},
            {"average precision": 0.7, "Brier score": 0.2},
        )
    ]
    assert doubts == [[], ["average precision is lower than before", "Brier score is higher than before"]]


def test_the_parent_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parent = save_fake_model(tmp_path / "parent")
    options = [*files(tmp_path, platform()), "--model", str(parent), "-o", str(tmp_path / "parent" / ".." / "parent")]
    assert command.main(["adapt", *options]) == 1
    assert "write to another folder" in capsys.readouterr().err
